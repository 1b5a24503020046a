// The one thread of the signalling process: sockets, timers, signals and work from other threads,
// each turn in the same order, with the time read once.
//
//   turn: wait -> read the clock -> timers that are due -> sockets -> what was deferred or posted
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/clock.h"
#include "sipctl/timers.h"

namespace sipctl {

TimeMs MonotonicNow();

class Loop {
 public:
  using Clock = std::function<TimeMs()>;
  using Ready = std::function<void(uint32_t events)>;

  static absl::StatusOr<std::unique_ptr<Loop>> Create(Clock clock = MonotonicNow);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Timers& timers() { return timers_; }
  TimeMs now() const { return timers_.now(); }
  // The clock itself, which runs on during a long turn.
  TimeMs ClockNow() const { return clock_(); }
  // What this turn tells of sockets is not older: it came while the loop slept, or else during the
  // work of the turn before.
  TimeMs ready_since() const { return ready_since_; }

  // `events` are EPOLLIN, EPOLLOUT; EPOLLERR and EPOLLHUP come unasked. The fd stays the caller's:
  // Unwatch before closing it. A callback may watch and unwatch at will, its own fd included; an
  // event that was already fetched for an unwatched fd is dropped, though the number be in use
  // again.
  void Watch(int fd, uint32_t events, Ready ready);
  void Modify(int fd, uint32_t events);
  void Unwatch(int fd);

  // From now on these signals are blocked in this thread (threads started later inherit that) and
  // come as callbacks. Once in the life of a loop.
  absl::Status WatchSignals(std::initializer_list<int> signals, std::function<void(int)> caught);

  // Runs at the end of this turn, or of the next one when called outside.
  void Defer(std::function<void()> work);
  // The same from any thread.
  void Post(std::function<void()> work);

  // One turn; sleeps until something happens, `wait_max` at most.
  void Turn(TimeMs wait_max);
  void Run();   // turns until Stop
  void Stop();  // from any thread

 private:
  Loop(Clock clock, int epoll, int wake);

  // Indexed by fd. The generation goes with the event, so that an old one is recognised.
  struct Watched {
    uint32_t generation = 0;
    std::shared_ptr<Ready> ready;
  };

  int WaitForEvents(epoll_event* events, TimeMs wait_max);
  void Wake();
  void Dispatch(uint64_t tag, uint32_t events);
  void RunDeferred();

  const Clock clock_;
  Timers timers_;
  const int epoll_;
  const int wake_;  // eventfd
  int signals_ = -1;
  TimeMs ready_since_;
  bool crowded_ = false;  // more is ready than one turn is told of
  std::vector<Watched> watched_;
  std::vector<std::function<void()>> deferred_;
  std::atomic<bool> stopped_{false};
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace sipctl
