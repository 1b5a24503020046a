// What a port has to do beside packets, on the conductor's thread: next hops to follow, programs to
// attach again, links to watch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "relay/abi/counters.h"
#include "relay/clock.h"

namespace relay::port {

// What a count of the kernel or a driver has grown by; one that somebody set back begins anew.
constexpr uint64_t Growth(uint64_t before, uint64_t now) {
  return now < before ? now : now - before;
}

class Upkeep {
 public:
  virtual ~Upkeep() = default;

  // Readable (epoll) when a turn would find something to do; -1 = only time brings work.
  virtual int descriptor() const = 0;
  // Without waiting. At least every 100 ms, and at once when the descriptor is readable. `counters`
  // are the conductor's own: what the kernel or a NIC counted is added there.
  virtual void Turn(TimeNs now, abi::CounterBlock& counters) = 0;
  // Since the last call: what people should read, one sentence each.
  virtual std::vector<std::string> TakeNews() { return {}; }
};

}  // namespace relay::port
