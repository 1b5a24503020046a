// The only place that asks what time it is. Everybody else is handed the time.
#pragma once

#include <time.h>

#include <cstdint>

namespace relay {

// Nanoseconds of CLOCK_MONOTONIC.
using TimeNs = uint64_t;

inline constexpr TimeNs kMillisecond = 1'000'000;
inline constexpr TimeNs kSecond = 1'000'000'000;

inline TimeNs MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<TimeNs>(now.tv_sec) * kSecond + static_cast<TimeNs>(now.tv_nsec);
}

}  // namespace relay
