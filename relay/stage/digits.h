// Telephone events (RFC 4733): heard from a party and told to the client, and made for a party who
// cannot get them from the other side.
//
// Heard: an event is many packets with one timestamp, and its end is sent three times. It is told
// once, by its timestamp, when its end is heard; when all ends are lost, by the next event or by
// speech from well behind it. The packets themselves pass like any other.
//
// Made: the event takes the place of speech in the listener's stream - same SSRC, next sequence
// number, a packet every 20 ms, the end three times - and speech goes on behind it as after a
// change of source.
#pragma once

#include <cstdint>
#include <span>

#include "relay/clock.h"
#include "relay/session/leg.h"
#include "relay/wire/rtp.h"
#include "relay/wire/telephone_event.h"

namespace relay::stage {

inline constexpr TimeNs kEventInterval = 20 * kMillisecond;
// Between two events (Q.24: at least 40 ms are needed to tell them apart).
inline constexpr TimeNs kEventGap = 60 * kMillisecond;
inline constexpr size_t kEventPacketLength = wire::kRtpHeaderLength + wire::kTelephoneEventLength;

// What became of digits.
struct Heard {
  uint8_t told = 0;  // stand in the leg's list now
  uint8_t lost = 0;  // found no room there
};

// A believed packet with an event in it, at `data`, in a format of `clock_rate_hz`.
Heard HearEvent(session::Leg& near, const uint8_t* data, const wire::Rtp& rtp,
                uint32_t clock_rate_hz);
// A believed packet without one, while kGateDigit is set.
Heard HearSpeech(session::Leg& near, const wire::Rtp& rtp);

// Puts a digit behind those that wait. False when there is no room, or `far` has no such format.
// `play.next_ns` says when SendEvent is due.
bool QueueDigit(session::Leg& far, const session::Digit& digit, TimeNs now);
// Writes the packet that is due into `packet` (of kEventPacketLength bytes or more) and moves
// `play.next_ns`. Where nothing can be sent, what waits is thrown away.
struct Played {
  size_t length = 0;       // 0 = nothing is to be sent, now or any more
  uint8_t lost = 0;        // digits that were thrown away
  bool first_end = false;  // with this packet the listener has a digit whole
};
Played SendEvent(session::Leg& far, TimeNs now, std::span<uint8_t> packet);
// There was no buffer: the packet that is due is sent one interval later.
void PutOff(session::Leg& far, TimeNs now);
// Throws away what waits. Returns how many digits that were, without one whose end was written.
uint8_t DropDigits(session::Leg& far);

}  // namespace relay::stage
