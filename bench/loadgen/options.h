// What the person who measures may choose.
#pragma once

#include <cstdint>
#include <string>

#include "bench/command_line.h"
#include "bench/loadgen/pump.h"

namespace bench::loadgen {

struct Options {
  PumpOptions pump;
  std::string relay;  // socket of a relay to program; or
  std::string list;   // file of calls that exist already
  uint64_t calls = 10;
  double seconds = 10;
  double warm_seconds = 1;   // not counted: caches, ARP, the first sleep of the relay
  uint64_t search_from = 0;  // packets/s; 0 = measure `calls` once
  uint64_t search_to = 400'000;
  double p99_ms_max = 10;
  int cpu = -1;
  bool rtcp_mux = true;
  std::string json;  // file; "-" = standard output
};

// Sets `options`, which must outlive it.
Usage UsageOf(Options* options);

}  // namespace bench::loadgen
