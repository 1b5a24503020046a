#include "sipctl/call/bridge.h"

namespace sipctl::call {

using relay::abi::Relearn;

Bridge::Bridge(Context* context, CallNumber session, const Leg* a, const Leg* b, uint32_t length_ms)
    : context_(context),
      session_(session),
      a_{.leg = a, .remote = {}, .tag = {}},
      b_{.leg = b, .remote = {}, .tag = {}},
      length_ms_(length_ms) {}

media::LegFrame Bridge::FrameOf(const Leg& leg) const {
  return {.trunk = &leg.trunk(),
          .media = &context_->media.trunks[leg.trunk_index()],
          .length_ms = length_ms_,
          .label = leg.trunk().name};
}

void Bridge::Prepare() {
  for (const Leg* leg : {a_.leg, b_.leg}) {
    context_->relay->SetLeg(session_, leg->number(), media::SilentPlan(FrameOf(*leg)));
  }
}

void Bridge::Apply(Relearn relearn) {
  ApplyLeg(&a_, relearn);
  ApplyLeg(&b_, relearn);
  if (joined_ || a_.leg->plan() == nullptr || b_.leg->plan() == nullptr) return;
  joined_ = true;
  context_->relay->Bridge(session_, a_.leg->number(), b_.leg->number());
}

void Bridge::ApplyAnswer() {
  Apply(joined_ ? Relearn::kUnlessLearned : Relearn::kKeep);
}

void Bridge::ApplyLeg(Party* party, Relearn relearn) {
  const Leg& leg = *party->leg;
  const sdp::MediaPlan* agreed = leg.plan();
  if (agreed == nullptr) return;
  relay::abi::LegPlan plan = media::PlanOf(*agreed, FrameOf(leg));
  // Another far party, or the same one at another place: what was learned is not true any more.
  const std::string_view tag = leg.media_tag();
  const bool moved = party->remote.port != 0 && party->remote != agreed->remote_rtp;
  const bool another = !party->tag.empty() && party->tag != tag;
  plan.relearn = moved || another ? Relearn::kAnew : relearn;
  party->remote = agreed->remote_rtp;
  party->tag = tag;
  context_->relay->SetLeg(session_, leg.number(), plan, media::KeysOf(*agreed, leg.trunk()));
}

}  // namespace sipctl::call
