#include "relay/capabilities.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "relay/clock.h"

namespace relay {
namespace {

// The kernel knows capabilities of threads alone, so each has to give up its own: it is asked to by
// a signal (as glibc does for setuid).
const int kSignal = SIGRTMAX - 1;
std::atomic<uint64_t> wanted{0};
std::atomic<int> obeyed{0};

using Sets = __user_cap_data_struct[_LINUX_CAPABILITY_U32S_3];

// Those of the calling thread.
int Transfer(long call, Sets& sets) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return syscall(call, &header, sets) == 0 ? 0 : errno;
}

// Nothing but system calls: it runs in a signal handler too.
int Reduce(CapabilitySet kept) {
  // No set-user-ID program gives anything back.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  Sets sets = {};
  if (const int error = Transfer(SYS_capget, sets); error != 0) return error;
  for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i) {
    const auto mask = static_cast<uint32_t>(kept >> 32 * i);
    sets[i].permitted &= mask;
    sets[i].effective &= mask;
    sets[i].inheritable = 0;  // and with it what a program that is started would have
  }
  return Transfer(SYS_capset, sets);
}

void Obey(int) {
  const int before = errno;
  Reduce(wanted.load(std::memory_order_acquire));
  errno = before;
  obeyed.fetch_add(1, std::memory_order_release);
}

std::set<pid_t> Threads() {
  std::set<pid_t> threads;
  DIR* folder = opendir("/proc/self/task");
  if (folder == nullptr) return threads;
  while (const dirent* entry = readdir(folder)) {
    const auto thread = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (thread > 0) threads.insert(thread);
  }
  closedir(folder);
  return threads;
}

// Threads of the kernel's own, which act with the rights of whoever gave them work.
bool IsKernels(pid_t thread) {
  std::string name;
  std::getline(std::ifstream(absl::StrCat("/proc/self/task/", thread, "/comm")), name);
  return absl::StartsWith(name, "iou-");
}

}  // namespace

bool HasCapability(int capability) {
  Sets sets = {};
  return Transfer(SYS_capget, sets) == 0 &&
         (sets[capability / 32].effective >> capability % 32 & 1) != 0;
}

absl::Status KeepCapabilities(CapabilitySet kept) {
  const int error = Reduce(kept);
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, "giving up capabilities");
}

absl::Status KeepCapabilitiesEverywhere(CapabilitySet kept) {
  if (absl::Status own = KeepCapabilities(kept); !own.ok()) return own;
  // It stays: who takes the signal late must not die of it.
  struct sigaction action = {};
  action.sa_handler = Obey;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  if (sigaction(kSignal, &action, nullptr) != 0) return absl::ErrnoToStatus(errno, "sigaction");
  wanted.store(kept, std::memory_order_release);
  absl::Status status;
  std::set<pid_t> told = {gettid()};
  // Again until nobody is new: a thread that was not told may have started another one.
  for (bool again = true; again;) {
    again = false;
    for (const pid_t thread : Threads()) {
      if (!told.insert(thread).second || IsKernels(thread)) continue;
      again = true;
      const int count = obeyed.load(std::memory_order_acquire);
      if (syscall(SYS_tgkill, getpid(), thread, kSignal) != 0) continue;  // it has ended
      const TimeNs deadline = MonotonicNow() + kSecond;
      while (obeyed.load(std::memory_order_acquire) == count && MonotonicNow() < deadline) {
        if (syscall(SYS_tgkill, getpid(), thread, 0) != 0) break;
        sched_yield();
      }
      // The others are told all the same.
      if (MonotonicNow() >= deadline) {
        status = absl::DeadlineExceededError(
            absl::StrCat("thread ", thread, " keeps its capabilities: it takes no signal"));
      }
    }
  }
  return status;
}

}  // namespace relay
