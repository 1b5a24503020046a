#include "relay/capabilities.h"

#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <future>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "relay/clock.h"
#include "tests/support/sanitized.h"

namespace relay {
namespace {

constexpr CapabilitySet kNetAdmin = CapabilitySet{1} << CAP_NET_ADMIN;
constexpr CapabilitySet kNetRaw = CapabilitySet{1} << CAP_NET_RAW;

// Of the calling thread: what `/proc` says behind `name`, like CapPrm.
CapabilitySet Told(const std::string& name) {
  std::ifstream status("/proc/thread-self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1), nullptr, 16);
  }
  return ~CapabilitySet{0};
}

bool HasAtMost(CapabilitySet kept) {
  return Told("CapPrm") == (Told("CapPrm") & kept) && Told("CapEff") == Told("CapPrm") &&
         Told("CapInh") == 0 && Told("NoNewPrivs") == 1;
}

TEST(Capabilities, OneThreadGivesUpItsOwnAndNoOther) {
  const CapabilitySet before = Told("CapPrm");
  std::thread([] {
    ASSERT_TRUE(KeepCapabilities(kNetAdmin).ok());
    EXPECT_TRUE(HasAtMost(kNetAdmin));
    ASSERT_TRUE(KeepCapabilities(~CapabilitySet{0}).ok());
    EXPECT_TRUE(HasAtMost(kNetAdmin)) << "given up for good";
    ASSERT_TRUE(KeepCapabilities(0).ok());
    EXPECT_TRUE(HasAtMost(0));
  }).join();
  EXPECT_EQ(Told("CapPrm"), before);
}

// In a process of its own, which ends with it.
int AllOfThemDo() {
  std::promise<void> one_done;
  std::shared_future<void> done(one_done.get_future());
  std::promise<void> first_is_up, second_is_up;
  bool first = false, second = false;
  std::thread a([&] {
    first_is_up.set_value();
    done.wait();
    first = HasAtMost(kNetAdmin | kNetRaw);
  });
  std::thread b([&] {
    if (!KeepCapabilities(0).ok()) return;  // a worker, which has none already
    second_is_up.set_value();
    done.wait();
    second = HasAtMost(0);
  });
  first_is_up.get_future().wait();
  second_is_up.get_future().wait();
  const bool kept = KeepCapabilitiesEverywhere(kNetAdmin | kNetRaw).ok();
  one_done.set_value();
  a.join();
  b.join();
  return kept && first && second && HasAtMost(kNetAdmin | kNetRaw) ? 0 : 1;
}

// In a process of its own: the rest of this program needs its rights.
void ExpectWellInAChild(int (*run)()) {
  const pid_t child = fork();
  if (child == 0) _exit(run());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Capabilities, AllThreadsOfAProcessGiveThemUp) {
  if (support::kSanitized) {
    // A sanitizer's own thread may take no signal.
    const absl::Status kept = KeepCapabilitiesEverywhere(~CapabilitySet{0});
    EXPECT_TRUE(kept.ok() || absl::StrContains(kept.message(), "it takes no signal")) << kept;
    return;
  }
  ExpectWellInAChild(AllOfThemDo);
}

// Whether a signal waits for the thread.
bool IsAsked(pid_t thread) {
  std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigPnd:")) return std::stoull(line.substr(7), nullptr, 16) != 0;
  }
  return false;
}

// One thread that takes no signal, and one that starts another while that one is waited for.
int OneIsDeaf() {
  std::promise<void> one_done;
  std::shared_future<void> done(one_done.get_future());
  std::promise<void> deaf_is_up, parent_is_up;
  bool parent = false, born_later = false;
  pid_t deaf_number = 0;
  std::thread deaf([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    deaf_number = gettid();
    deaf_is_up.set_value();
    done.wait();
  });
  deaf_is_up.get_future().wait();
  std::thread other([&] {
    parent_is_up.set_value();
    const TimeNs deadline = MonotonicNow() + 5 * kSecond;
    while (!IsAsked(deaf_number) && MonotonicNow() < deadline) std::this_thread::yield();
    std::thread child([&] {
      done.wait();
      born_later = HasAtMost(kNetAdmin);
    });
    done.wait();
    parent = HasAtMost(kNetAdmin);
    child.join();
  });
  parent_is_up.get_future().wait();
  const absl::Status status = KeepCapabilitiesEverywhere(kNetAdmin);
  one_done.set_value();
  deaf.join();
  other.join();
  return absl::IsDeadlineExceeded(status) && parent && born_later ? 0 : 1;
}

TEST(Capabilities, ADeafThreadKeepsNobodyElseFromGivingThemUp) {
  if (support::kSanitized) return;  // as above
  ExpectWellInAChild(OneIsDeaf);
}

}  // namespace
}  // namespace relay
