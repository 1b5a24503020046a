// Every bound of the relay, with the arithmetic that ties them together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/abi/segment.h"

namespace relay {

// Packets a worker takes from a port at once. 64 keeps a burst's headers (64 x ~128 bytes) inside
// the first-level cache while it is long enough to overlap all cache misses of the look-ups.
inline constexpr size_t kBurstMax = 64;

// The largest UDP payload that is relayed: an Ethernet MTU of 1500 less IPv4 and UDP headers.
inline constexpr size_t kPayloadMax = 1472;
// Space before the payload: Ethernet 14, two VLAN tags 8, IPv6 40, UDP 8, rounded up; an IPv4
// packet that leaves as IPv6 (+20) or gains a VLAN tag (+4) is rewritten where it lies.
inline constexpr size_t kHeadroom = 128;
// Space after it: SRTP tag 16 and MKI up to 128 (RFC 3711 section 3.1).
inline constexpr size_t kTailroom = 144;
inline constexpr size_t kBufferSize = 2048;
static_assert(kHeadroom + kPayloadMax + kTailroom <= kBufferSize);
static_assert(kHeadroom >= 14 + 8 + 40 + 8);

inline constexpr size_t kPortsPerWorkerMax = 4;
inline constexpr size_t kMailboxCapacity = 4096;
// Mailbox messages a worker takes a cycle: bounds the time a burst waits behind a flood of
// commands (about 1 us each).
inline constexpr size_t kMailboxDrainMax = 32;
inline constexpr size_t kCommandDrainMax = 256;

inline constexpr uint16_t kPortFirstDefault = 10000;
inline constexpr uint16_t kPortLastDefault = 39999;
static_assert(kPortFirstDefault % 2 == 0 && kPortLastDefault % 2 == 1);

inline constexpr uint32_t kSessionsDefault = 16384;
inline constexpr uint32_t kSessionsMax = 262144;
inline constexpr uint32_t kJournalBytesMax = 256u << 20;

}  // namespace relay
