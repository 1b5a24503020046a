// What a packet is called on the other side: payload type and identity (SSRC, sequence number,
// timestamp).
//
// Identity passes unchanged while the far party hears one source. When the source changes (another
// SSRC, another speaker by a new bridge), the far party's stream goes on as one stream: its SSRC
// stays, the sequence continues without a break, timestamps go on by the time that passed, and the
// first packet carries the marker, as after a silence.
//
// A stream under SRTP begins in the lower half of the sequence numbers.
#pragma once

#include <bit>
#include <cstring>

#include "relay/clock.h"
#include "relay/session/leg.h"
#include "relay/stage/reception.h"
#include "relay/wire/rtp.h"

namespace relay::stage {

// Index of a payload type in the gate's list, or 8. All eight bytes at once: a byte of `match` is
// zero where they are equal, and the lowest such byte is found exactly.
inline unsigned FormatIndex(const session::Gate& gate, uint8_t payload_type) {
  uint64_t types;
  std::memcpy(&types, gate.payload_types, sizeof(types));
  const uint64_t match = types ^ (0x0101010101010101u * payload_type);
  const uint64_t zero = (match - 0x0101010101010101u) & ~match & 0x8080808080808080u;
  return static_cast<unsigned>(std::countr_zero(zero)) / 8;
}

// The far party's stream gets another source with this packet.
void ChangeSource(session::Leg& far, wire::Rtp* rtp, TimeNs now);

// `far` stops hearing the speaker of slot `slot`. Parties choose their SSRCs by themselves, so the
// next speaker may come with the same one, and is another source all the same.
void LoseSpeaker(session::Leg& far, const session::Leg& speaker, uint32_t slot);
// `far` hears the speaker of slot `slot` from now on. When that is the one it heard last, the
// stream goes on with its own numbers, as after a hold.
void GainSpeaker(session::Leg& far, const session::Leg& speaker, uint32_t slot);
// The relay itself has sent something in `far`'s stream: whoever is heard next goes on behind it,
// also who was heard before.
void StartAfresh(session::Leg& far);

// Whether the source has started its numbers again: with this packet the far party's stream would
// go back further than disorder does. Plain RTP passes that on, unless its packets were cut and
// have numbers of our own (split.h); SRTP must not use a number twice.
inline bool GoesBack(const session::Out& out, const wire::Rtp& rtp) {
  constexpr uint8_t kSameSpeaker = session::kOutStarted | session::kOutNewSpeaker;
  if ((out.flags & kSameSpeaker) != session::kOutStarted || rtp.ssrc != out.source_ssrc) {
    return false;
  }
  const uint16_t next = static_cast<uint16_t>(rtp.sequence + out.sequence_offset);
  const uint16_t behind = static_cast<uint16_t>(out.sequence_last - next);
  return behind > kMisorderMax && behind < 0x8000;
}

// Octets of payload sent to the far party; wraps.
inline uint32_t SentOctets(const session::Leg& far) {
  const session::Out& out = far.out;
  return out.sent_bytes - out.sent_packets * uint32_t{wire::kRtpHeaderLength} -
         far.totals.sent_overhead;
}

// Of a packet of `length` bytes: what is neither its payload nor the twelve bytes of every header.
inline uint32_t Overhead(const wire::Rtp& rtp, uint32_t length) {
  return length - rtp.payload_length - uint32_t{wire::kRtpHeaderLength};
}

// The far party's stream goes on as another one, `ssrc`: with the next packet, which counts as one
// of another source, or with this one.
void RenameStream(session::Leg& far, uint32_t ssrc);
void RenameStream(session::Leg& far, wire::Rtp* rtp, uint32_t ssrc);

// Turns what the near party called a packet into what the far party knows it as. False when that is
// the same, so that the packet need not be written.
inline bool Rewrite(session::Leg& far, uint8_t payload_type, wire::Rtp* rtp, TimeNs now) {
  session::Out& out = far.out;
  constexpr uint8_t kSameSpeaker = session::kOutStarted | session::kOutNewSpeaker;
  if (rtp->ssrc != out.source_ssrc || (out.flags & kSameSpeaker) != session::kOutStarted)
      [[unlikely]] {
    ChangeSource(far, rtp, now);
  }
  bool changed = payload_type != rtp->payload_type;
  rtp->payload_type = payload_type;
  // Not stored again: it lies among the bytes that Out::Remote loads as one word, and such a load
  // waits until the narrow store has reached the cache.
  if (out.payload_type != payload_type) [[unlikely]]
    out.payload_type = payload_type;
  if (out.flags & session::kOutRewritten) {  // else both offsets are 0 and the SSRC is the same
    rtp->ssrc = out.ssrc;
    rtp->sequence = static_cast<uint16_t>(rtp->sequence + out.sequence_offset);
    rtp->timestamp += out.timestamp_offset;
    changed = true;
  }
  // The newest is what is not a little late: a sender that starts again may leap backwards.
  if (static_cast<uint16_t>(out.sequence_last - rtp->sequence) > kMisorderMax) {
    out.sequence_last = rtp->sequence;
    // All packets of a telephone event carry the timestamp of its start: time runs from the first.
    if (rtp->timestamp != out.timestamp_last) {
      out.timestamp_last = rtp->timestamp;
      out.SetSentTick(now);
    }
  }
  return changed;
}

// Timestamp units of a leg's stream in `span_ns`, by the clock rate of what it sends.
uint32_t TimestampUnits(const session::Leg& leg, uint64_t span_ns);
// Time since the newest timestamp was first sent, exact to 1.05 ms.
uint64_t SinceSent(const session::Out& out, TimeNs now);

// Speaker's payload types to the listener's, by equal codec and clock rate; opaque ones by equal
// number. `map` has one entry for each of the speaker's formats; kNoPayloadType = not shared.
// Returns which of them must be transcoded (Gate::recoded): those of the G.711 law that the
// listener does not have, where both legs allow it.
uint8_t MapPayloadTypes(const session::Leg& speaker, const session::Leg& listener, uint8_t map[8]);

}  // namespace relay::stage
