// What the instruments have in common as programs: how they are told what to do, and where their
// result goes.
#pragma once

#include <sched.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "relay/command_line.h"

namespace bench {

struct Usage {
  std::string program;
  std::string summary;
  // Each sets its field. --help comes by itself.
  std::vector<relay::OptionRow> rows;
  // Once all are set: what no option can tell alone. Its error goes without the program's name.
  std::function<absl::Status()> check;
};

// `help`: what is to be printed instead of running; empty unless --help is given.
absl::Status Parse(const Usage& usage, std::span<const char* const> arguments, std::string* help);

// All of a main(). The exit status is 2 for a command line that cannot be, 1 for a run that failed.
int RunProgram(const Usage& usage, int argc, char** argv, const std::function<absl::Status()>& run);

// A setter like those of relay/command_line.h.
std::function<absl::Status(std::string_view)> RealInto(double* target, double low, double high);

inline constexpr double kDayS = 86'400;  // the longest that one is asked to run
inline constexpr int kCpuMax = CPU_SETSIZE - 1;

// This thread and those it starts; a CPU below 0 is any.
absl::Status PinTo(int cpu);

// Path "-" is standard output.
absl::Status WriteResult(const std::string& path, std::string_view text);

}  // namespace bench
