// callgen: plays the carrier that calls and the PBX that is called, and tells how each call went.
#include <sched.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/callgen/callee.h"
#include "bench/callgen/caller.h"
#include "bench/callgen/options.h"
#include "bench/callgen/report.h"
#include "sipctl/loop.h"

namespace bench::callgen {
namespace {

constexpr sipctl::TimeMs kReadyMs = 15 * sipctl::kSecondMs;

absl::Status PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("pinning to CPU ", cpu));
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

absl::Status Write(const std::string& path, const std::string& text) {
  if (path == "-") {
    std::cout << text;
    return absl::OkStatus();
  }
  std::ofstream file(path);
  file << text;
  return file.good() ? absl::OkStatus() : absl::UnknownError(absl::StrCat(path, ": not written"));
}

absl::Status Run(const Options& options) {
  if (options.cpu >= 0) {
    if (absl::Status status = PinTo(options.cpu); !status.ok()) return status;
  }
  std::signal(SIGPIPE, SIG_IGN);
  auto loop = sipctl::Loop::Create();
  if (!loop.ok()) return loop.status();
  auto callee = Callee::Make(loop->get(), options.caller.wire, options.callees);
  if (!callee.ok()) return callee.status();
  auto caller = Caller::Make(loop->get(), options.caller);
  if (!caller.ok()) return caller.status();
  const sipctl::TimeMs ready_until = (*loop)->now() + kReadyMs;
  while (!(*caller)->IsReady() && (*loop)->now() < ready_until) (*loop)->Turn(10);
  if (!(*caller)->IsReady()) return absl::UnavailableError("not all connections came about");
  const double cpu_before = CpuSeconds();
  (*caller)->Begin();
  while (!(*caller)->done()) (*loop)->Turn(100);
  Report report = (*caller)->report();
  report.cpu_seconds = CpuSeconds() - cpu_before;
  (*callee)->Tell(&report);
  if (options.json != "-") std::cout << ReportText(report);
  return options.json.empty() ? absl::OkStatus() : Write(options.json, ReportJson(report));
}

}  // namespace
}  // namespace bench::callgen

int main(int argc, char** argv) {
  const auto options = bench::callgen::ParseOptions({argv + 1, argv + argc});
  if (!options.ok()) {
    std::cerr << "callgen: " << options.status().message() << '\n';
    return 2;
  }
  if (options->help) {
    std::cout << bench::callgen::HelpText();
    return 0;
  }
  if (absl::Status status = bench::callgen::Run(*options); !status.ok()) {
    std::cerr << "callgen: " << status.message() << '\n';
    return 1;
  }
  return 0;
}
