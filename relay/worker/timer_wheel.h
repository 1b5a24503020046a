// One timer for each leg, without memory of its own: the wheel's lists run through the legs.
//
//    slots_[tick % kSlots] -> leg -> leg -> ...      a tick is 2^22 ns = 4.2 ms, a turn 4.3 s
//
// A deadline beyond one turn waits in its slot for its turn. Adding and removing cost the same
// whatever the number of legs; a call of Advance does a bounded amount of work and goes on where it
// left off.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "relay/clock.h"
#include "relay/session/leg.h"

namespace relay::worker {

class TimerWheel {
 public:
  explicit TimerWheel(std::span<session::Leg> legs);

  // Sets the leg's timer, in place of an earlier one. A deadline in the past fires next.
  void Set(uint32_t leg, TimeNs deadline_ns);
  void Cancel(uint32_t leg);

  // Takes due legs out and calls `fire(leg)` for each, at most `fires_max` of them; `fire` may set
  // that leg's timer again. Returns how many fired.
  template <typename Fire>
  size_t Advance(TimeNs now, size_t fires_max, Fire&& fire) {
    const uint64_t tick_now = Tick(now);
    if (tick_ == 0) tick_ = tick_now > kSlots ? tick_now - kSlots : 0;
    size_t fired = 0;
    while (true) {
      uint32_t leg = slots_[tick_ % kSlots];
      while (leg != session::kNoLeg) {
        const uint32_t next = legs_[leg].timing.next;
        if (next != session::kNoLeg) Prefetch(legs_[next]);
        if (legs_[leg].timing.deadline_ns <= now) {
          if (fired == fires_max) return fired;
          Cancel(leg);
          ++fired;
          fire(leg);
        }
        leg = next;
      }
      if (tick_ >= tick_now) return fired;
      ++tick_;
    }
  }

 private:
  static constexpr size_t kSlots = 1024;
  static constexpr int kTickShift = 22;

  static uint64_t Tick(TimeNs time) { return time >> kTickShift; }
  // Of a list's next leg: its own links, and what a timer that has nothing to do looks at.
  static void Prefetch(const session::Leg& leg) {
    __builtin_prefetch(&leg.timing);
    __builtin_prefetch(&leg.gate);
    __builtin_prefetch(&leg.rtcp);
  }

  std::span<session::Leg> legs_;
  uint64_t tick_ = 0;  // the slot that was looked at last; it may hold more that is due
  std::array<uint32_t, kSlots> slots_;
};

}  // namespace relay::worker
