// A listener who takes shorter packets than the speaker sends (a=maxptime, RFC 8866 section 6.4).
//
// G.711 can be cut anywhere: each piece gets its own sequence number and the timestamp of its first
// sample, and leaves at once, so nothing is delayed. Pieces take numbers that the speaker's next
// packets would have had, hence those are moved up from then on; a packet that comes late, whose
// number a piece may have taken, is dropped.
#pragma once

#include <algorithm>
#include <cstdint>

#include "relay/session/leg.h"
#include "relay/stage/reception.h"
#include "relay/wire/rtp.h"

namespace relay::stage {

// The longest payload of G.711 that `listener` takes, in bytes.
inline constexpr uint16_t kNoLimit = 0xffff;
inline uint16_t PayloadMax(const session::Leg& listener) {
  constexpr uint16_t kBytesPerMs = 8;
  const uint8_t ms = listener.path.packet_ms_max;
  return ms == 0 ? kNoLimit : static_cast<uint16_t>(ms * kBytesPerMs);
}

inline bool IsG711(const abi::Format& format) {
  return format.codec == abi::Codec::kPcma || format.codec == abi::Codec::kPcmu;
}

// Piece `index` of a packet whose payload is longer than `payload_max`; its place in the packet is
// `payload_offset`.
inline wire::Rtp PieceOf(const wire::Rtp& whole, uint32_t index, uint16_t payload_max) {
  const uint32_t at = index * payload_max;
  wire::Rtp piece = whole;
  piece.marker = whole.marker && index == 0;
  piece.sequence = static_cast<uint16_t>(whole.sequence + index);
  piece.timestamp = whole.timestamp + at;  // one byte a sample
  piece.payload_offset = whole.payload_offset + at;
  piece.payload_length = std::min<uint32_t>(payload_max, whole.payload_length - at);
  return piece;
}

// At least one: a packet without a payload is a packet.
inline uint32_t PieceCount(const wire::Rtp& whole, uint16_t payload_max) {
  return std::max((whole.payload_length + payload_max - 1u) / payload_max, 1u);
}

// The far party has been sent `count` pieces of one packet.
inline void MoveUp(session::Out& out, uint32_t count) {
  out.sequence_offset = static_cast<uint16_t>(out.sequence_offset + count - 1);
  out.flags |= session::kOutSplit | session::kOutRewritten;
}

// Whether a packet of the source that the far party hears is a little older than what was sent. A
// source that starts its numbers again is none (GoesBack, stage/rewrite.h).
inline bool IsLate(const session::Out& out, const wire::Rtp& rtp) {
  constexpr uint8_t kSameSpeaker = session::kOutStarted | session::kOutNewSpeaker;
  if ((out.flags & kSameSpeaker) != session::kOutStarted || rtp.ssrc != out.source_ssrc) {
    return false;
  }
  const auto number = static_cast<uint16_t>(rtp.sequence + out.sequence_offset);
  return static_cast<uint16_t>(out.sequence_last - number) <= kMisorderMax;
}

}  // namespace relay::stage
