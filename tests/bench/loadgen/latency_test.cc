#include "bench/loadgen/latency.h"

#include <gtest/gtest.h>

namespace bench::loadgen {
namespace {

TEST(Latency, NothingMeasuredIsZero) {
  const Latency latency;
  EXPECT_EQ(latency.Quantile(0.99), 0u);
}

TEST(Latency, QuantilesAreRightToSixPercent) {
  Latency latency;
  for (uint64_t i = 1; i <= 100'000; ++i) latency.Add(i * 1000);
  for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = fraction * 100'000'000;
    EXPECT_NEAR(static_cast<double>(latency.Quantile(fraction)), exact, exact * 0.065) << fraction;
  }
  EXPECT_EQ(latency.max_ns(), 100'000'000u);
  EXPECT_EQ(latency.Quantile(1), 100'000'000u);
}

TEST(Latency, OneOutlierIsTheMaximumAndNotTheMedian) {
  Latency latency;
  for (int i = 0; i < 1000; ++i) latency.Add(10);
  latency.Add(5'000'000'000);
  EXPECT_EQ(latency.Quantile(0.5), 10u);
  EXPECT_EQ(latency.max_ns(), 5'000'000'000u);
}

}  // namespace
}  // namespace bench::loadgen
