#include "relay/stage/digits.h"

#include <algorithm>

#include "relay/abi/command.h"
#include "relay/stage/reception.h"
#include "relay/stage/rewrite.h"
#include "relay/wire/bytes.h"

namespace relay::stage {
namespace {

using session::Digit;
using session::DigitsLine;
using session::EventState;
using session::Leg;
using session::PlayLine;

constexpr size_t kPendingMax = std::size(DigitsLine{}.pending);
constexpr size_t kQueueMax = std::size(PlayLine{}.queue);
// A segment that is not the last one runs to the end of its 16 bits, less a packet or two.
constexpr uint32_t kSegmentMin = 0xf000;
constexpr int kEnds = 3;  // RFC 4733 section 2.5.1.4
constexpr uint16_t kIntervalMs = kEventInterval / kMillisecond;
// Speech so far behind what was heard of an event ends it: no sender lets as much pass between two
// of its packets (RFC 4733 section 2.5.1.2 recommends 50 ms), and some go on with speech under it.
constexpr uint32_t kEventSilenceMs = 150;

uint16_t Milliseconds(uint64_t units, uint32_t clock_rate_hz) {
  return static_cast<uint16_t>(std::min<uint64_t>(units * 1000 / clock_rate_hz, 0xffff));
}

Heard Finish(Leg& near) {
  DigitsLine& line = near.digits;
  line.state = EventState::kDone;
  near.gate.flags = static_cast<uint8_t>(near.gate.flags & ~session::kGateDigit);
  if (line.event > abi::kDigitMax) return {};  // a tone of a fax or a modem
  if (line.pending_count == kPendingMax) return {.lost = 1};
  const uint64_t units = uint64_t{line.units_before} + line.units;
  line.pending[line.pending_count++] = {
      .event = line.event, .volume = 0, .duration_ms = Milliseconds(units, line.clock_rate_hz)};
  return {.told = 1};
}

Heard& operator+=(Heard& sum, const Heard& more) {
  sum.told = static_cast<uint8_t>(sum.told + more.told);
  sum.lost = static_cast<uint8_t>(sum.lost + more.lost);
  return sum;
}

// The next segment of an event that is longer than its 16 bits: it begins where the last one ends,
// without a marker.
bool GoesOn(const DigitsLine& line, const wire::Rtp& rtp, const wire::TelephoneEvent& event) {
  const uint32_t span = rtp.timestamp - line.timestamp;
  return line.state == EventState::kOpen && rtp.ssrc == line.ssrc && event.event == line.event &&
         !rtp.marker && span >= kSegmentMin && span <= 0xffff;
}

bool IsNewest(const DigitsLine& line, const wire::Rtp& rtp) {
  return static_cast<uint16_t>(line.sequence - rtp.sequence) > kMisorderMax;
}

// Of an event that is over. Its number must be late as well: a source may start its clock again.
bool IsPast(const DigitsLine& line, const wire::Rtp& rtp) {
  return static_cast<int32_t>(rtp.timestamp - line.timestamp) < 0 && !IsNewest(line, rtp);
}

const abi::Format* EventFormat(const Leg& leg) {
  for (uint8_t i = 0; i < leg.path.format_count; ++i) {
    if (leg.formats[i].codec == abi::Codec::kTelephoneEvent) return &leg.formats[i];
  }
  return nullptr;
}

// The listener's stream, begun by the relay when nobody has spoken yet.
void StartStream(Leg& far, TimeNs now) {
  session::Out& out = far.out;
  if (out.flags & session::kOutStarted) return;
  out.flags |= session::kOutStarted;
  out.ssrc = far.rtcp.ssrc;
  // In the lower half, as under SRTP a stream shall begin (FirstSequence, stage/rewrite.cc).
  const uint32_t first = out.ssrc >> 17;
  out.sequence_last = static_cast<uint16_t>(first - 1);
  out.timestamp_last = out.ssrc * 2654435761u;
  out.SetSentTick(now);
}

// Whoever speaks next, if anything was played, is another source for the listener: its stream goes
// on behind the event.
void Stop(Leg& far) {
  if (far.out.flags & session::kOutPlaying) StartAfresh(far);
  far.play.next_ns = 0;
  far.play.count = 0;
  far.play.elapsed_ms = 0;
  far.play.ends_left = 0;
  far.out.flags = static_cast<uint8_t>(far.out.flags & ~session::kOutPlaying);
}

void WriteEvent(const Leg& far, const abi::Format& format, bool first, std::span<uint8_t> packet) {
  const PlayLine& play = far.play;
  const Digit& digit = play.queue[0];
  const bool end = play.ends_left != 0;
  packet[0] = 0x80;
  wire::WriteRtp(packet.data(), {.ssrc = far.out.ssrc,
                                 .timestamp = play.timestamp,
                                 .sequence = far.out.sequence_last,
                                 .payload_type = format.payload_type_sent,
                                 .marker = first,
                                 .payload_offset = wire::kRtpHeaderLength,
                                 .payload_length = wire::kTelephoneEventLength});
  uint8_t* const payload = packet.data() + wire::kRtpHeaderLength;
  payload[0] = digit.event;
  payload[1] = static_cast<uint8_t>((end ? 0x80 : 0) | digit.volume);
  const uint32_t units = uint32_t{play.elapsed_ms} * (format.clock_rate_hz / 1000);
  wire::Store16(payload + 2, static_cast<uint16_t>(std::min(units, 0xffffu)));
}

}  // namespace

Heard HearEvent(Leg& near, const uint8_t* data, const wire::Rtp& rtp, uint32_t clock_rate_hz) {
  wire::TelephoneEvent event;
  if (!wire::ParseTelephoneEvent(data + rtp.payload_offset, rtp.payload_length, &event)) return {};
  DigitsLine& line = near.digits;
  Heard heard;
  const bool known = line.state != EventState::kNone && rtp.ssrc == line.ssrc;
  if (known && IsPast(line, rtp)) return {};
  if (!known || IsNewest(line, rtp)) line.sequence = rtp.sequence;
  if (!known || rtp.timestamp != line.timestamp) {
    if (GoesOn(line, rtp, event)) {
      line.units_before += rtp.timestamp - line.timestamp;
    } else {
      if (line.state == EventState::kOpen) heard += Finish(near);
      line.units_before = 0;
      line.event = event.event;
      line.clock_rate_hz = clock_rate_hz;
    }
    line.ssrc = rtp.ssrc;
    line.timestamp = rtp.timestamp;
    line.units = 0;
    line.state = EventState::kOpen;
    near.gate.flags |= session::kGateDigit;
  } else if (line.state == EventState::kDone) {
    return {};  // its end again
  }
  line.units = std::max(line.units, event.duration);
  if (event.end) heard += Finish(near);
  return heard;
}

Heard HearSpeech(Leg& near, const wire::Rtp& rtp) {
  const DigitsLine& line = near.digits;
  // A packet from before the event, or from under it, says nothing about its end.
  const auto after = static_cast<int32_t>(rtp.timestamp - line.timestamp - line.units);
  const int64_t silence = int64_t{line.clock_rate_hz} * kEventSilenceMs / 1000;
  if (rtp.ssrc == line.ssrc && after < silence) return {};
  return Finish(near);
}

bool QueueDigit(Leg& far, const Digit& digit, TimeNs now) {
  PlayLine& play = far.play;
  if (play.count == kQueueMax || EventFormat(far) == nullptr) return false;
  play.queue[play.count++] = digit;
  if (play.next_ns == 0) play.next_ns = now;
  return true;
}

void PutOff(Leg& far, TimeNs now) {
  far.play.next_ns = now + kEventInterval;
}

uint8_t DropDigits(Leg& far) {
  const auto lost = static_cast<uint8_t>(far.play.count - (far.play.ends_left != 0 ? 1 : 0));
  Stop(far);
  return lost;
}

Played SendEvent(Leg& far, TimeNs now, std::span<uint8_t> packet) {
  PlayLine& play = far.play;
  session::Out& out = far.out;
  const abi::Format* format = EventFormat(far);
  const bool may = format != nullptr && (out.flags & session::kOutSends) && out.remote_port != 0;
  if (play.count == 0 || !may) return {.lost = DropDigits(far)};
  const bool first = play.elapsed_ms == 0;
  if (first) {
    StartStream(far, now);
    out.flags |= session::kOutPlaying | session::kOutRewritten;
    const uint64_t gap = std::max<uint64_t>(SinceSent(out, now), kEventInterval);
    play.timestamp = out.timestamp_last + TimestampUnits(far, gap);
    out.timestamp_last = play.timestamp;
    out.SetSentTick(now);
  }
  const Digit& digit = play.queue[0];
  if (play.ends_left == 0) {
    play.elapsed_ms = static_cast<uint16_t>(play.elapsed_ms + kIntervalMs);
    if (play.elapsed_ms >= digit.duration_ms) {
      play.elapsed_ms = digit.duration_ms;
      play.ends_left = kEnds;
    }
  }
  ++out.sequence_last;
  WriteEvent(far, *format, first, packet);
  play.next_ns = now + kEventInterval;
  const bool first_end = play.ends_left == kEnds;
  if (play.ends_left == 0 || --play.ends_left != 0) {
    return {.length = kEventPacketLength, .first_end = first_end};
  }

  // That was the last of its ends.
  --play.count;
  std::copy_n(play.queue + 1, play.count, play.queue);
  play.elapsed_ms = 0;
  if (play.count == 0) {
    Stop(far);
  } else {
    play.next_ns = now + kEventGap;
  }
  return {.length = kEventPacketLength};
}

}  // namespace relay::stage
