#include "relay/port/dpdk_eal.h"

#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace relay::port {
namespace {

// DPDK tells why something failed in its log only, from any of its threads.
class Complaints {
 public:
  void Add(const char* text, size_t length) {
    const std::lock_guard lock(mutex_);
    text_.append(text, length);
    if (text_.size() > kKept) text_.erase(0, text_.size() - kKept);
  }
  void Forget() {
    const std::lock_guard lock(mutex_);
    text_.clear();
  }
  // The first line: what follows it is mostly the same failure told by the callers above.
  std::string First() {
    const std::lock_guard lock(mutex_);
    for (absl::string_view line : absl::StrSplit(text_, '\n')) {
      line = absl::StripAsciiWhitespace(line);
      if (!line.empty() && !absl::StartsWith(line, "EAL: Detected") &&
          // A warning of memif, which needs no second process.
          !absl::StrContains(line, "register mp action callback")) {
        return std::string(line);
      }
    }
    return {};
  }

 private:
  static constexpr size_t kKept = 4096;
  std::mutex mutex_;
  std::string text_;
};

// Never destroyed: DPDK's threads may write until the process is gone.
Complaints& TheComplaints() {
  static Complaints* complaints = new Complaints;
  return *complaints;
}

ssize_t WriteComplaint(void* also_stderr, const char* text, size_t length) {
  TheComplaints().Add(text, length);
  if (also_stderr != nullptr) fwrite(text, 1, length, stderr);
  return static_cast<ssize_t>(length);
}

bool Names(const std::vector<std::string>& words, std::initializer_list<const char*> options) {
  return std::ranges::any_of(words, [&](const std::string& word) {
    return std::ranges::any_of(options, [&](const char* option) {
      const std::string_view name(option);
      return word == option || absl::StartsWith(word, absl::StrCat(option, "=")) ||
             (name.size() == 2 && word.substr(0, 2) == name);
    });
  });
}

// Free ones of all sizes, in bytes; those the kernel may still add on demand count.
uint64_t FreeHugepageBytes() {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& folder :
       std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    uint64_t size_kb = 0;
    absl::string_view name_left;
    const std::string name = folder.path().filename().string();
    name_left = name;
    if (!absl::ConsumePrefix(&name_left, "hugepages-") || !absl::ConsumeSuffix(&name_left, "kB") ||
        !absl::SimpleAtoi(name_left, &size_kb)) {
      continue;
    }
    for (const char* file : {"free_hugepages", "nr_overcommit_hugepages"}) {
      uint64_t pages = 0;
      std::ifstream(folder.path() / file) >> pages;
      bytes += pages * size_kb * 1024;
    }
  }
  return bytes;
}

int FirstAllowedCpu() {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<size_t>(cpu), &cpus)) return cpu;
  }
  return 0;
}

absl::Status WhyNot(const std::vector<std::string>& arguments, int error) {
  const std::string complaint = LastComplaint();
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(absl::StrCat(
        "DPDK may not start: it needs root, or access to /dev/hugepages and /dev/vfio; for a "
        "virtual device --eal \"--no-huge --no-shconf\" needs neither",
        complaint));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("DPDK does not start with \"", absl::StrJoin(arguments, " "),
                   "\": ", rte_strerror(error), "; look at --eal", complaint));
}

}  // namespace

std::vector<std::string> EalArguments(std::string_view typed, std::span<const std::string> devices,
                                      uint64_t memory_bytes) {
  std::vector<std::string> words = {"relay"};
  for (const absl::string_view word :
       absl::StrSplit(absl::string_view(typed.data(), typed.size()), ' ', absl::SkipEmpty())) {
    words.emplace_back(word);
  }
  // The relay has threads of its own; EAL's only one is the conductor.
  if (!Names(words, {"-l", "-c", "--lcores", "-S", "-s"})) {
    words.push_back(absl::StrCat("-l", FirstAllowedCpu()));
  }
  const bool no_huge = Names(words, {"--no-huge"});
  if (!no_huge && !Names(words, {"--in-memory", "--huge-dir", "--file-prefix"})) {
    words.emplace_back("--in-memory");
  }
  if (no_huge && !Names(words, {"--no-shconf"})) words.emplace_back("--no-shconf");
  if (no_huge && !Names(words, {"-m"})) {
    words.push_back(absl::StrCat("-m", (memory_bytes >> 20) + 64));
  }
  if (!Names(words, {"--telemetry", "--no-telemetry"})) words.emplace_back("--no-telemetry");
  // Only what was asked for: a probe takes every NIC that is bound to VFIO.
  bool pci = Names(words, {"-a", "--allow", "-b", "--block"});
  for (const std::string& device : devices) {
    if (std::count(device.begin(), device.begin() + std::min<ptrdiff_t>(12, std::ssize(device)),
                   ':') == 0 ||
        std::isxdigit(static_cast<unsigned char>(device[0])) == 0) {
      continue;
    }
    words.insert(words.end(), {"-a", device});
    pci = true;
  }
  if (!pci && !Names(words, {"--no-pci"})) words.emplace_back("--no-pci");
  return words;
}

absl::Status StartEal(const std::vector<std::string>& arguments) {
  static std::optional<std::vector<std::string>> started;
  if (started) {
    if (*started == arguments) return absl::OkStatus();
    return absl::FailedPreconditionError("DPDK has been started with other words");
  }
  if (!Names(arguments, {"--no-huge"}) && FreeHugepageBytes() == 0) {
    return absl::FailedPreconditionError(
        "no hugepage is free: reserve some (echo 512 > /proc/sys/vm/nr_hugepages), or start with "
        "--eal \"--no-huge --no-shconf\", which virtual devices can do without");
  }
  const cookie_io_functions_t functions{
      .read = nullptr, .write = WriteComplaint, .seek = nullptr, .close = nullptr};
  // Whoever sets log levels wants to see the log.
  void* also_stderr = Names(arguments, {"--log-level"}) ? stderr : nullptr;
  FILE* log = fopencookie(also_stderr, "w", functions);
  if (log != nullptr) {
    setvbuf(log, nullptr, _IOLBF, 0);
    rte_openlog_stream(log);
  }
  // EAL pins the thread that starts it. The conductor is no worker: it goes on where it was.
  cpu_set_t cpus;
  const bool known = pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus) == 0;
  std::vector<std::string> words = arguments;
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  const int result = rte_eal_init(static_cast<int>(pointers.size()), pointers.data());
  const int error = rte_errno;
  if (known) pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
  if (result < 0) return WhyNot(arguments, error);
  started = arguments;
  return absl::OkStatus();
}

std::string LastComplaint() {
  const std::string line = TheComplaints().First();
  return line.empty() ? "" : absl::StrCat(" (DPDK: ", line, ")");
}

void ForgetComplaints() {
  TheComplaints().Forget();
}

}  // namespace relay::port
