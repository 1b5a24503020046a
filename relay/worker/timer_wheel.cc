#include "relay/worker/timer_wheel.h"

#include <algorithm>

namespace relay::worker {

TimerWheel::TimerWheel(std::span<session::Leg> legs) : legs_(legs) {
  slots_.fill(session::kNoLeg);
}

void TimerWheel::Set(uint32_t leg, TimeNs deadline_ns) {
  Cancel(leg);
  session::TimingLine& timing = legs_[leg].timing;
  timing.deadline_ns = deadline_ns;
  // Never behind the slot that is looked at next, or it would wait for a whole turn.
  timing.slot = static_cast<uint16_t>(std::max(Tick(deadline_ns), tick_) % kSlots);
  uint32_t& head = slots_[timing.slot];
  timing.next = head;
  timing.previous = session::kNoLeg;
  timing.in_wheel = 1;
  if (head != session::kNoLeg) legs_[head].timing.previous = leg;
  head = leg;
}

void TimerWheel::Cancel(uint32_t leg) {
  session::TimingLine& timing = legs_[leg].timing;
  if (!timing.in_wheel) return;
  timing.in_wheel = 0;
  if (timing.next != session::kNoLeg) legs_[timing.next].timing.previous = timing.previous;
  if (timing.previous != session::kNoLeg) {
    legs_[timing.previous].timing.next = timing.next;
    return;
  }
  slots_[timing.slot] = timing.next;
}

}  // namespace relay::worker
