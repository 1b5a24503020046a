#include "sipctl/loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sipctl {
namespace {

struct Pair {
  int fds[2];
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0); }
  ~Pair() {
    close(fds[0]);
    close(fds[1]);
  }
  void Poke() { EXPECT_EQ(write(fds[1], "x", 1), 1); }
};

TEST(Loop, TimersFollowTheInjectedClockReadOnceATurn) {
  TimeMs now = 5000;
  auto loop = *Loop::Create([&] { return now; });
  std::vector<int> order;
  loop->timers().After(10, [&] {
    order.push_back(1);
    now += 100;  // the turn goes on with the time that it read
    EXPECT_EQ(loop->now(), 5010);
  });
  loop->timers().After(20, [&] { order.push_back(2); });
  loop->Turn(0);
  EXPECT_TRUE(order.empty());
  now = 5010;
  loop->Turn(0);
  EXPECT_EQ(order, std::vector<int>{1});
  loop->Turn(0);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Loop, SocketsAreReportedAndAStaleEventIsDropped) {
  auto loop = *Loop::Create();
  Pair a;
  Pair b;
  int calls = 0;
  // Whichever comes first takes the other's watch away, though both are ready.
  const auto take_both_away = [&](uint32_t events) {
    EXPECT_TRUE(events & EPOLLIN);
    ++calls;
    loop->Unwatch(a.fds[0]);
    loop->Unwatch(b.fds[0]);
    loop->Watch(a.fds[0], 0, [&](uint32_t) { calls += 100; });  // same number, new watch
  };
  loop->Watch(a.fds[0], EPOLLIN, take_both_away);
  loop->Watch(b.fds[0], EPOLLIN, take_both_away);
  a.Poke();
  b.Poke();
  loop->Turn(1000);
  loop->Turn(0);
  EXPECT_EQ(calls, 1);
  loop->Modify(a.fds[0], EPOLLIN);
  loop->Turn(1000);
  EXPECT_EQ(calls, 101);
}

// What came during a long turn has waited for its end; what wakes a sleeping loop has not.
TEST(Loop, KnowsSinceWhenAnEventMayHaveWaited) {
  TimeMs now = 5000;
  auto loop = *Loop::Create([&] { return now; });
  Pair a;
  std::vector<TimeMs> waited;
  TimeMs work = 300;
  loop->Watch(a.fds[0], EPOLLIN, [&](uint32_t) {
    char byte;
    EXPECT_EQ(read(a.fds[0], &byte, 1), 1);
    waited.push_back(loop->now() - loop->ready_since());
    now += work;
    if (work > 0) a.Poke();
    work = 0;
  });
  a.Poke();
  loop->Turn(1000);
  EXPECT_EQ(loop->ClockNow(), 5300);
  loop->Turn(1000);  // the second byte came during 300 ms of work
  EXPECT_EQ(waited, (std::vector<TimeMs>{0, 300}));
  now += 10'000;
  loop->Turn(0);  // nothing is there
  a.Poke();
  loop->Turn(1000);
  EXPECT_EQ(waited.back(), 0);
}

TEST(Loop, WhereMoreIsReadyThanATurnIsToldOfTheRestHasWaitedLonger) {
  TimeMs now = 5000;
  auto loop = *Loop::Create([&] { return now; });
  std::vector<std::unique_ptr<Pair>> pairs;
  TimeMs longest = 0;
  for (int i = 0; i < 600; ++i) {
    const int fd = pairs.emplace_back(std::make_unique<Pair>())->fds[0];
    pairs.back()->Poke();
    loop->Watch(fd, EPOLLIN, [&, fd](uint32_t) {
      now += 1;
      longest = std::max(longest, now - loop->ready_since());
      loop->Unwatch(fd);
    });
  }
  for (int i = 0; i < 3; ++i) loop->Turn(0);
  EXPECT_EQ(longest, 600);
}

TEST(Loop, DeferredWorkRunsAfterTheSocketsAndItsOwnDeferralsATurnLater) {
  auto loop = *Loop::Create();
  Pair a;
  std::vector<int> order;
  loop->Watch(a.fds[0], EPOLLIN, [&](uint32_t) {
    loop->Defer([&] {
      order.push_back(2);
      loop->Defer([&] { order.push_back(3); });
    });
    order.push_back(1);
    loop->Unwatch(a.fds[0]);
  });
  a.Poke();
  loop->Turn(1000);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  loop->Turn(1000);  // does not sleep
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(Loop, PostAndStopFromAnotherThreadWakeIt) {
  auto loop = *Loop::Create();
  bool ran = false;
  std::thread other([&] {
    loop->Post([&] {
      ran = true;
      loop->Stop();
    });
  });
  loop->Run();
  other.join();
  EXPECT_TRUE(ran);
}

TEST(Loop, SignalsComeAsCallbacks) {
  auto loop = *Loop::Create();
  int caught = 0;
  ASSERT_TRUE(loop->WatchSignals({SIGUSR1}, [&](int signal) { caught = signal; }).ok());
  EXPECT_FALSE(loop->WatchSignals({SIGUSR2}, [](int) {}).ok());
  kill(getpid(), SIGUSR1);
  loop->Turn(1000);
  EXPECT_EQ(caught, SIGUSR1);
}

}  // namespace
}  // namespace sipctl
