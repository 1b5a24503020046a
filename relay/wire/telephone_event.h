// A named telephone event (RFC 4733 section 2.3): the digit that somebody presses.
//
//    +---------------+-+-+-----------+-------------------------------+
//    |     event     |E|R|  volume   |           duration            |
//    +---------------+-+-+-----------+-------------------------------+
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/wire/bytes.h"

namespace relay::wire {

inline constexpr size_t kTelephoneEventLength = 4;

struct TelephoneEvent {
  uint8_t event;      // 0-9, 10 = *, 11 = #, 12-15 = A-D (section 3.2)
  bool end;           // sent three times (section 2.5.1.4)
  uint8_t volume;     // -dBm0, 0-63
  uint16_t duration;  // timestamp units since the packet's timestamp
};

// `payload` of an RTP packet. Events that follow in the same payload (RFC 2198) are not looked at.
inline bool ParseTelephoneEvent(const uint8_t* payload, size_t length, TelephoneEvent* event) {
  if (length < kTelephoneEventLength) return false;
  event->event = payload[0];
  event->end = (payload[1] & 0x80) != 0;
  event->volume = payload[1] & 0x3f;
  event->duration = Load16(payload + 2);
  return true;
}

}  // namespace relay::wire
