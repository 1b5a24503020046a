// What the person who measures may choose.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/callgen/caller.h"

namespace bench::callgen {

struct Options {
  CallerOptions caller;
  std::vector<sipctl::sip::SocketAddress> callees;
  double seconds = 10;  // of placing calls, without `calls`
  int cpu = -1;
  std::string json;  // file; "-" = standard output
  bool help = false;
};

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments);
std::string HelpText();

}  // namespace bench::callgen
