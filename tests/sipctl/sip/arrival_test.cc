#include "sipctl/sip/arrival.h"

#include "gtest/gtest.h"

namespace sipctl::sip {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kWall = 1'700'000'000'000 * kMs;

// Both clocks at `ms`, the wall clock set forward by `set_ms`.
ArrivalClock::Now At(int64_t ms, int64_t set_ms = 0) {
  return {.wall_ns = kWall + (ms + set_ms) * kMs, .monotonic_ns = (1000 + ms) * kMs};
}
int64_t Stamp(int64_t ms) {
  return kWall + ms * kMs;
}

TEST(ArrivalClock, TellsHowLongADatagramHasWaited) {
  ArrivalClock clock;
  clock.Begin(At(0));
  EXPECT_EQ(clock.AgeOf(Stamp(-30)), 30);
  EXPECT_EQ(clock.AgeOf(Stamp(0)), 0);
  clock.Begin(At(250));
  EXPECT_EQ(clock.AgeOf(Stamp(0)), 250);
  EXPECT_EQ(clock.AgeOf(Stamp(251)), 0);  // stamped behind our own look at the clock
}

TEST(ArrivalClock, WhatWasStampedBeforeTheClockWasSetHasNoAge) {
  ArrivalClock clock;
  clock.Begin(At(0));
  clock.Begin(At(10, 3'600'000));
  EXPECT_EQ(clock.AgeOf(Stamp(5)), 0);
  // What comes after that has one again, though the queue is never empty.
  clock.Begin(At(300, 3'600'000));
  EXPECT_EQ(clock.AgeOf(Stamp(5)), 0);
  EXPECT_EQ(clock.AgeOf(Stamp(3'600'020)), 280);
}

TEST(ArrivalClock, SetBackTheOldStampsLieInTheFuture) {
  ArrivalClock clock;
  clock.Begin(At(0));
  clock.Begin(At(10, -3'600'000));
  EXPECT_EQ(clock.AgeOf(Stamp(5)), 0);
  clock.Begin(At(300, -3'600'000));
  EXPECT_EQ(clock.AgeOf(Stamp(5)), 0);
  EXPECT_EQ(clock.AgeOf(Stamp(-3'600'000 + 20)), 280);
}

TEST(ArrivalClock, AWallClockThatRunsALittleFasterIsBelieved) {
  ArrivalClock clock;
  clock.Begin(At(0));
  for (int i = 1; i <= 100; ++i) clock.Begin(At(i * 20, i));
  EXPECT_EQ(clock.AgeOf(Stamp(2000)), 100);
}

TEST(ArrivalClock, ReadsBothClocks) {
  const ArrivalClock::Now one = ArrivalClock::Read();
  const ArrivalClock::Now two = ArrivalClock::Read();
  EXPECT_GT(one.wall_ns, kWall);
  EXPECT_GE(two.monotonic_ns, one.monotonic_ns);
}

}  // namespace
}  // namespace sipctl::sip
