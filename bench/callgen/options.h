// What the person who measures may choose.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/callgen/caller.h"
#include "bench/command_line.h"

namespace bench::callgen {

struct Options {
  CallerOptions caller;
  std::vector<sipctl::sip::SocketAddress> callees;
  double seconds = 10;  // of placing calls
  uint64_t calls = 0;   // instead; 0 = what `seconds` and the rate make
  int cpu = -1;
  std::string json;  // file; "-" = standard output
};

// Sets `options`, which must outlive it.
Usage UsageOf(Options* options);

}  // namespace bench::callgen
