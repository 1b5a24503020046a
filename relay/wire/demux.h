// What a datagram on a media port is, from its first bytes.
//
//    first byte   RFC 7983 section 7     here
//    0..3         STUN                   STUN, unless it is built like UDPTL
//    16..19       ZRTP                   unknown
//    20..63       DTLS                   DTLS
//    64..79       TURN channel           unknown
//    128..191     RTP and RTCP           RTCP where the second byte is 192..223 (RFC 5761 section
//    4)
//
// Version bits that are neither 2 nor one of the others' are RTP of a wrong version.
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/wire/bytes.h"

namespace relay::wire {

enum class Protocol : uint8_t { kRtp, kRtcp, kStun, kDtls, kUdptl, kBadVersion, kUnknown };

inline constexpr uint32_t kStunCookie = 0x2112a442;  // RFC 8489 section 5

// T.38 section 9.1: sequence number (16 bits), then the primary packet with its length in one
// octet (two above 127), then error recovery: its first octet is 0x00 (secondary packets) or
// 0x80 (FEC). Fax streams start at 0 and send some hundred packets, so the first octet is small.
inline bool LooksLikeUdptl(const uint8_t* data, size_t length) {
  if (length < 5 || data[0] >= 16) return false;
  const size_t primary = data[2];
  if (primary == 0 || primary > 127 || 3 + primary >= length) return false;
  const uint8_t recovery = data[3 + primary];
  return recovery == 0x00 || recovery == 0x80;
}

// Everything that is not RTP or RTCP.
inline Protocol ClassifyOther(const uint8_t* data, size_t length) {
  if (length == 0) return Protocol::kUnknown;
  const uint8_t first = data[0];
  const bool stun = first <= 3 && length >= 20 && Load32(data + 4) == kStunCookie;
  if (stun) return Protocol::kStun;
  if (LooksLikeUdptl(data, length)) return Protocol::kUdptl;
  if (first <= 3) return Protocol::kStun;  // without the cookie: RFC 3489
  if (first >= 20 && first <= 63) return Protocol::kDtls;
  if (first < 80) return Protocol::kUnknown;
  return Protocol::kBadVersion;
}

inline Protocol Classify(const uint8_t* data, size_t length) {
  if (length < 2 || (data[0] & 0xc0) != 0x80) [[unlikely]]
    return ClassifyOther(data, length);
  return data[1] >= 192 && data[1] <= 223 ? Protocol::kRtcp : Protocol::kRtp;
}

}  // namespace relay::wire
