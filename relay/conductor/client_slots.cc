#include "relay/conductor/client_slots.h"

#include "relay/conductor/segment.h"

namespace relay::conductor {

ClientSlots::ClientSlots(uint16_t count, std::span<const abi::LocalAddress> addresses) {
  for (uint16_t i = 0; i < count; ++i) {
    slots_.push_back(std::make_unique<ClientSlot>(i, LeasesOf(i, count, addresses)));
  }
}

ClientSlots::Choice ClientSlots::Choose(
    uint64_t cookie, const std::function<size_t(uint16_t)>& live_sessions) const {
  ClientSlot* unused = nullptr;
  ClientSlot* abandoned = nullptr;
  for (const auto& slot : slots_) {
    if (slot->cookie() == cookie) {
      if (slot->attached()) return {.status = abi::WelcomeStatus::kCookieInUse};
      return {.slot = slot.get(), .resumed = true};
    }
    if (!slot->named()) {
      if (unused == nullptr) unused = slot.get();
    } else if (!slot->attached() && live_sessions(slot->number()) == 0 &&
               (abandoned == nullptr || slot->ended_turn() < abandoned->ended_turn())) {
      abandoned = slot.get();
    }
  }
  ClientSlot* slot = unused != nullptr ? unused : abandoned;
  if (slot == nullptr) return {.status = abi::WelcomeStatus::kNoSlot};
  return {.slot = slot};
}

}  // namespace relay::conductor
