#include "sipctl/sip/arrival.h"

namespace sipctl::sip {
namespace {

// NTP makes both clocks faster or slower alike. What else parts them is that this thread was put
// aside between the two looks, at this batch or at the one before.
constexpr int64_t kSetNs = 10'000'000;

int64_t ReadClock(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return ToNs(now);
}

}  // namespace

ArrivalClock::Now ArrivalClock::Read() {
  return {.wall_ns = ReadClock(CLOCK_REALTIME), .monotonic_ns = ReadClock(CLOCK_MONOTONIC)};
}

void ArrivalClock::Begin(const Now& now) {
  const int64_t moved = (now.wall_ns - now_.wall_ns) - (now.monotonic_ns - now_.monotonic_ns);
  const bool first = now_.monotonic_ns == 0;
  if (!first && (moved > kSetNs || moved < -kSetNs)) certain_from_ns_ = now.wall_ns;
  now_ = now;
}

TimeMs ArrivalClock::AgeOf(int64_t stamped_ns) const {
  if (stamped_ns < certain_from_ns_ || stamped_ns > now_.wall_ns) return 0;
  return (now_.wall_ns - stamped_ns) / static_cast<int64_t>(kNsPerMs);
}

}  // namespace sipctl::sip
