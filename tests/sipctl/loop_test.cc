#include "sipctl/loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
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
