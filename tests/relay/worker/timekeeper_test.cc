// What happens to a leg without a packet, and when.
#include "relay/worker/timekeeper.h"

#include "relay/abi/seqlock.h"
#include "tests/relay/worker/office.h"

namespace relay::worker {
namespace {

class TimekeeperTest : public Office {
 protected:
  void Pass(TimeNs span) {
    for (TimeNs passed = 0; passed < span; passed += 10 * kMillisecond) {
      clock.Advance(10 * kMillisecond);
      Cycle();
    }
  }
  uint32_t Published(uint32_t leg) {
    abi::LegStatisticsSlot slot{};
    EXPECT_TRUE(abi::LoadLocked(statistics[leg], &slot));
    return slot.version.load() / 2;
  }
};

TEST_F(TimekeeperTest, EveryOpenLegIsPublishedOnceASecondAndNoOther) {
  Open(3, SetupFor(3, kTrunk));
  Open(9, SetupFor(9, kPbx));
  Pass(kSecond);
  const uint32_t before[] = {Published(3), Published(9)};
  Pass(10 * kSecond);
  EXPECT_NEAR(Published(3) - before[0], 10, 1);
  EXPECT_NEAR(Published(9) - before[1], 10, 1);
  EXPECT_EQ(Published(4), 0u);
}

TEST_F(TimekeeperTest, SilenceIsNoticedWhenItIsDue) {
  session::LegSetup setup = SetupFor(0, kTrunk);
  setup.plan.media_timeout_ms = 2000;
  Open(0, setup);
  Pass(1900 * kMillisecond);
  EXPECT_EQ(counters.Read(abi::Counter::kMediaTimeouts), 0u);
  Pass(200 * kMillisecond);
  EXPECT_EQ(counters.Read(abi::Counter::kMediaTimeouts), 1u);
  Pass(5 * kSecond);
  EXPECT_EQ(counters.Read(abi::Counter::kMediaTimeouts), 1u);
}

}  // namespace
}  // namespace relay::worker
