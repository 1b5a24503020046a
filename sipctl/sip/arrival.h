// How old a datagram is when it is read: the kernel stamps each one as it comes (SO_TIMESTAMPNS).
//
// Its stamps are of the wall clock, which may be set at any moment. The monotonic clock read beside
// it shows when that has happened: what was stamped before is of unknown age then, which counts as
// none.
#pragma once

#include <cstdint>
#include <limits>

#include "sipctl/clock.h"

namespace sipctl::sip {

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

 private:
  Now now_;
  // Older stamps may be of the clock as it was before it was set.
  int64_t certain_from_ns_ = std::numeric_limits<int64_t>::min();
};

}  // namespace sipctl::sip
