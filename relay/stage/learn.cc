#include "relay/stage/learn.h"

#include "relay/session/leg_setup.h"

namespace relay::stage {
namespace {

using session::LearnState;
using session::Leg;

// The leg's packets come from `source` and, if it was learned, go back there.
void Trust(Leg& leg, const abi::Endpoint& source, LearnState state) {
  leg.gate.source = source;
  leg.gate.learn = state;
  leg.out.SetRemote(source);
  leg.learning.candidate_count = 0;
}

// Counts packets in a row; true with the one that makes it steady.
bool Watch(Leg& leg, const abi::Endpoint& source, const wire::Rtp& rtp) {
  session::LearningLine& line = leg.learning;
  const bool next = line.candidate_count > 0 && SameSource(line.candidate, source) &&
                    line.candidate_ssrc == rtp.ssrc &&
                    line.candidate_payload_type == rtp.payload_type &&
                    static_cast<uint16_t>(line.candidate_sequence + 1) == rtp.sequence;
  line.candidate = source;
  line.candidate_ssrc = rtp.ssrc;
  line.candidate_payload_type = rtp.payload_type;
  line.candidate_sequence = rtp.sequence;
  line.candidate_count = next ? static_cast<uint8_t>(line.candidate_count + 1) : 1;
  return line.candidate_count >= kSteadyPackets;
}

Belief BelieveLatch(Leg& leg, const abi::Endpoint& source, const wire::Rtp& rtp, TimeNs now) {
  if (!InNetworks(leg, source)) return {Verdict::kWrongNetwork, false};
  if (SameSource(source, leg.learning.signalled)) {
    Trust(leg, source, LearnState::kLocked);
    return {Verdict::kForwarded, true};
  }
  // Whoever sends while nobody is to be heard here (a call that rings) is not the far party yet.
  if (!(leg.gate.flags & session::kGateReceives)) return {Verdict::kNotReceiving, false};
  if (leg.gate.learn != LearnState::kWatching) return {Verdict::kWrongSource, false};
  if (now >= leg.learning.window_end_ns) {
    return {Verdict::kWrongSource, false};  // from here on the signalled address alone
  }
  // What is authentic needs no watching: the first packet teaches.
  const bool authentic = (leg.gate.flags & session::kGateSrtp) != 0;
  if (!authentic && !Watch(leg, source, rtp)) return {Verdict::kLearning, false};
  Trust(leg, source, LearnState::kLatched);
  return {Verdict::kForwarded, true};
}

}  // namespace

bool InNetworks(const Leg& leg, const abi::Endpoint& source) {
  return leg.path.networks == nullptr || leg.path.networks->Contains(source.address);
}

Belief BelieveStranger(Leg& leg, const abi::Endpoint& source, const wire::Rtp& rtp, TimeNs now) {
  switch (leg.path.learning) {
    case abi::Learning::kOff:
      if (!InNetworks(leg, source)) return {Verdict::kWrongNetwork, false};
      leg.gate.source = source;
      return {Verdict::kForwarded, false};
    case abi::Learning::kSignalled:
      if (!SameSource(source, leg.learning.signalled)) return {Verdict::kWrongSource, false};
      if (!InNetworks(leg, source)) return {Verdict::kWrongNetwork, false};
      leg.gate.source = source;
      return {Verdict::kForwarded, false};
    case abi::Learning::kLatch:
      return BelieveLatch(leg, source, rtp, now);
  }
  return {Verdict::kWrongSource, false};
}

void StartLearning(Leg& leg, const abi::LegPlan& plan, bool first, TimeNs now) {
  const bool latch = plan.learning == abi::Learning::kLatch;
  const bool heard = leg.gate.source.port != 0;
  const bool begins = (plan.direction & abi::kLegReceives) != 0 &&
                      !(leg.gate.flags & session::kGateReceives) && !heard;
  const bool changed = first || begins || plan.learning != leg.path.learning ||
                       plan.relearn == abi::Relearn::kAnew ||
                       (plan.relearn == abi::Relearn::kUnlessLearned && !heard) ||
                       !SameSource(plan.remote_rtp, leg.learning.signalled) ||
                       (heard && !InNetworks(leg, leg.gate.source));
  leg.path.learning = plan.learning;
  leg.learning.signalled = plan.remote_rtp;
  leg.path.remote_rtcp = plan.remote_rtcp;
  // The networks may be others now: without a latch the next packet is simply checked again.
  if (changed || !latch) leg.gate.source = {};
  if (!changed && latch) return;
  leg.out.SetRemote(plan.remote_rtp);
  if (!changed) return;
  leg.gate.learn = latch ? LearnState::kWatching : LearnState::kFixed;
  leg.learning.candidate_count = 0;
  const TimeNs window =
      plan.latch_window_ms == 0 ? kLatchWindowDefault : plan.latch_window_ms * kMillisecond;
  leg.learning.window_end_ns = now + window;
}

}  // namespace relay::stage
