// A leg's numbers: counters that wrap, loss, jitter, and the record others read.
#include "relay/worker/statistics.h"

#include <gtest/gtest.h>

#include "relay/abi/seqlock.h"

namespace relay::worker {
namespace {

TEST(Statistics, HotCountersMayWrapBetweenTwoLooks) {
  session::Leg leg{};
  leg.reception.received_packets = 0xfffffff0;
  EXPECT_EQ(Summarise(leg, 1).received_packets, 0xfffffff0u);
  leg.reception.received_packets += 0x20;
  leg.out.sent_bytes = 7;
  const abi::LegStatistics statistics = Summarise(leg, 2);
  EXPECT_EQ(statistics.received_packets, 0x100000010u);
  EXPECT_EQ(statistics.sent_bytes, 7u);
  EXPECT_EQ(statistics.as_of_ns, 2u);
  EXPECT_EQ(Summarise(leg, 3).received_packets, 0x100000010u);
}

TEST(Statistics, LossIsWhatAllSourcesPromisedLessWhatCame) {
  session::Leg leg{};
  leg.reception.sequence_first = 0x10064;
  leg.reception.sequence_max = 0x1006d;  // ten
  leg.reception.packets = 8;
  leg.totals.expected_former = 100;
  leg.totals.unique_former = 99;
  EXPECT_EQ(Summarise(leg, 1).expected_packets, 110u);
  EXPECT_EQ(Summarise(leg, 1).lost_packets, 3);
}

TEST(Statistics, JitterIsGivenInMicroseconds) {
  session::Leg leg{};
  EXPECT_EQ(Summarise(leg, 1).jitter_us, 0u);  // no clock rate known
  leg.reception.ticks_q32 = static_cast<uint32_t>((uint64_t{8000} << 42) / kSecond);
  leg.reception.jitter_q4 = 16 * 40;  // 40 units of 125 us
  EXPECT_NEAR(Summarise(leg, 1).jitter_us, 5000, 2);
}

TEST(Statistics, ThePublishedRecordIsWhole) {
  abi::LegStatisticsSlot slot{};
  Publish({.as_of_ns = 5, .received_packets = 6, .lost_packets = -1}, &slot);
  abi::LegStatisticsSlot seen{};
  ASSERT_TRUE(abi::LoadLocked(slot, &seen));
  EXPECT_EQ(seen.version.load() % 2, 0u);
  EXPECT_EQ(seen.statistics.as_of_ns, 5u);
  EXPECT_EQ(seen.statistics.received_packets, 6u);
  EXPECT_EQ(seen.statistics.lost_packets, -1);
}

}  // namespace
}  // namespace relay::worker
