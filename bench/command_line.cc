#include "bench/command_line.h"

#include <cerrno>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "relay/text.h"

namespace bench {

absl::Status Parse(const Usage& usage, std::span<const char* const> arguments, std::string* help) {
  bool helps = false;
  std::vector<relay::OptionRow> rows = usage.rows;
  rows.push_back(
      {"--help", "", "", "Prints this list and ends.", false, relay::SwitchInto(&helps)});
  const relay::CommandLine line(usage.program, usage.summary, std::move(rows));
  if (absl::Status status = line.Parse(arguments); !status.ok()) return status;
  if (helps) {
    *help = line.Help();
    return absl::OkStatus();
  }
  const absl::Status checked = usage.check();
  if (checked.ok()) return checked;
  return {checked.code(), absl::StrCat(usage.program, ": ", checked.message())};
}

int RunProgram(const Usage& usage, int argc, char** argv,
               const std::function<absl::Status()>& run) {
  std::string help;
  const absl::Status parsed = Parse(usage, {argv + 1, argv + argc}, &help);
  if (!parsed.ok()) {
    std::cerr << parsed.message() << '\n';
    return 2;
  }
  if (!help.empty()) {
    std::cout << help;
    return 0;
  }
  if (const absl::Status status = run(); !status.ok()) {
    std::cerr << usage.program << ": " << status.message() << '\n';
    return 1;
  }
  return 0;
}

std::function<absl::Status(std::string_view)> RealInto(double* target, double low, double high) {
  return [target, low, high](std::string_view text) {
    double number = 0;  // may be NaN, which is in no range
    if (!absl::SimpleAtod(relay::View(text), &number) || !(number >= low && number <= high)) {
      return absl::InvalidArgumentError(absl::StrCat("is not a number from ", low, " to ", high));
    }
    *target = number;
    return absl::OkStatus();
  };
}

absl::Status PinTo(int cpu) {
  if (cpu < 0) return absl::OkStatus();
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("pinning to CPU ", cpu));
}

absl::Status WriteResult(const std::string& path, std::string_view text) {
  errno = 0;
  std::ofstream file;
  if (path != "-") file.open(path);
  std::ostream& out = path == "-" ? std::cout : file;
  // What is only in the stream's buffer is not written: a full disk shows here.
  if (out << text << std::flush) return absl::OkStatus();
  return absl::ErrnoToStatus(errno != 0 ? errno : EIO, absl::StrCat(path, ": not written"));
}

}  // namespace bench
