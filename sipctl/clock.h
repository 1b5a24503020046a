// Time in the signalling process: milliseconds of the monotonic clock. Read once a turn of the loop
// and handed down; no one below asks for it, so that tests run on a clock of their own.
#pragma once

#include <cstdint>

namespace sipctl {

using TimeMs = int64_t;

inline constexpr TimeMs kSecondMs = 1000;
// Spans in the configuration are nanoseconds, as the relay counts them.
inline constexpr uint64_t kNsPerMs = 1'000'000;
inline constexpr uint64_t kNsPerS = 1'000'000'000;

}  // namespace sipctl
