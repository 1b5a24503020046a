// What the relay tells a client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "relay/abi/command.h"
#include "relay/abi/counters.h"  // before kNoLeg: GCC 12 takes Counter::kNoLeg for its shadow
#include "relay/abi/endpoint.h"

namespace relay::abi {

enum class EventKind : uint16_t {
  kNone = 0,
  kCommandDone = 1,     // the answer to one command
  kCommandRefused = 2,  // nothing was changed; `refusal` says why
  kLegEnded = 3,        // totals of a leg, before it is forgotten (body: statistics)
  kSessionEnded = 4,    // the last leg is gone (body: ended)
  kMediaTimeout = 5,    // a leg received nothing for its media_timeout_ms; once per silence
  kMediaResumed = 6,    // the first packet after kMediaTimeout
  kSourceLearned = 7,   // a latch chose a source (body: source)
  kEventsLost = 8,      // the client was too slow; body.lost.count events are missing before this
  kDigit = 9,           // the far party of a leg has sent a telephone event (body: digit)
};

// Why a command was refused. Each has a sentence: RefusalSentence().
enum class Refusal : uint16_t {
  kNone = 0,
  kUnknownKind = 1,
  kBadLength = 2,
  kReservedNotZero = 3,
  kUnknownSession = 4,
  kSessionExists = 5,
  kUnknownLeg = 6,
  kLegExists = 7,
  kBadLegNumber = 8,
  kPortNotLeased = 9,
  kPortInUse = 10,
  kPortOdd = 11,
  kUnknownLocalAddress = 12,
  kBadRemote = 13,
  kBadFormat = 14,
  kBadValue = 15,
  kTooManyListeners = 16,
  kSameLeg = 17,
  kOtherWorker = 18,
  kNoRoom = 19,
  kBadNetworkSet = 20,
  kBindFailed = 21,
  kAddressFamily = 22,
  kDraining = 23,
  kBadSrtp = 24,
  kSrtpUnavailable = 25,
};
inline constexpr uint16_t kRefusalCount = 26;

constexpr const char* RefusalSentence(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return "not refused";
    case Refusal::kUnknownKind:
      return "this kind of command does not exist";
    case Refusal::kBadLength:
      return "length does not fit the kind of command";
    case Refusal::kReservedNotZero:
      return "a reserved field is not zero";
    case Refusal::kUnknownSession:
      return "no session of this client has that number";
    case Refusal::kSessionExists:
      return "the session number is 0 or taken";
    case Refusal::kUnknownLeg:
      return "the session has no such leg";
    case Refusal::kLegExists:
      return "the session has that leg already";
    case Refusal::kBadLegNumber:
      return "leg numbers go from 0 to 7";
    case Refusal::kPortNotLeased:
      return "the local port is outside the ranges leased to this client";
    case Refusal::kPortInUse:
      return "another leg has the local port pair";
    case Refusal::kPortOdd:
      return "the local RTP port must be even";
    case Refusal::kUnknownLocalAddress:
      return "the relay has no local address of that index";
    case Refusal::kBadRemote:
      return "the remote address is multicast, broadcast, unspecified, one of our own endpoints, "
             "or "
             "link-local while the local address names no interface";
    case Refusal::kBadFormat:
      return "formats are missing, repeated or out of range";
    case Refusal::kBadValue:
      return "a field is out of its range";
    case Refusal::kTooManyListeners:
      return "a leg can be heard by 4 others at most";
    case Refusal::kSameLeg:
      return "a leg cannot hear itself";
    case Refusal::kOtherWorker:
      return "all legs of a session must be placed on one worker (placement.h)";
    case Refusal::kNoRoom:
      return "all sessions or legs of the relay are taken";
    case Refusal::kBadNetworkSet:
      return "the network set does not exist or is full, or learning is off and none was named";
    case Refusal::kBindFailed:
      return "the kernel refused the local port; see detail for its errno";
    case Refusal::kAddressFamily:
      return "local and remote address are of different families";
    case Refusal::kDraining:
      return "the relay is draining and takes no new sessions";
    case Refusal::kBadSrtp:
      return "an SRTP suite, key, MKI or policy is out of range or contradicts the others";
    case Refusal::kSrtpUnavailable:
      return "this relay was started without an engine for SRTP";
  }
  return "unknown refusal";
}

// A leg's numbers (RFC 3550 appendix A.3, A.8), as of `as_of_ns`. "received" is from the far party,
// "sent" is to it. The same record lies live in the state segment, once per leg (segment.h).
struct LegStatistics {
  uint64_t as_of_ns;  // relay's monotonic clock
  uint64_t received_packets;
  uint64_t received_bytes;  // RTP with header, without UDP
  uint64_t sent_packets;
  uint64_t sent_bytes;
  uint64_t dropped_packets;   // from the far party, by any verdict but `forwarded`
  uint64_t expected_packets;  // by sequence number, all sources
  uint64_t duplicate_packets;
  uint64_t reordered_packets;
  int64_t lost_packets;  // expected - (received - duplicate); negative cannot be
  uint64_t rtcp_received_packets;
  uint64_t rtcp_sent_packets;
  uint32_t jitter_us;  // interarrival jitter, microseconds
  uint32_t ssrc_received;
  uint32_t ssrc_sent;
  uint8_t payload_type_received;
  uint8_t payload_type_sent;
  uint16_t source_changes;  // SSRC changes of the far party
  Endpoint remote;          // where packets are sent now
};
static_assert(sizeof(LegStatistics) == 136);
static_assert(offsetof(LegStatistics, remote) == 112);

struct RefusedBody {
  Refusal refusal;
  uint16_t field;   // byte offset in the command of what is wrong
  uint32_t detail;  // kBindFailed: errno; else 0
};

enum class EndReason : uint8_t {
  kNone = 0,
  kClosed = 1,         // by command
  kLengthReached = 2,  // session_length_ms
  kRelayStopping = 3,
};

struct EndedBody {
  EndReason reason;
  uint8_t reserved[7];
  uint64_t duration_ns;
};

struct TimeoutBody {
  uint64_t silent_ns;
};

struct SourceBody {
  Endpoint source;
};

struct DigitBody {
  uint8_t event;  // 0 .. kDigitMax
  uint8_t reserved[3];
  uint32_t duration_ms;
};

struct LostBody {
  uint64_t count;
};

// One slot of the event ring.
struct Event {
  EventKind kind;
  uint8_t leg;  // 0xff where no leg is meant
  uint8_t reserved;
  uint32_t length;   // bytes of `body` in use
  uint64_t request;  // of the command that this answers; else 0
  uint64_t session;  // the client's number
  union Body {
    RefusedBody refused;
    LegStatistics statistics;
    EndedBody ended;
    TimeoutBody timeout;
    SourceBody source;
    DigitBody digit;
    LostBody lost;
    uint8_t bytes[168];
  } body;
};
static_assert(sizeof(Event) == 192);
static_assert(offsetof(Event, body) == 24);
static_assert(std::is_trivially_copyable_v<Event>);

inline constexpr uint8_t kNoLeg = 0xff;

}  // namespace relay::abi
