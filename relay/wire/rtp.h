// An RTP packet where it lies (RFC 3550 section 5.1): a view with checked bounds, and edits.
//
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//    +---+-+-+-------+-+-------------+-------------------------------+
//    |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//    +---+-+-+-------+-+-------------+-------------------------------+
//    |                           timestamp                           |
//    +---------------------------------------------------------------+
//    |                             SSRC                              |
//    +---------------------------------------------------------------+
//    | CC contributing sources, extension if X, payload, padding if P |
//    +---------------------------------------------------------------+
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/wire/bytes.h"

namespace relay::wire {

inline constexpr size_t kRtpHeaderLength = 12;
inline constexpr uint8_t kRtpPadding = 0x20;  // of the first byte

enum class RtpFault : uint8_t { kNone, kTooShort, kBadVersion, kBadPadding };

// What the header says. Offsets are from the first byte of the packet.
struct Rtp {
  uint32_t ssrc;
  uint32_t timestamp;
  uint16_t sequence;
  uint8_t payload_type;
  bool marker;
  uint32_t payload_offset;
  uint32_t payload_length;  // without padding
};

// Contributing sources, header extension and padding: most packets have none.
inline RtpFault ParseRtpOptions(const uint8_t* data, size_t length, Rtp* rtp) {
  size_t offset = kRtpHeaderLength + 4 * (data[0] & 0x0f);
  if (data[0] & 0x10) {  // section 5.3.1: 16 bits profile, 16 bits length in words
    if (offset + 4 > length) return RtpFault::kTooShort;
    offset += 4 + 4 * size_t{Load16(data + offset + 2)};
  }
  if (offset > length) return RtpFault::kTooShort;
  size_t padding = 0;
  if (data[0] & kRtpPadding) {
    padding = data[length - 1];
    if (padding == 0 || padding > length - offset) return RtpFault::kBadPadding;
  }
  rtp->payload_offset = static_cast<uint32_t>(offset);
  rtp->payload_length = static_cast<uint32_t>(length - offset - padding);
  return RtpFault::kNone;
}

// Where the payload begins, 0 when the header does not fit: all that is in the clear of an
// encrypted packet, whose padding is not.
inline size_t RtpHeaderLength(const uint8_t* data, size_t length) {
  if (length < kRtpHeaderLength) return 0;
  size_t offset = kRtpHeaderLength + 4 * (data[0] & 0x0f);
  if (data[0] & 0x10) {
    if (offset + 4 > length) return 0;
    offset += 4 + 4 * size_t{Load16(data + offset + 2)};
  }
  return offset <= length ? offset : 0;
}

inline RtpFault ParseRtp(const uint8_t* data, size_t length, Rtp* rtp) {
  if (length < kRtpHeaderLength) return RtpFault::kTooShort;
  const uint8_t first = data[0];
  const uint8_t second = data[1];
  if ((first & 0xc0) != 0x80) return RtpFault::kBadVersion;
  rtp->marker = second >> 7;
  rtp->payload_type = second & 0x7f;
  rtp->sequence = Load16(data + 2);
  rtp->timestamp = Load32(data + 4);
  rtp->ssrc = Load32(data + 8);
  if (first != 0x80) [[unlikely]]
    return ParseRtpOptions(data, length, rtp);
  rtp->payload_offset = kRtpHeaderLength;
  rtp->payload_length = static_cast<uint32_t>(length - kRtpHeaderLength);
  return RtpFault::kNone;
}

// The edits of a relay, in one go. `data` holds a packet that ParseRtp accepted.
inline void WriteRtp(uint8_t* data, const Rtp& rtp) {
  data[1] = static_cast<uint8_t>((rtp.marker ? 0x80 : 0) | (rtp.payload_type & 0x7f));
  Store16(data + 2, rtp.sequence);
  Store32(data + 4, rtp.timestamp);
  Store32(data + 8, rtp.ssrc);
}

}  // namespace relay::wire
