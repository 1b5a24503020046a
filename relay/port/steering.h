// How a NIC is told which worker a packet belongs to (relay/abi/placement.h): rules on the UDP
// destination port where it takes them, else a hash key and an indirection table chosen so that
// plain receive-side scaling looks at the destination port alone. Pure arithmetic, tested over all
// ports; those who know a NIC's interface hand it over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "relay/abi/placement.h"

namespace relay::port {

// Matches ports with (port & mask) == value.
struct PortRule {
  uint16_t value;
  uint16_t mask;
  uint8_t worker;
};

// Rules that match each port from `first` to `last` exactly once, each with the port's worker, and
// no other port.
std::vector<PortRule> PortRules(uint16_t first, uint16_t last, const abi::Placement& placement);

// The Toeplitz hash of a packet is the exclusive or of the key's windows at the set bits of source
// address, destination address, source port, destination port. A key with one bit set copies input
// bits to hash bits; the bit is chosen so that those which index the table are bits of the
// destination port, bit 1 and upwards, in reverse order (IPv4 only: in IPv6 they are elsewhere).
// `entries` of the indirection table: a power of two, 2 to 32768, and keys are mostly of 40 bytes;
// empty when there is no such key.
std::vector<uint8_t> SinglePortKey(size_t entries, size_t key_bytes);

// The indirection table that goes with it. Empty when so many entries cannot tell the workers of
// this placement apart.
std::vector<uint8_t> IndirectionTable(size_t entries, const abi::Placement& placement);

}  // namespace relay::port
