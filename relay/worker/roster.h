// The worker's legs and who hears whom: obeys the conductor's orders.
#pragma once

#include <cstdint>

#include "relay/clock.h"
#include "relay/worker/mailbox.h"
#include "relay/worker/state.h"

namespace relay::worker {

class Roster {
 public:
  explicit Roster(State& state) : state_(state) {}

  void Obey(const Order& order, TimeNs now);

 private:
  void Open(uint32_t slot, const session::LegSetup& setup, TimeNs now);
  void Update(uint32_t slot, const session::LegSetup& setup, TimeNs now);
  void Close(uint32_t slot);
  void Bridge(uint32_t speaker, uint32_t listener);
  void SendDigit(const Order& order, TimeNs now);
  void Unbridge(uint32_t speaker, uint32_t listener);

  // The part of a setup that an update may change.
  void Apply(uint32_t slot, const session::LegSetup& setup, bool first, TimeNs now);
  // True when the leg went from plain to secured RTP or back.
  bool ApplySrtp(uint32_t slot, const abi::SrtpPlan& srtp, TimeNs now);
  // Writes the speaker's payload type maps again.
  void MapListeners(uint32_t speaker);
  bool IsOpen(uint32_t slot) const {
    return slot < state_.legs.size() && state_.legs[slot].gate.open;
  }

  State& state_;
};

}  // namespace relay::worker
