#include "sipctl/timers.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace sipctl {
namespace {

TEST(Timers, FiresAtItsTimeAndNotBefore) {
  Timers timers(1000);
  int fired = 0;
  timers.After(500, [&] { ++fired; });
  timers.Advance(1499);
  EXPECT_EQ(fired, 0);
  timers.Advance(1500);
  EXPECT_EQ(fired, 1);
  timers.Advance(5000);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(timers.size(), 0u);
}

TEST(Timers, EqualDueTimesFireInOrderOfSchedulingWhicheverLevelTheyBeganOn) {
  Timers timers(0);
  std::vector<int> order;
  timers.After(70'000, [&] { order.push_back(1); });  // begins on a high level
  timers.Advance(69'000);
  timers.After(1'000, [&] { order.push_back(2); });  // begins below
  timers.Advance(69'990);
  timers.After(10, [&] { order.push_back(3); });
  timers.Advance(70'000);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(Timers, CancelledTimersDoNotFireAndOldIdsCancelNobodyElse) {
  Timers timers(0);
  bool first = false;
  bool second = false;
  Timers::Id id = timers.After(10, [&] { first = true; });
  Timers::Id copy = id;
  timers.Cancel(&id);
  EXPECT_EQ(id, 0u);
  timers.After(10, [&] { second = true; });  // takes the same place
  timers.Cancel(&copy);
  timers.Cancel(&id);
  timers.Advance(10);
  EXPECT_FALSE(first);
  EXPECT_TRUE(second);
}

TEST(Timers, CallbackMayCancelItsNeighbourAndSchedule) {
  Timers timers(0);
  bool neighbour = false;
  int chain = 0;
  Timers::Id other = 0;
  timers.After(5, [&] {
    timers.Cancel(&other);
    timers.After(3, [&] { ++chain; });
  });
  other = timers.After(5, [&] { neighbour = true; });
  timers.Advance(5);
  EXPECT_FALSE(neighbour);
  timers.Advance(8);
  EXPECT_EQ(chain, 1);
}

TEST(Timers, ZeroDelayFromACallbackWaitsForTheNextTurn) {
  Timers timers(100);
  int fired = 0;
  std::function<void()> again = [&] {
    ++fired;
    timers.After(0, again);
  };
  timers.After(0, again);
  timers.Advance(100);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(timers.Next(), 100);
  timers.Advance(100);
  EXPECT_EQ(fired, 2);
}

TEST(Timers, CallbackSeesTheTimeOfTheTurn) {
  Timers timers(0);
  TimeMs seen = 0;
  timers.After(10, [&] { seen = timers.now(); });
  timers.Advance(250);
  EXPECT_EQ(seen, 250);
}

TEST(Timers, TimeNeverRunsBackwards) {
  Timers timers(1000);
  timers.Advance(10);
  EXPECT_EQ(timers.now(), 1000);
}

// Random programs against the plainest possible model: a list sorted by (due, order).
TEST(Timers, AgreesWithASortedList) {
  std::mt19937_64 random(20261121);
  struct Entry {
    TimeMs due;
    int order;
    Timers::Id id;
  };
  for (int program = 0; program < 200; ++program) {
    TimeMs now = static_cast<TimeMs>(random() % 1'000'000);
    Timers timers(now);
    std::vector<Entry> model;
    std::vector<int> fired;
    int order = 0;
    for (int step = 0; step < 300; ++step) {
      const auto choice = random() % 10;
      if (choice < 6) {
        const TimeMs delay = static_cast<TimeMs>(random() % (uint64_t{1} << (random() % 24)));
        const int mine = order++;
        model.push_back(
            {now + delay, mine, timers.After(delay, [&fired, mine] { fired.push_back(mine); })});
      } else if (choice < 8 && !model.empty()) {
        const auto victim = model.begin() + static_cast<long>(random() % model.size());
        timers.Cancel(&victim->id);
        model.erase(victim);
      } else {
        now += static_cast<TimeMs>(random() % (uint64_t{1} << (random() % 20)));
        if (const auto next = timers.Next(); next && !model.empty()) {
          const auto earliest =
              std::min_element(model.begin(), model.end(),
                               [](const Entry& a, const Entry& b) { return a.due < b.due; });
          ASSERT_LE(*next, earliest->due);  // never late
        }
        std::vector<Entry> due;
        std::copy_if(model.begin(), model.end(), std::back_inserter(due),
                     [now](const Entry& entry) { return entry.due <= now; });
        std::erase_if(model, [now](const Entry& entry) { return entry.due <= now; });
        std::stable_sort(due.begin(), due.end(), [](const Entry& a, const Entry& b) {
          return std::pair(a.due, a.order) < std::pair(b.due, b.order);
        });
        std::vector<int> expected;
        for (const Entry& entry : due) expected.push_back(entry.order);
        fired.clear();
        timers.Advance(now);
        ASSERT_EQ(fired, expected) << "program " << program << " step " << step;
      }
      ASSERT_EQ(timers.size(), model.size());
    }
  }
}

TEST(Timers, SteppingFromNextToNextReachesEveryTimerExactly) {
  Timers timers(0);
  std::vector<TimeMs> at;
  for (TimeMs delay : {1, 63, 64, 65, 4095, 4096, 500'000, 32'000}) {
    timers.After(delay, [&] { at.push_back(timers.now()); });
  }
  while (const auto next = timers.Next()) timers.Advance(*next);
  EXPECT_EQ(at, (std::vector<TimeMs>{1, 63, 64, 65, 4095, 4096, 32'000, 500'000}));
}

}  // namespace
}  // namespace sipctl
