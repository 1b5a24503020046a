#include "sipctl/trunk/limits.h"

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

Config TwoTrunks(uint32_t calls_max, uint32_t per_minute, uint32_t burst) {
  Config config;
  for (int i = 0; i < 2; ++i) {
    Trunk trunk;
    trunk.calls_max = calls_max;
    config.trunks.push_back(trunk);
  }
  config.trunks[1].calls_per_minute = per_minute;
  config.trunks[1].call_burst = burst;
  return config;
}

TEST(TokenBucket, LetsABurstPassAndThenTheRate) {
  TokenBucket bucket(60, 3, 0);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.Take(0));
  EXPECT_FALSE(bucket.Take(0));
  EXPECT_EQ(bucket.WaitNs(0), kSecond);
  EXPECT_FALSE(bucket.Take(kSecond - 1));
  EXPECT_TRUE(bucket.Take(kSecond));
  EXPECT_FALSE(bucket.Take(kSecond));
  // A long quiet time saves up no more than the burst.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.Take(1000 * kSecond));
  EXPECT_FALSE(bucket.Take(1000 * kSecond));
}

TEST(TokenBucket, TwoHundredAMinuteAreTwoHundredAMinute) {
  TokenBucket bucket(200, 20, 0);
  int taken = 0;
  for (int i = 0; i < 3000; ++i) taken += bucket.Take(i * kSecond / 50) ? 1 : 0;  // 50 a second
  EXPECT_GE(taken, 219);  // one minute and the burst
  EXPECT_LE(taken, 220);
}

TEST(TokenBucket, NoRateIsNoLimit) {
  TokenBucket bucket(0, 0, 0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(bucket.Take(0));
  EXPECT_EQ(bucket.WaitNs(0), 0u);
}

TEST(TokenBucket, AClockThatGoesBackGivesNothing) {
  TokenBucket bucket(60, 1, 10 * kSecond);
  EXPECT_TRUE(bucket.Take(10 * kSecond));
  EXPECT_FALSE(bucket.Take(5 * kSecond));
  EXPECT_FALSE(bucket.Take(10 * kSecond));
  EXPECT_TRUE(bucket.Take(11 * kSecond));
}

TEST(Limits, CountCallsOfBothTrunks) {
  Limits limits(TwoTrunks(2, 0, 1), 0);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kAdmitted);
  EXPECT_EQ(limits.Begin(1, 0, 0), Admission::kAdmitted);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kTrunkFull);
  EXPECT_EQ(limits.calls(0), 2u);
  limits.End(0, 1);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kAdmitted);
}

TEST(Limits, ACallBackToItsTrunkTakesTwoChannels) {
  Limits limits(TwoTrunks(2, 0, 1), 0);
  EXPECT_EQ(limits.Begin(0, 0, 0), Admission::kAdmitted);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kTrunkFull);
  limits.End(0, 0);
  EXPECT_EQ(limits.calls(0), 0u);
  EXPECT_EQ(limits.calls(), 0u);
}

TEST(Limits, OfTheProcessComeFirst) {
  Config config = TwoTrunks(10, 0, 1);
  config.calls_max = 1;
  Limits limits(config, 0);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kAdmitted);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kProcessFull);
}

TEST(Limits, TheRateIsThatOfTheDestination) {
  Limits limits(TwoTrunks(10, 6, 1), 0);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kAdmitted);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kRateExceeded);
  EXPECT_EQ(limits.RetryAfterSeconds(1, 0), 10u);
  EXPECT_EQ(limits.RetryAfterSeconds(1, 10 * kSecond), 1u);
  EXPECT_EQ(limits.Begin(1, 0, 0), Admission::kAdmitted);  // the other way has no rate
  EXPECT_EQ(limits.Begin(0, 1, 10 * kSecond), Admission::kAdmitted);
}

TEST(Limits, ARefusedCallTakesNoToken) {
  Limits limits(TwoTrunks(1, 60, 2), 0);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kAdmitted);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kTrunkFull);
  limits.End(0, 1);
  EXPECT_EQ(limits.Begin(0, 1, 0), Admission::kAdmitted);
}

}  // namespace
}  // namespace sipctl::trunk
