#include "sipctl/call/bridge.h"

namespace sipctl::call {

Bridge::Bridge(Context* context, CallNumber session, Leg* a, Leg* b, uint32_t length_ms)
    : context_(context), session_(session), a_(a), b_(b), length_ms_(length_ms) {}

media::LegFrame Bridge::FrameOf(const Leg& leg) const {
  return {.trunk = &leg.trunk(),
          .media = &context_->media.trunks[leg.trunk_index()],
          .length_ms = length_ms_,
          .label = leg.trunk().name};
}

void Bridge::Prepare() {
  for (const Leg* leg : {a_, b_}) {
    context_->relay->SetLeg(session_, leg->number(), media::SilentPlan(FrameOf(*leg)));
  }
}

void Bridge::Apply() {
  ApplyLeg(*a_, &remote_a_);
  ApplyLeg(*b_, &remote_b_);
  if (joined_ || a_->plan() == nullptr || b_->plan() == nullptr) return;
  joined_ = true;
  context_->relay->Bridge(session_, a_->number(), b_->number());
}

void Bridge::ApplyLeg(const Leg& leg, sdp::IpEndpoint* last_remote) {
  const sdp::MediaPlan* agreed = leg.plan();
  if (agreed == nullptr) return;
  relay::abi::LegPlan plan = media::PlanOf(*agreed, FrameOf(leg));
  // Another far party, or the same one at another place: what was learned is not true any more.
  plan.relearn = last_remote->port != 0 && *last_remote != agreed->remote_rtp;
  *last_remote = agreed->remote_rtp;
  context_->relay->SetLeg(session_, leg.number(), plan);
}

}  // namespace sipctl::call
