#include "relay/worker/timekeeper.h"

#include <algorithm>
#include <array>

#include "relay/stage/report.h"
#include "relay/worker/statistics.h"

namespace relay::worker {
namespace {

using session::Leg;

// Legs looked at in one cycle, about 0.3 us each: a burst never waits long behind them, and a
// million cycles a second leave room for every leg.
constexpr size_t kTendMax = 16;
constexpr TimeNs kStatisticsInterval = 1 * kSecond;
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

size_t Timekeeper::Advance(TimeNs now) {
  return state_.wheel.Advance(now, kTendMax, [&](uint32_t slot) { Tend(slot, now); });
}

void Timekeeper::Tend(uint32_t slot, TimeNs now) {
  Leg& leg = state_.legs[slot];
  if (SilenceDue(leg) <= now) WatchSilence(slot, leg, now);
  if (leg.rtcp.next_ns <= now) Report(slot, leg, now);
  if (leg.timing.statistics_ns <= now) {
    Publish(Summarise(leg, now), &state_.config.statistics[leg.path.statistics]);
    // Kept on its own grid, so that the spread over the second stays; a late cycle skips beats.
    const uint64_t beats = (now - leg.timing.statistics_ns) / kStatisticsInterval + 1;
    leg.timing.statistics_ns += beats * kStatisticsInterval;
  }
  state_.wheel.Set(slot, std::min({SilenceDue(leg), leg.rtcp.next_ns, leg.timing.statistics_ns}));
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
