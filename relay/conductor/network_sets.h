// The networks that one client has named, as snapshots that workers may read while the next one is
// being made. A set that changes counts for legs opened or updated afterwards; a leg keeps the
// snapshot it was given.
#pragma once

#include <array>
#include <memory>

#include "relay/abi/command.h"
#include "relay/session/leg_setup.h"

namespace relay::conductor {

using NetworkSnapshot = std::shared_ptr<const session::NetworkSet>;

class NetworkSets {
 public:
  // `command` is checked by itself (command_check.h). False: the set would grow past its bound.
  bool Define(const abi::NetworkSetCommand& command) {
    auto next = std::make_shared<session::NetworkSet>();
    const NetworkSnapshot& now = sets_[command.set];
    if (command.append != 0 && now != nullptr) *next = *now;
    if (next->count + command.count > abi::kNetworksPerSet) return false;
    for (uint16_t i = 0; i < command.count; ++i)
      next->networks[next->count++] = command.networks[i];
    sets_[command.set] = std::move(next);
    return true;
  }

  // Null: not defined.
  const NetworkSnapshot& Find(uint16_t set) const { return sets_[set]; }

  void Clear() { sets_ = {}; }

 private:
  std::array<NetworkSnapshot, abi::kNetworkSetsMax> sets_;
};

}  // namespace relay::conductor
