#include "bench/loadgen/timetable.h"

#include <gtest/gtest.h>

namespace bench::loadgen {
namespace {

constexpr uint64_t kMs = 1'000'000;

TEST(Timetable, PacketsLeaveEvenlyAndAllOfThem) {
  Timetable table(1000, 100, 5 * kMs);
  for (uint64_t ms = 0; ms < 100; ++ms) {
    EXPECT_EQ(table.Take((5 + ms) * kMs), 1u) << ms;
    EXPECT_EQ(table.Take((5 + ms) * kMs), 0u) << ms;
  }
  EXPECT_TRUE(table.IsOver());
  EXPECT_EQ(table.Take(1000 * kMs), 0u);
  EXPECT_EQ(table.late_ns_max(), 0u);
}

TEST(Timetable, ADelayIsMadeUpForNoFasterThanTheLine) {
  Timetable table(1'000'000, 1'000'000, 0);  // 1,000 a millisecond
  for (uint64_t now = 0; now < 10 * kMs; now += 1000) table.Take(now);
  EXPECT_EQ(table.sent(), 10'000u);
  // It stood still for 8 ms: 8,000 packets are due.
  EXPECT_EQ(table.Take(18 * kMs), Timetable::kBurstMax);
  EXPECT_GE(table.late_ns_max(), 8 * kMs - 1000);
  const uint64_t before = table.sent();
  for (uint64_t now = 18 * kMs; now < 28 * kMs; now += 1000) table.Take(now);
  EXPECT_NEAR(static_cast<double>(table.sent() - before), 12'500, 2);
  // By then 10 x 250 of the 7,744 are made up for; the last some 21 ms later.
  for (uint64_t now = 28 * kMs; now < 60 * kMs; now += 1000) table.Take(now);
  EXPECT_EQ(table.sent(), 60'000u);
}

TEST(Timetable, AGeneratorThatIsTooSlowSendsBurstAfterBurst) {
  Timetable table(1'000'000, 100'000, 0);
  uint64_t now = 0;
  while (!table.IsOver()) {
    now += 1 * kMs;  // a burst takes it four times as long as it should
    EXPECT_LE(table.Take(now), Timetable::kBurstMax);
  }
  EXPECT_EQ(now / kMs, (100'000 + Timetable::kBurstMax - 1) / Timetable::kBurstMax);
}

}  // namespace
}  // namespace bench::loadgen
