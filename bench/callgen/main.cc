// callgen: plays the carrier that calls and the PBX that is called, and tells how each call went.
#include <sys/resource.h>

#include <csignal>
#include <iostream>
#include <memory>

#include "bench/callgen/callee.h"
#include "bench/callgen/caller.h"
#include "bench/callgen/options.h"
#include "bench/callgen/report.h"
#include "sipctl/loop.h"

namespace bench::callgen {
namespace {

constexpr sipctl::TimeMs kReadyMs = 15 * sipctl::kSecondMs;

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

absl::Status Run(const Options& options) {
  if (absl::Status status = PinTo(options.cpu); !status.ok()) return status;
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
  if (options.json.empty()) return absl::OkStatus();
  return WriteResult(options.json, ReportJson(report));
}

}  // namespace
}  // namespace bench::callgen

int main(int argc, char** argv) {
  bench::callgen::Options options;
  return bench::RunProgram(bench::callgen::UsageOf(&options), argc, argv,
                           [&options] { return bench::callgen::Run(options); });
}
