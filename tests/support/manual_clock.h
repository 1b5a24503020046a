// Time in a test stands still until the test moves it.
#pragma once

#include "relay/clock.h"

namespace tests::support {

class ManualClock {
 public:
  explicit ManualClock(relay::TimeNs start = 1000 * relay::kSecond) : now_(start) {}

  relay::TimeNs now() const { return now_; }
  relay::TimeNs Advance(relay::TimeNs span) { return now_ += span; }

 private:
  relay::TimeNs now_;
};

}  // namespace tests::support
