// How old a datagram is when it is read: the kernel stamps each one as it comes (SO_TIMESTAMPNS).
//
// Its stamps are of the wall clock, which may be set at any moment. The monotonic clock read beside
// it shows when that has happened: what was stamped before is of unknown age then, which counts as
// none.
#pragma once

#include <cstdint>
#include <ctime>
#include <limits>

#include "sipctl/clock.h"

namespace sipctl::sip {

constexpr int64_t ToNs(const timespec& time) {
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

class ArrivalClock {
 public:
  struct Now {
    int64_t wall_ns = 0;
    int64_t monotonic_ns = 0;
  };
  static Now Read();

  // Before the ages of a batch are asked for: when it was read.
  void Begin(const Now& now);
  TimeMs AgeOf(int64_t stamped_ns) const;
  TimeMs AgeOf(const timespec& stamped) const { return AgeOf(ToNs(stamped)); }

 private:
  Now now_;
  // Older stamps may be of the clock as it was before it was set.
  int64_t certain_from_ns_ = std::numeric_limits<int64_t>::min();
};

}  // namespace sipctl::sip
