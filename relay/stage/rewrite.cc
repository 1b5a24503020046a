#include "relay/stage/rewrite.h"

#include <algorithm>

namespace relay::stage {
namespace {

using session::Leg;
using session::Out;

// Between the last packet of one source and the first of the next lies at least this, so that
// timestamps grow: one packet of the usual length.
constexpr uint64_t kGapMin = 20 * kMillisecond;
// Nobody knows the far party's clock rate when it has sent formats without one.
constexpr uint32_t kClockRateDefault = 8000;

// Whether what one leg receives is what the other one sends.
bool SameFormat(const abi::Format& received, const abi::Format& sent) {
  if (received.codec != sent.codec) return false;
  if (received.codec == abi::Codec::kOpaque) return received.payload_type == sent.payload_type_sent;
  return received.clock_rate_hz == sent.clock_rate_hz;
}

abi::Codec OtherLaw(abi::Codec codec) {
  if (codec == abi::Codec::kPcma) return abi::Codec::kPcmu;
  if (codec == abi::Codec::kPcmu) return abi::Codec::kPcma;
  return abi::Codec::kNone;
}

// The listener's payload type for what is like `format`, or kNoPayloadType.
uint8_t PayloadTypeOf(const Leg& listener, const abi::Format& format) {
  for (uint8_t i = 0; i < listener.path.format_count; ++i) {
    if (SameFormat(format, listener.formats[i])) return listener.formats[i].payload_type_sent;
  }
  return session::kNoPayloadType;
}

// What a stream's first number becomes. RFC 3711 section 3.3.1: a receiver that misses the first
// packets takes the right roll-over counter if the numbers begin in the lower half. Its key often
// comes to it behind them.
uint16_t FirstSequence(const Out& out, uint16_t sequence) {
  return (out.flags & session::kOutSrtp) ? static_cast<uint16_t>(sequence & 0x7fff) : sequence;
}

void NameStream(Leg& far, uint32_t ssrc) {
  Out& out = far.out;
  out.sequence_last = static_cast<uint16_t>(FirstSequence(out, out.sequence_last + 1) - 1);
  out.ssrc = ssrc;
  out.flags |= session::kOutRewritten;
  // RFC 3550 section 6.4.1: its sender reports begin at nothing.
  far.totals.stream_packets = out.sent_packets;
  far.totals.stream_octets = SentOctets(far);
}

}  // namespace

uint32_t TimestampUnits(const Leg& leg, uint64_t span_ns) {
  uint32_t rate = 0;
  for (uint8_t i = 0; i < leg.path.format_count; ++i) {
    const abi::Format& format = leg.formats[i];
    if (rate == 0 || format.payload_type_sent == leg.out.payload_type) rate = format.clock_rate_hz;
  }
  if (rate == 0) rate = kClockRateDefault;
  return static_cast<uint32_t>(span_ns / kMillisecond * rate / 1000);
}

uint64_t SinceSent(const Out& out, TimeNs now) {
  const uint32_t tick = static_cast<uint32_t>(now >> session::kSentTickShift);
  return uint64_t{(tick - out.SentTick()) & 0xffffff} << session::kSentTickShift;
}

void ChangeSource(Leg& far, wire::Rtp* rtp, TimeNs now) {
  Out& out = far.out;
  if (!(out.flags & session::kOutStarted)) {
    out.flags |= session::kOutStarted;
    out.ssrc = rtp->ssrc;
    const uint16_t first = FirstSequence(out, rtp->sequence);
    if (first != rtp->sequence) out.flags |= session::kOutRewritten;
    out.sequence_offset = static_cast<uint16_t>(first - rtp->sequence);
    out.timestamp_offset = 0;
    out.sequence_last = static_cast<uint16_t>(first - 1);
    out.timestamp_last = rtp->timestamp;
    out.SetSentTick(now);
  } else {
    const uint64_t gap = std::max(SinceSent(out, now), uint64_t{kGapMin});
    out.sequence_offset = static_cast<uint16_t>(out.sequence_last + 1 - rtp->sequence);
    out.timestamp_offset = out.timestamp_last + TimestampUnits(far, gap) - rtp->timestamp;
    out.flags |= session::kOutRewritten;
    rtp->marker = true;
  }
  out.source_ssrc = rtp->ssrc;
  // No piece of the former source has a number of this one.
  out.flags &= static_cast<uint8_t>(~(session::kOutNewSpeaker | session::kOutSplit));
  far.bridges.speaker_former = session::kNoLeg;
}

void LoseSpeaker(Leg& far, const Leg& speaker, uint32_t slot) {
  // Of several speakers only the one whose stream is being heard can break it.
  constexpr uint8_t kHeard = session::kOutStarted | session::kOutNewSpeaker;
  if ((far.out.flags & kHeard) != session::kOutStarted ||
      far.out.source_ssrc != speaker.reception.ssrc) {
    return;
  }
  far.bridges.speaker_former = slot;
  far.bridges.speaker_former_generation = speaker.path.generation;
  far.out.flags |= session::kOutNewSpeaker;
}

void GainSpeaker(Leg& far, const Leg& speaker, uint32_t slot) {
  if (far.bridges.speaker_former != slot ||
      far.bridges.speaker_former_generation != speaker.path.generation) {
    return;
  }
  far.bridges.speaker_former = session::kNoLeg;
  far.out.flags &= static_cast<uint8_t>(~session::kOutNewSpeaker);
}

void StartAfresh(Leg& far) {
  far.bridges.speaker_former = session::kNoLeg;
  far.out.flags |= session::kOutNewSpeaker;
}

void RenameStream(Leg& far, uint32_t ssrc) {
  NameStream(far, ssrc);
  StartAfresh(far);
}

void RenameStream(Leg& far, wire::Rtp* rtp, uint32_t ssrc) {
  NameStream(far, ssrc);
  far.out.sequence_offset = static_cast<uint16_t>(far.out.sequence_last + 1 - rtp->sequence);
  rtp->marker = true;
}

uint8_t MapPayloadTypes(const Leg& speaker, const Leg& listener, uint8_t map[8]) {
  std::fill_n(map, 8, session::kNoPayloadType);
  const bool may_transcode = speaker.path.transcode != 0 && listener.path.transcode != 0;
  uint8_t recoded = 0;
  for (uint8_t i = 0; i < speaker.path.format_count; ++i) {
    abi::Format format = speaker.formats[i];
    map[i] = PayloadTypeOf(listener, format);
    if (map[i] != session::kNoPayloadType || !may_transcode) continue;
    format.codec = OtherLaw(format.codec);
    if (format.codec == abi::Codec::kNone) continue;
    map[i] = PayloadTypeOf(listener, format);
    if (map[i] != session::kNoPayloadType) recoded = static_cast<uint8_t>(recoded | 1u << i);
  }
  return recoded;
}

}  // namespace relay::stage
