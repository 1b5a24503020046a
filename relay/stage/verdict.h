// What became of a packet: one name, one counter, one sentence (abi/counters.h).
#pragma once

#include <cstdint>

#include "relay/abi/counters.h"
#include "relay/wire/demux.h"
#include "relay/wire/rtp.h"

namespace relay::stage {

enum class Verdict : uint8_t {
#define X(id, name, sentence) id,
  RELAY_VERDICTS(X)
#undef X
};

// Verdicts come first in the list of counters, so that one is an index into the other.
constexpr abi::Counter CounterOf(Verdict verdict) {
  return static_cast<abi::Counter>(static_cast<uint16_t>(verdict));
}
static_assert(CounterOf(Verdict::kHandOverFull) == abi::Counter::kHandOverFull);

constexpr const char* NameOf(Verdict verdict) {
  return abi::kCounterTexts[static_cast<uint16_t>(verdict)].name;
}

// `protocol` is neither RTP nor RTCP.
constexpr Verdict RefusalOf(wire::Protocol protocol) {
  switch (protocol) {
    case wire::Protocol::kStun:
      return Verdict::kStun;
    case wire::Protocol::kDtls:
      return Verdict::kDtls;
    case wire::Protocol::kUdptl:
      return Verdict::kUdptl;
    case wire::Protocol::kBadVersion:
      return Verdict::kBadVersion;
    default:
      return Verdict::kUnknownProtocol;
  }
}

// `fault` is not kNone.
constexpr Verdict RefusalOf(wire::RtpFault fault) {
  switch (fault) {
    case wire::RtpFault::kBadVersion:
      return Verdict::kBadVersion;
    case wire::RtpFault::kBadPadding:
      return Verdict::kBadPadding;
    default:
      return Verdict::kTooShort;
  }
}

}  // namespace relay::stage
