#include "relay/worker/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace relay::worker {
namespace {

constexpr TimeNs kStart = 500 * kSecond;

TEST(TimerWheel, FiresWhatIsDueOnceAndNothingElse) {
  std::vector<session::Leg> legs(4);
  TimerWheel wheel(legs);
  wheel.Advance(kStart, 16, [](uint32_t) {});
  wheel.Set(0, kStart + 10 * kMillisecond);
  wheel.Set(1, kStart + 20 * kMillisecond);
  wheel.Set(2, kStart + 15 * kMillisecond);
  wheel.Cancel(2);
  std::vector<uint32_t> fired;
  const auto note = [&](uint32_t leg) { fired.push_back(leg); };
  wheel.Advance(kStart + 9 * kMillisecond, 16, note);
  EXPECT_TRUE(fired.empty());
  wheel.Advance(kStart + 10 * kMillisecond, 16, note);
  EXPECT_EQ(fired, std::vector<uint32_t>{0});
  wheel.Advance(kStart + kSecond, 16, note);
  EXPECT_EQ(fired, (std::vector<uint32_t>{0, 1}));
}

TEST(TimerWheel, ABoundedCallGoesOnWhereItStopped) {
  std::vector<session::Leg> legs(100);
  TimerWheel wheel(legs);
  for (uint32_t leg = 0; leg < 100; ++leg) wheel.Set(leg, kStart);
  size_t fired = 0;
  while (wheel.Advance(kStart, 7, [](uint32_t) {}) != 0) fired += 1;
  EXPECT_EQ(fired, 15u);
}

// Random sets and cancels against the obvious model, over many turns of the wheel.
TEST(TimerWheel, BehavesLikeASortedMap) {
  std::vector<session::Leg> legs(50);
  TimerWheel wheel(legs);
  std::map<uint32_t, TimeNs> model;
  std::mt19937 random(7);
  TimeNs now = kStart;
  wheel.Advance(now, 1, [](uint32_t) {});
  for (int step = 0; step < 50000; ++step) {
    const uint32_t leg = random() % 50;
    if (random() % 4 == 0) {
      wheel.Cancel(leg);
      model.erase(leg);
    } else {
      model[leg] = now + random() % (12 * kSecond);
      wheel.Set(leg, model[leg]);
    }
    now += random() % (10 * kMillisecond);
    wheel.Advance(now, legs.size(), [&](uint32_t due) {
      ASSERT_TRUE(model.contains(due));
      EXPECT_LE(model[due], now);
      model.erase(due);
    });
    for (const auto& [waiting, deadline] : model) ASSERT_GT(deadline, now) << waiting;
  }
}

}  // namespace
}  // namespace relay::worker
