#include "sipctl/loop.h"

#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "absl/status/status.h"

namespace sipctl {
namespace {

constexpr int kEventsPerTurn = 256;
constexpr TimeMs kWaitMsMax = 60 * kSecondMs;
// After a shorter turn nobody asks whether something has waited for its end.
constexpr TimeMs kLongTurnMs = 5;

uint64_t TagOf(int fd, uint32_t generation) {
  return (uint64_t{generation} << 32) | static_cast<uint32_t>(fd);
}

}  // namespace

TimeMs MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<TimeMs>(now.tv_sec) * kSecondMs + now.tv_nsec / 1'000'000;
}

absl::StatusOr<std::unique_ptr<Loop>> Loop::Create(Clock clock) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return absl::ErrnoToStatus(errno, "epoll_create1");
  const int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake < 0) {
    const absl::Status why = absl::ErrnoToStatus(errno, "eventfd");
    close(epoll);
    return why;
  }
  return std::unique_ptr<Loop>(new Loop(std::move(clock), epoll, wake));
}

Loop::Loop(Clock clock, int epoll, int wake)
    : clock_(std::move(clock)),
      timers_(clock_()),
      epoll_(epoll),
      wake_(wake),
      ready_since_(timers_.now()) {
  Watch(wake_, EPOLLIN, [this](uint32_t) {
    uint64_t count;
    if (read(wake_, &count, sizeof count) < 0) return;  // EAGAIN: somebody was quicker
  });
}

Loop::~Loop() {
  if (signals_ >= 0) close(signals_);
  close(wake_);
  close(epoll_);
}

void Loop::Watch(int fd, uint32_t events, Ready ready) {
  if (static_cast<size_t>(fd) >= watched_.size()) watched_.resize(static_cast<size_t>(fd) + 1);
  Watched& watched = watched_[static_cast<size_t>(fd)];
  assert(watched.ready == nullptr);
  watched.ready = std::make_shared<Ready>(std::move(ready));
  ++watched.generation;
  epoll_event event{.events = events, .data = {.u64 = TagOf(fd, watched.generation)}};
  [[maybe_unused]] const int result = epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  assert(result == 0);
}

void Loop::Modify(int fd, uint32_t events) {
  const Watched& watched = watched_[static_cast<size_t>(fd)];
  assert(watched.ready != nullptr);
  epoll_event event{.events = events, .data = {.u64 = TagOf(fd, watched.generation)}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Loop::Unwatch(int fd) {
  if (static_cast<size_t>(fd) >= watched_.size()) return;
  Watched& watched = watched_[static_cast<size_t>(fd)];
  if (watched.ready == nullptr) return;
  watched.ready = nullptr;
  ++watched.generation;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

absl::Status Loop::WatchSignals(std::initializer_list<int> signals,
                                std::function<void(int)> caught) {
  if (signals_ >= 0) return absl::FailedPreconditionError("signals are watched already");
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return absl::ErrnoToStatus(error, "pthread_sigmask");
  }
  signals_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals_ < 0) return absl::ErrnoToStatus(errno, "signalfd");
  Watch(signals_, EPOLLIN, [this, caught = std::move(caught)](uint32_t) {
    signalfd_siginfo info;
    while (read(signals_, &info, sizeof info) == sizeof info) {
      caught(static_cast<int>(info.ssi_signo));
    }
  });
  return absl::OkStatus();
}

void Loop::Defer(std::function<void()> work) {
  deferred_.push_back(std::move(work));
}

void Loop::Post(std::function<void()> work) {
  {
    std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
  }
  Wake();
}

void Loop::Wake() {
  const uint64_t one = 1;
  // A full counter means that the loop has been woken already.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

void Loop::Dispatch(uint64_t tag, uint32_t events) {
  const auto fd = static_cast<uint32_t>(tag);
  const Watched& watched = watched_[fd];
  if (watched.ready == nullptr || watched.generation != static_cast<uint32_t>(tag >> 32)) return;
  const std::shared_ptr<Ready> ready = watched.ready;  // it may unwatch itself
  (*ready)(events);
}

void Loop::RunDeferred() {
  {
    std::lock_guard lock(posted_mutex_);
    std::move(posted_.begin(), posted_.end(), std::back_inserter(deferred_));
    posted_.clear();
  }
  // What these defer in turn waits for the next turn, so that sockets are not starved.
  std::vector<std::function<void()>> work = std::exchange(deferred_, {});
  for (const std::function<void()>& one : work) one();
}

// After this the turn's time is read.
int Loop::WaitForEvents(epoll_event* events, TimeMs wait_max) {
  const TimeMs asked = clock_();
  TimeMs wait = std::clamp<TimeMs>(wait_max, 0, kWaitMsMax);
  if (const auto next = timers_.Next()) wait = std::clamp<TimeMs>(*next - asked, 0, wait);
  if (!deferred_.empty()) wait = 0;
  int count = 0;
  if (crowded_ || asked - now() >= kLongTurnMs) {
    count = epoll_wait(epoll_, events, kEventsPerTurn, 0);
    if (count > 0 && !crowded_) ready_since_ = now();
  }
  if (count <= 0) {
    count = epoll_wait(epoll_, events, kEventsPerTurn, static_cast<int>(wait));
    ready_since_ = clock_();
  }
  crowded_ = count == kEventsPerTurn;
  return count;
}

void Loop::Turn(TimeMs wait_max) {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = WaitForEvents(events.data(), wait_max);
  timers_.Advance(clock_());
  for (int i = 0; i < count; ++i) Dispatch(events[i].data.u64, events[i].events);
  RunDeferred();
}

void Loop::Run() {
  while (!stopped_.load(std::memory_order_acquire)) Turn(kWaitMsMax);
}

void Loop::Stop() {
  stopped_.store(true, std::memory_order_release);
  Wake();
}

}  // namespace sipctl
