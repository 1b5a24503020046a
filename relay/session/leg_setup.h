// What the conductor hands to a worker with a leg: a plan that is already validated, and what the
// plan's words have become (handles, indices, snapshots).
#pragma once

#include <cstdint>
#include <type_traits>

#include "relay/abi/command.h"
#include "relay/session/leg.h"

namespace relay::session {

// An immutable snapshot of the networks that a learning mode may trust. The conductor keeps it
// until no worker uses it: that is, until the leg's kLegUpdated with a later plan_version, or its
// kLegClosed, has come back.
struct NetworkSet {
  uint32_t count;
  abi::Network networks[abi::kNetworksPerSet];

  bool Contains(const abi::Address& address) const {
    for (uint32_t i = 0; i < count; ++i) {
      if (networks[i].Contains(address)) return true;
    }
    return false;
  }
};

struct LegSetup {
  abi::LegPlan plan;           // validated
  abi::SrtpPlan srtp;          // as well; whoever has taken it in overwrites it
  const NetworkSet* networks;  // null = any address

  uint32_t generation;    // of the slot; comes back in every report
  uint32_t plan_version;  // grows with each update of the leg; comes back in kLegUpdated
  uint32_t statistics;    // index of the leg's slot in the state segment
  uint32_t ssrc;          // random: the leg's own, while it has passed on nobody else's
  uint32_t rtp_handle;    // of the worker's port `port_index`, from Port::Bind
  uint32_t rtcp_handle;   // kNoHandle while only rtcp-mux was ever planned
  uint8_t port_index;     // 0 .. kPortsPerWorkerMax - 1
  uint8_t reserved[7];
  char cname[kCnameLength];  // random, of the session (RFC 7022); not terminated
};
static_assert(sizeof(LegSetup) == 392);
static_assert(std::is_trivially_copyable_v<LegSetup>);

}  // namespace relay::session
