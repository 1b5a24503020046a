// All client slots, and who gets which.
//
// Conductor thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "relay/abi/segment.h"
#include "relay/conductor/client_slot.h"

namespace relay::conductor {

class ClientSlots {
 public:
  ClientSlots(uint16_t count, std::span<const abi::LocalAddress> addresses);

  size_t size() const { return slots_.size(); }
  ClientSlot& operator[](size_t number) { return *slots_[number]; }
  const ClientSlot& operator[](size_t number) const { return *slots_[number]; }

  struct Choice {
    abi::WelcomeStatus status = abi::WelcomeStatus::kOk;
    ClientSlot* slot = nullptr;  // where status is kOk
    bool resumed = false;        // it was this cookie's before
  };
  // The slot of that cookie, else one that nobody has, else the longest abandoned one without live
  // sessions: its journal is given up.
  Choice Choose(uint64_t cookie, const std::function<size_t(uint16_t slot)>& live_sessions) const;

 private:
  std::vector<std::unique_ptr<ClientSlot>> slots_;
};

}  // namespace relay::conductor
