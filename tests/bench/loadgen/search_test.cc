#include "bench/loadgen/search.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bench::loadgen {
namespace {

// A relay that keeps up with `capacity` calls and loses one packet above that.
std::vector<uint64_t> Tried(const Search& search, uint64_t capacity, uint64_t* best) {
  std::vector<uint64_t> tried;
  *best = 0;
  auto results = FindHighestClean(search, [&](uint64_t calls) -> absl::StatusOr<Measurement> {
    tried.push_back(calls);
    Measurement m;
    m.calls = calls;
    m.seconds = 1;
    m.totals.sent = 100;
    m.totals.received = calls <= capacity ? 100 : 99;
    if (calls <= capacity) *best = std::max(*best, calls);
    return m;
  });
  EXPECT_TRUE(results.ok());
  EXPECT_EQ(results->size(), tried.size());
  return tried;
}

TEST(Search, FindsTheCapacityFromBelow) {
  uint64_t best = 0;
  Tried({.from = 10'000, .to = 400'000}, 700, &best);
  EXPECT_LE(best, 700u);
  EXPECT_GE(best, 620u);
}

TEST(Search, StopsAtTheBound) {
  uint64_t best = 0;
  const auto tried = Tried({.from = 10'000, .to = 50'000}, 1'000'000, &best);
  EXPECT_EQ(best, 500u);
  EXPECT_EQ(tried.back(), 500u);
}

TEST(Search, GoesDownWhenTheFirstRateIsTooMuch) {
  uint64_t best = 0;
  Tried({.from = 100'000, .to = 400'000}, 600, &best);
  EXPECT_EQ(best, 500u);
}

TEST(Search, CleanMeansNothingLostAndLatencyBounded) {
  Measurement m;
  m.totals.sent = m.totals.received = 10;
  m.latency.Add(9'000'000);
  EXPECT_TRUE(Clean(m, 10));
  EXPECT_FALSE(Clean(m, 8));
  m.totals.sent = 11;
  EXPECT_FALSE(Clean(m, 10));
}

// Else a generator that is too slow for a rate would call it clean.
TEST(Search, ARateThatWasNotOfferedIsNotClean) {
  Measurement m;
  m.seconds = 10;
  m.took = 10.05;
  m.totals.sent = m.totals.received = 1000;
  EXPECT_TRUE(Clean(m, 10));
  m.took = 20;
  EXPECT_FALSE(Clean(m, 10));
  EXPECT_DOUBLE_EQ(m.offered(), 50);
}

TEST(Search, ARateMayLoseATenThousandthWhereItIsAsked) {
  std::vector<Measurement> measurements(3);
  for (size_t i = 0; i < measurements.size(); ++i) {
    measurements[i].calls = 100 * (i + 1);
    measurements[i].totals.sent = 100'000;
    measurements[i].totals.received = 100'000 - 10 * i;  // 0, 10 and 20 lost
  }
  EXPECT_EQ(HighestRate(measurements, 10, 0), 10'000u);
  EXPECT_EQ(HighestRate(measurements, 10, kLossTolerated), 20'000u);
  measurements[1].totals.out_of_step = 1;  // not lost, but wrong
  EXPECT_EQ(HighestRate(measurements, 10, kLossTolerated), 10'000u);
}

}  // namespace
}  // namespace bench::loadgen
