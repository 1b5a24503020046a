// Which worker a local port belongs to: an agreement that both processes compute from the same
// data, so that sipctl takes both ports of a call from one worker's share and no packet has to
// change cores.
//
// The granularity is the even/odd pair. All kinds of steering that the ports know (one worker,
// flow rules on the destination port, a Toeplitz key that lets RSS see destination-port bits 1..7
// only) come down to the same table look-up by those bits; `kind` only says how the table came
// about and what happens to a packet that a NIC put elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/abi/endpoint.h"

namespace relay::abi {

inline constexpr uint16_t kPlacementEntries = 128;
inline constexpr uint16_t kWorkersMax = 32;

enum class PlacementKind : uint16_t {
  kNone = 0,
  kSockets = 1,    // the kernel's sockets: the table is exact, every pair has its worker's socket
  kFlowRules = 2,  // NIC rules on the destination port
  kToeplitz = 3,   // RSS with a one-bit key
  kHandOver = 4,   // the NIC cannot steer: whoever receives hands over
};

struct Placement {
  PlacementKind kind;
  uint16_t workers;  // 1 .. kWorkersMax
  uint32_t reserved;
  uint8_t table[kPlacementEntries];  // pair bits -> worker
};
static_assert(sizeof(Placement) == 136);

constexpr uint8_t WorkerOf(const Placement& placement, LocalEndpoint local) {
  return placement.table[(local.port >> 1) % kPlacementEntries];
}

// Every worker gets an equal share, neighbouring pairs on different workers.
constexpr Placement EvenPlacement(PlacementKind kind, uint16_t workers) {
  Placement placement{.kind = kind, .workers = workers, .reserved = 0, .table = {}};
  for (uint16_t i = 0; i < kPlacementEntries; ++i) {
    placement.table[i] = static_cast<uint8_t>(i % workers);
  }
  return placement;
}

}  // namespace relay::abi
