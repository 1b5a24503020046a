// What happens to a leg without a packet: statistics once a second, the media timeout, and the
// leg's own RTCP. One timer a leg, set to whatever is due first.
#pragma once

#include <cstdint>

#include "relay/clock.h"
#include "relay/worker/pipeline.h"
#include "relay/worker/state.h"

namespace relay::worker {

class Timekeeper {
 public:
  Timekeeper(State& state, Pipeline& pipeline) : state_(state), pipeline_(pipeline) {}

  // Does what is due, for a bounded number of legs. Returns how many it looked at.
  size_t Advance(TimeNs now);

 private:
  void Tend(uint32_t slot, TimeNs now);
  void WatchSilence(uint32_t slot, session::Leg& leg, TimeNs now);
  void Report(uint32_t slot, session::Leg& leg, TimeNs now);

  State& state_;
  Pipeline& pipeline_;
};

}  // namespace relay::worker
