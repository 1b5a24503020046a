// What happens to a leg without a packet.
//
// Its statistics are published once a second by a sweep: a hand that goes round the array of legs
// once a second, at an even pace. Legs that are neighbours in time are neighbours in memory, which
// costs a tenth of a timer each; and the work is spread over the second by itself.
//
// The media timeout and the leg's own RTCP have a timer: one a leg, set to whatever is due first.
#pragma once

#include <cstdint>

#include "relay/clock.h"
#include "relay/worker/pipeline.h"
#include "relay/worker/state.h"

namespace relay::worker {

// Sets the leg's timer to what is due first, after anything that moves it nearer.
void Arm(TimerWheel& wheel, uint32_t slot, const session::Leg& leg);

class Timekeeper {
 public:
  Timekeeper(State& state, Pipeline& pipeline) : state_(state), pipeline_(pipeline) {}

  // Does what is due, for a bounded number of legs. Returns how many it did something for.
  size_t Advance(TimeNs now);

 private:
  size_t Sweep(TimeNs now);
  void Tend(uint32_t slot, TimeNs now);
  void WatchSilence(uint32_t slot, session::Leg& leg, TimeNs now);
  void Report(uint32_t slot, session::Leg& leg, TimeNs now);

  State& state_;
  Pipeline& pipeline_;
  TimeNs swept_until_ns_ = 0;  // the hand's time, at most `now`
  size_t hand_ = 0;            // the slot that is next
};

}  // namespace relay::worker
