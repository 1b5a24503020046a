// Time for latencies: finer than the loop's.
#pragma once

#include <cstdint>
#include <ctime>

namespace bench::callgen {

inline uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace bench::callgen
