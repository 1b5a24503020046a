// Local endpoint -> leg, by direct index: no hash, no probe, no collision.
//
// One entry is a port *pair* (RTP and the RTCP port above it), 4 bytes; 16 neighbouring pairs share
// a cache line. The table of one worker covers all ports of all local addresses, as any of them
// may be placed on it: 30,000 ports of one address are 60 KB.
//
// The table holds nothing that the legs do not say themselves; it can be built again from them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "relay/abi/endpoint.h"
#include "relay/abi/segment.h"
#include "relay/session/leg.h"

namespace relay::session {

// The ports of one local address; the position in the span is the address's index.
struct PortRange {
  uint16_t first;  // even
  uint16_t last;   // odd; first > last: no port
};

class SessionTable {
 public:
  explicit SessionTable(std::span<const PortRange> ranges);

  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  // kNoLeg when the endpoint is outside the ranges or free.
  uint32_t Find(abi::LocalEndpoint local) const {
    const uint32_t* entry = Entry(local);
    return entry == nullptr ? kNoLeg : *entry;
  }

  // Starts loading the entry, for a Find some dozen nanoseconds later.
  void Prefetch(abi::LocalEndpoint local) const {
    const uint32_t* entry = Entry(local);
    if (entry != nullptr) __builtin_prefetch(entry);
  }

  // False when the endpoint is outside the ranges or another leg has the pair.
  bool Insert(abi::LocalEndpoint local, uint32_t leg);
  void Erase(abi::LocalEndpoint local);

 private:
  struct Row {
    uint16_t first = 0;
    uint16_t pairs = 0;
    uint32_t begin = 0;  // in entries_
  };

  const uint32_t* Entry(abi::LocalEndpoint local) const {
    if (local.address >= abi::kLocalAddressesMax) return nullptr;
    const Row& row = rows_[local.address];
    const uint16_t pair = static_cast<uint16_t>(local.port - row.first) >> 1;
    return pair < row.pairs ? &entries_[row.begin + pair] : nullptr;
  }

  Row rows_[abi::kLocalAddressesMax];
  std::unique_ptr<uint32_t[]> entries_;
};

}  // namespace relay::session
