// Time for latencies, finer than the loop's, and the timers of retransmission.
#pragma once

#include <cstdint>
#include <ctime>

#include "sipctl/clock.h"

namespace bench::callgen {

// RFC 3261 section 17.1.1.1.
inline constexpr sipctl::TimeMs kT1 = 500, kT2 = 4000;

inline uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace bench::callgen
