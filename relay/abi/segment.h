// The map of the shared memory.
//
// The contract is split by writer: each memfd has one process that stores into it, and the
// descriptors of the others are opened read-only, so that the kernel enforces the split.
//
//   memfd        writer   others        holds
//   -----        ------   ------        -----
//   state        relay    read-only     header, local addresses, placement, counters, sessions,
//                                       leg statistics; one, seen by every client and observer
//   client[i]    client   relay reads   command records and their cursor, the client's cursor in
//                         (and wipes)   the event ring, the client's heartbeat
//   answer[i]    relay    client reads  event records and their cursor, the relay's cursor in the
//                                       command ring, what was leased to this client
//   journal[i]   client   relay keeps   the client's own records, opaque to the relay, that
//                                       outlive the client process (ADR 0004)
//
// All memfds are sealed against shrinking and growing before anyone else sees them. Offsets are
// from the start of the memfd; there are no pointers. The creator stores `magic` last, with release
// order; a reader that loads 0 with acquire order says "not ready" and not "broken".
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "relay/abi/command.h"
#include "relay/abi/counters.h"
#include "relay/abi/endpoint.h"
#include "relay/abi/event.h"
#include "relay/abi/placement.h"
#include "relay/abi/ring.h"

namespace relay::abi {

inline constexpr uint64_t kMagic = 0x31304d45444e4154;  // "TANDEM01", little endian
inline constexpr uint32_t kLayoutVersion = 5;

inline constexpr uint16_t kLocalAddressesMax = 256;
inline constexpr uint16_t kClientSlotsMax = 16;
inline constexpr uint16_t kLeasesMax = 256;
inline constexpr uint64_t kCommandRingCapacity = 4096;
inline constexpr uint64_t kEventRingCapacity = 16384;

// One of the relay's own addresses with the UDP ports it owns there.
struct LocalAddress {
  Address address;
  uint16_t interface;
  uint16_t vlan;
  uint16_t port_first;  // even
  uint16_t port_last;   // odd; pairs are (port_first, port_first + 1), ...
  char interface_name[16];
  uint8_t reserved[24];  // zero
};
static_assert(sizeof(LocalAddress) == 64);

// A range of port pairs of one local address that one client alone may use.
struct Lease {
  uint16_t address;
  uint16_t port_first;  // even
  uint16_t port_last;   // odd
  uint16_t reserved;
};
static_assert(sizeof(Lease) == 8);

// ---- sessions, as others may see them ---------------------------------------------------------

enum class LegState : uint8_t { kFree = 0, kOpen = 1 };

struct LegRecord {
  LegState state;
  uint8_t direction;
  Learning learning;
  uint8_t rtcp_mux;
  uint8_t worker;
  uint8_t listeners;  // bit i: leg i hears this leg
  uint16_t reserved;
  uint32_t statistics;  // index into the leg statistics
  LocalEndpoint local;
  Endpoint remote_signalled;
  char label[16];
  Codec codec;     // first of the plan's formats
  SrtpSuite srtp;  // the suite alone: keys are nobody else's business
  uint8_t reserved2[6];
};
static_assert(sizeof(LegRecord) == 64);

// One live session. `version` is a sequence lock: odd while the relay writes. A record with
// generation g is another call than the one that used the slot with generation g - 1.
struct alignas(64) SessionRecord {
  std::atomic<uint32_t> version;
  uint32_t generation;
  uint64_t session;       // the client's number; 0 = slot is free
  uint64_t owner_cookie;  // of the client that opened it
  uint64_t opened_ns;     // relay's monotonic clock
  uint16_t client_slot;
  uint16_t leg_count;
  uint32_t reserved;
  uint64_t length_max_ns;  // absolute length; 0 = none
  uint8_t reserved2[16];
  LegRecord legs[kLegsPerSession];
};
static_assert(sizeof(SessionRecord) == 576);

// Live numbers of one leg, refreshed about once a second by its worker; `version` as above.
struct alignas(64) LegStatisticsSlot {
  std::atomic<uint32_t> version;
  uint32_t reserved;
  LegStatistics statistics;
};
static_assert(sizeof(LegStatisticsSlot) == 192);

// ---- state: relay writes, everyone reads ------------------------------------------------------

struct alignas(64) StateHeader {
  std::atomic<uint64_t> magic;  // stored last
  uint32_t layout_version;
  uint32_t layout_hash;
  uint64_t size;  // of the whole memfd
  uint64_t relay_pid;
  uint64_t instance;                // random; changes with every start of the relay
  uint64_t started_ns;              // CLOCK_MONOTONIC
  std::atomic<uint64_t> heartbeat;  // counts the conductor's turns; stale = stuck
  uint16_t workers;
  uint16_t local_addresses;
  uint16_t client_slots;
  std::atomic<uint16_t> draining;  // 1: takes no new sessions
  uint32_t sessions_max;
  uint32_t legs_max;
  uint64_t counters_offset;    // CounterBlock[workers], then one more for the conductor
  uint64_t sessions_offset;    // SessionRecord[sessions_max]
  uint64_t statistics_offset;  // LegStatisticsSlot[legs_max]
  uint8_t reserved[32];
  Placement placement;
  uint8_t reserved2[56];
  LocalAddress addresses[kLocalAddressesMax];
};
static_assert(offsetof(StateHeader, placement) == 128);
static_assert(offsetof(StateHeader, addresses) == 320);
static_assert(sizeof(StateHeader) == 320 + 64 * kLocalAddressesMax);

// ---- client[i]: the client writes -------------------------------------------------------------

struct alignas(64) ClientArea {
  Cursor commands_produced;
  Cursor events_consumed;
  Cursor heartbeat;  // counts the client's turns
  Command commands[kCommandRingCapacity];
};
static_assert(offsetof(ClientArea, commands) == 192);

// ---- answer[i]: the relay writes --------------------------------------------------------------

struct alignas(64) AnswerArea {
  Cursor events_produced;
  Cursor commands_consumed;
  uint64_t owner_cookie;  // of the client that holds the slot
  uint16_t client_slot;
  uint16_t lease_count;
  uint32_t reserved;
  uint8_t reserved2[48];
  Lease leases[kLeasesMax];
  Event events[kEventRingCapacity];
};
static_assert(offsetof(AnswerArea, leases) == 192);
static_assert(offsetof(AnswerArea, events) == 192 + 8 * kLeasesMax);

// ---- the layout's own name --------------------------------------------------------------------

// FNV-1a over the sizes and offsets of everything above: two builds that disagree on a layout
// cannot attach to each other, even when somebody forgot to raise kLayoutVersion.
constexpr uint32_t LayoutHash() {
  const uint64_t facts[] = {kLayoutVersion,
                            sizeof(Address),
                            sizeof(Endpoint),
                            sizeof(LocalAddress),
                            sizeof(Network),
                            sizeof(Format),
                            sizeof(LegPlan),
                            sizeof(SrtpKey),
                            sizeof(SrtpPlan),
                            sizeof(Command),
                            sizeof(Event),
                            sizeof(LegStatistics),
                            sizeof(SessionRecord),
                            sizeof(LegRecord),
                            sizeof(LegStatisticsSlot),
                            sizeof(StateHeader),
                            sizeof(ClientArea),
                            sizeof(AnswerArea),
                            sizeof(CounterBlock),
                            sizeof(Placement),
                            kCounterCount,
                            kVerdictCount,
                            kRefusalCount,
                            kCommandRingCapacity,
                            kEventRingCapacity,
                            kLegsPerSession,
                            kFormatsPerLeg,
                            offsetof(LegPlan, formats),
                            offsetof(Format, payload_type_sent),
                            offsetof(LegCommand, srtp),
                            offsetof(Command, body),
                            offsetof(Event, body),
                            offsetof(StateHeader, addresses)};
  uint32_t hash = 2166136261u;
  for (uint64_t fact : facts) {
    for (int i = 0; i < 8; ++i) {
      hash = (hash ^ static_cast<uint8_t>(fact >> (8 * i))) * 16777619u;
    }
  }
  return hash;
}

// ---- the greeting on the Unix socket (SOCK_SEQPACKET) -----------------------------------------

enum class Role : uint16_t { kClient = 1, kObserver = 2 };

struct Hello {  // client to relay, first message
  uint64_t magic;
  uint32_t layout_version;
  uint32_t layout_hash;
  Role role;
  uint16_t reserved;
  uint32_t journal_bytes;  // wanted size of the journal; kept over restarts of the client
  uint64_t owner_cookie;   // names the client over its restarts; a slot is found again by it
  char name[32];           // for people; zero padded
};
static_assert(sizeof(Hello) == 64);

enum class WelcomeStatus : uint16_t {
  kOk = 0,
  kBadHello = 1,
  kLayoutMismatch = 2,
  kNoSlot = 3,        // all client slots are taken by others
  kCookieInUse = 4,   // a living client has this owner cookie
  kNotPermitted = 5,  // SO_PEERCRED: another user than the relay's or root
};

// Relay to client, with descriptors as SCM_RIGHTS. Client: state, client, answer, journal memfds,
// then the command eventfd (client signals, relay waits) and the event eventfd (the other way).
// Observer: state only. The socket stays open; its end is the end of the process behind it.
struct Welcome {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t layout_hash;
  WelcomeStatus status;
  uint16_t client_slot;
  uint16_t resumed;  // 1: the slot was found again by its cookie; sessions and journal are there
  uint16_t descriptors;
  uint64_t journal_bytes;
  uint8_t reserved[32];
};
static_assert(sizeof(Welcome) == 64);
inline constexpr int kClientDescriptors = 6;
inline constexpr int kObserverDescriptors = 1;

}  // namespace relay::abi
