#include "relay/worker/timekeeper.h"

#include <algorithm>
#include <array>

#include "relay/stage/report.h"
#include "relay/worker/statistics.h"

namespace relay::worker {
namespace {

using session::Leg;

// Legs looked at in one cycle: a burst never waits long behind them, and a hundred thousand cycles
// a second leave room for every leg.
constexpr size_t kTendMax = 16;
constexpr size_t kSweepMax = 32;
// Free slots are passed over for less, and a worker that slept for 4 ms passes over many: with the
// largest table 2,100 at once.
constexpr size_t kSweepSlotsMax = 4096;
// The hand goes round once in this time.
constexpr TimeNs kSweepInterval = 1 * kSecond;
constexpr TimeNs kNever = ~TimeNs{0};

// When the present silence becomes a timeout.
TimeNs SilenceDue(const Leg& leg) {
  const bool expected = (leg.gate.flags & session::kGateReceives) != 0;
  const bool reported = (leg.gate.flags & session::kGateSilent) != 0;
  if (!expected || reported || leg.timing.media_timeout_ns == 0) return kNever;
  return std::max(leg.reception.last_arrival_ns, leg.timing.silence_from_ns) +
         leg.timing.media_timeout_ns;
}

}  // namespace

void Arm(TimerWheel& wheel, uint32_t slot, const Leg& leg) {
  const TimeNs play = leg.play.next_ns == 0 ? kNever : leg.play.next_ns;
  wheel.Set(slot, std::min({SilenceDue(leg), leg.rtcp.next_ns, play}));
}

size_t Timekeeper::Advance(TimeNs now) {
  return Sweep(now) + state_.wheel.Advance(now, kTendMax, [&](uint32_t slot) { Tend(slot, now); });
}

size_t Timekeeper::Sweep(TimeNs now) {
  const size_t legs = state_.legs.size();
  if (legs == 0) return 0;
  // A hand that is late by more than a round (or that starts) does not hurry after lost rounds.
  if (now - swept_until_ns_ > kSweepInterval) swept_until_ns_ = now - kSweepInterval;
  const TimeNs step = kSweepInterval / legs;
  size_t published = 0;
  for (size_t i = 0; i < kSweepSlotsMax && published < kSweepMax && now - swept_until_ns_ >= step;
       ++i) {
    swept_until_ns_ += step;
    Leg& leg = state_.legs[hand_];
    hand_ = hand_ + 1 == legs ? 0 : hand_ + 1;
    if (!leg.gate.open) continue;
    Publish(Summarise(leg, now), &state_.config.statistics[leg.path.statistics]);
    ++published;
  }
  return published;
}

void Timekeeper::Tend(uint32_t slot, TimeNs now) {
  Leg& leg = state_.legs[slot];
  if (SilenceDue(leg) <= now) WatchSilence(slot, leg, now);
  if (leg.rtcp.next_ns <= now) Report(slot, leg, now);
  if (leg.play.next_ns != 0 && leg.play.next_ns <= now) pipeline_.OutboundEvent(leg, now);
  Arm(state_.wheel, slot, leg);
}

void Timekeeper::WatchSilence(uint32_t slot, Leg& leg, TimeNs now) {
  leg.gate.flags |= session::kGateSilent;
  leg.timing.silent_ns = now - std::max(leg.reception.last_arrival_ns, leg.timing.silence_from_ns);
  state_.counters->Add(abi::Counter::kMediaTimeouts);
  state_.outbox.Note(slot, session::kReportTimeout);
}

// Where RTCP passes between two far parties, they report to each other; the timer only runs on.
void Timekeeper::Report(uint32_t slot, Leg& leg, TimeNs now) {
  leg.rtcp.next_ns = now + stage::NextReportAfter(state_.Random());
  const uint32_t other = leg.gate.listeners[0];
  const bool passes = other != session::kNoLeg && pipeline_.IsPlainPair(slot, other) &&
                      stage::IdentityPasses(leg, state_.legs[other]);
  if (passes) return;
  std::array<uint8_t, stage::kRtcpLengthMax> report;
  const size_t length = stage::MakeReport(leg, now, state_.config.wall_offset_ns, report);
  if (length == 0) return;
  if (pipeline_.OutboundRtcp(leg, {report.data(), length}, now) == stage::Verdict::kForwarded) {
    state_.counters->Add(abi::Counter::kRtcpMade);
  }
}

}  // namespace relay::worker
