#include "relay/worker/statistics.h"

#include "relay/abi/seqlock.h"
#include "relay/stage/reception.h"

namespace relay::worker {
namespace {

using session::Leg;

// Adds what a wrapping counter grew by.
void Fold(uint32_t counter, uint32_t* seen, uint64_t* total) {
  *total += static_cast<uint32_t>(counter - *seen);
  *seen = counter;
}

// Nothing is measured of a telephone event: while one is heard, the jitter is that of the audio
// before it, in units of the leg's first format.
uint32_t JitterMicroseconds(const Leg& leg) {
  uint64_t ticks_q32 = leg.reception.ticks_q32;
  if (ticks_q32 == 0) ticks_q32 = stage::TicksQ32(leg.formats[0].clock_rate_hz);
  if (ticks_q32 == 0) return 0;
  // jitter_q4 / 16 timestamp units, at ticks_q32 / 2^32 units in 1.024 us.
  const uint64_t units_q36 = uint64_t{leg.reception.jitter_q4} << 32;
  return static_cast<uint32_t>(units_q36 / ticks_q32 * 1024 / 16000);
}

}  // namespace

abi::LegStatistics Summarise(Leg& leg, TimeNs now) {
  session::Totals& totals = leg.totals;
  Fold(leg.reception.received_packets, &totals.received_packets_seen, &totals.received_packets);
  Fold(leg.reception.received_bytes, &totals.received_bytes_seen, &totals.received_bytes);
  Fold(leg.out.sent_packets, &totals.sent_packets_seen, &totals.sent_packets);
  Fold(leg.out.sent_bytes, &totals.sent_bytes_seen, &totals.sent_bytes);
  Fold(leg.gate.dropped, &totals.dropped_seen, &totals.dropped_packets);

  const uint64_t expected = totals.expected_former + stage::Expected(leg.reception);
  const uint64_t unique = totals.unique_former + leg.reception.packets;
  return {.as_of_ns = now,
          .received_packets = totals.received_packets,
          .received_bytes = totals.received_bytes,
          .sent_packets = totals.sent_packets,
          .sent_bytes = totals.sent_bytes,
          .dropped_packets = totals.dropped_packets,
          .expected_packets = expected,
          .duplicate_packets = totals.duplicate_packets,
          .reordered_packets = totals.reordered_packets,
          .lost_packets = expected > unique ? static_cast<int64_t>(expected - unique) : 0,
          .rtcp_received_packets = leg.rtcp.received,
          .rtcp_sent_packets = leg.rtcp.sent,
          .jitter_us = JitterMicroseconds(leg),
          .ssrc_received = leg.reception.ssrc,
          .ssrc_sent = leg.out.ssrc,
          .payload_type_received = leg.reception.payload_type,
          .payload_type_sent = leg.out.payload_type,
          .source_changes = totals.source_changes,
          .remote = leg.out.Remote()};
}

void Publish(const abi::LegStatistics& statistics, abi::LegStatisticsSlot* slot) {
  abi::LegStatisticsSlot record{};
  record.statistics = statistics;
  abi::StoreLocked(slot, record);
}

}  // namespace relay::worker
