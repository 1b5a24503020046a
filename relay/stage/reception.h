// What arrives: loss, jitter, reordering, duplicates of the source that is heard now.
// RFC 3550 appendix A.1 (sequence numbers), A.3 (loss), A.8 (jitter).
#pragma once

#include "relay/clock.h"
#include "relay/session/leg.h"
#include "relay/wire/rtp.h"

namespace relay::stage {

// A.1. Gaps up to here are loss, steps back up to there are disorder; all else is a sender that
// started again.
inline constexpr uint32_t kDropoutMax = 3000;
inline constexpr uint32_t kMisorderMax = 100;
inline constexpr uint32_t kNoBadSequence = 1u << 16;
// One wrap in hand, so that packets from before the first one do not fall below zero.
inline constexpr uint32_t kFirstCycle = 1u << 16;

enum class Receipt : uint8_t {
  kNew,
  kDuplicate,
  kNewSource,  // another SSRC than before
};

// Reception::ticks_q32 of a clock rate.
inline uint32_t TicksQ32(uint32_t clock_rate_hz) {
  return static_cast<uint32_t>((uint64_t{clock_rate_hz} << 42) / kSecond);
}

// The rare ends of Receive, out of its line.
Receipt ReceiveNewSource(session::Leg& leg, const wire::Rtp& rtp);
Receipt ReceiveOutOfOrder(session::Leg& leg, const wire::Rtp& rtp);
// The payload type is another one: finds its clock rate.
void ChangePayloadType(session::Leg& leg, uint8_t payload_type);

// A.8, in timestamp units. `arrival_ns` is turned into them modulo 2^32; the jitter never needs
// more. Packets of a telephone event all carry the timestamp of its start and say nothing.
inline void MeasureJitter(session::Reception& reception, const wire::Rtp& rtp, TimeNs arrival_ns) {
  const uint32_t arrival = static_cast<uint32_t>(((arrival_ns >> 10) * reception.ticks_q32) >> 32);
  const uint32_t transit = arrival - rtp.timestamp;
  const int32_t change = reception.measured ? static_cast<int32_t>(transit - reception.transit) : 0;
  reception.transit = transit;
  reception.measured = 1;
  const uint32_t distance =
      change < 0 ? 0u - static_cast<uint32_t>(change) : static_cast<uint32_t>(change);
  reception.jitter_q4 += distance - ((reception.jitter_q4 + 8) >> 4);
}

// Takes note of one believed packet of `length` bytes.
inline Receipt Receive(session::Leg& leg, const wire::Rtp& rtp, uint32_t length,
                       TimeNs arrival_ns) {
  session::Reception& reception = leg.reception;
  reception.last_arrival_ns = arrival_ns;
  reception.received_packets += 1;
  reception.received_bytes += length;
  if (rtp.payload_type != reception.payload_type) [[unlikely]]
    ChangePayloadType(leg, rtp.payload_type);

  Receipt receipt = Receipt::kNew;
  if (rtp.ssrc != reception.ssrc || reception.packets == 0) [[unlikely]] {
    receipt = ReceiveNewSource(leg, rtp);
  } else {
    const uint16_t step =
        static_cast<uint16_t>(rtp.sequence - static_cast<uint16_t>(reception.sequence_max));
    if (step == 0 || step >= kDropoutMax) [[unlikely]]
      return ReceiveOutOfOrder(leg, rtp);
    reception.sequence_max += step;
    reception.window = step < 64 ? (reception.window << step) | 1 : 1;
    reception.packets += 1;
    reception.sequence_bad = kNoBadSequence;
  }
  if (reception.ticks_q32 != 0) MeasureJitter(reception, rtp, arrival_ns);
  return receipt;
}

// Packets that the sequence numbers of the present source promise.
inline uint64_t Expected(const session::Reception& reception) {
  return reception.packets == 0 ? 0
                                : uint64_t{reception.sequence_max - reception.sequence_first} + 1;
}

}  // namespace relay::stage
