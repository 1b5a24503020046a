#include "relay/stage/reception.h"

namespace relay::stage {
namespace {

using session::Leg;
using session::Reception;

void StartSource(Reception& reception, const wire::Rtp& rtp) {
  reception.ssrc = rtp.ssrc;
  reception.sequence_max = kFirstCycle | rtp.sequence;
  reception.sequence_first = reception.sequence_max;
  reception.packets = 1;
  reception.window = 1;
  reception.sequence_bad = kNoBadSequence;
  reception.jitter_q4 = 0;
  reception.measured = 0;
}

// The numbers of the source that ends go into the totals.
void EndSource(Leg& leg) {
  leg.totals.expected_former += Expected(leg.reception);
  leg.totals.unique_former += leg.reception.packets;
  leg.rtcp.expected_prior = 0;
  leg.rtcp.received_prior = 0;
  leg.rtcp.sr_arrival_ns = 0;
}

}  // namespace

Receipt ReceiveNewSource(Leg& leg, const wire::Rtp& rtp) {
  const bool first = leg.reception.packets == 0;
  if (!first) {
    EndSource(leg);
    leg.totals.source_changes += 1;
  }
  StartSource(leg.reception, rtp);
  return first ? Receipt::kNew : Receipt::kNewSource;
}

Receipt ReceiveOutOfOrder(Leg& leg, const wire::Rtp& rtp) {
  Reception& reception = leg.reception;
  const uint16_t behind =
      static_cast<uint16_t>(static_cast<uint16_t>(reception.sequence_max) - rtp.sequence);
  if (behind > kMisorderMax) {
    // A great leap. Two packets in a row from there mean that the sender started again; the first
    // is passed on, but changes nothing.
    if (rtp.sequence == reception.sequence_bad) {
      EndSource(leg);
      StartSource(reception, rtp);
    } else {
      reception.sequence_bad = (rtp.sequence + 1u) & 0xffff;
    }
    return Receipt::kNew;
  }
  if (behind < 64) {
    const uint64_t bit = uint64_t{1} << behind;
    if (reception.window & bit) {
      leg.totals.duplicate_packets += 1;
      return Receipt::kDuplicate;
    }
    reception.window |= bit;
  }
  leg.totals.reordered_packets += 1;
  reception.packets += 1;
  // Late packets from before the first one belong to the source as well.
  const uint32_t sequence = reception.sequence_max - behind;
  if (sequence < reception.sequence_first) reception.sequence_first = sequence;
  return Receipt::kNew;
}

void ChangePayloadType(Leg& leg, uint8_t payload_type) {
  Reception& reception = leg.reception;
  reception.payload_type = payload_type;
  uint32_t ticks = 0;  // of an unknown payload type or a telephone event nothing is measured
  for (uint8_t i = 0; i < leg.path.format_count; ++i) {
    const abi::Format& format = leg.formats[i];
    if (format.payload_type != payload_type || format.codec == abi::Codec::kTelephoneEvent)
      continue;
    ticks = TicksQ32(format.clock_rate_hz);
  }
  reception.ticks_q32 = ticks;
  reception.measured = 0;
}

}  // namespace relay::stage
