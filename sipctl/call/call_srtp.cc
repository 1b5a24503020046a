// Keys that must not be used again, and those that take their place.
#include "sipctl/call/call.h"

namespace sipctl::call {

void Call::OnRelayLost() {
  for (Leg* leg : {&near_, &far_}) leg->SpendKeys();
}

// One leg after the other: an answer, or the end of what keeps it busy, comes back here.
void Call::OfferNewKeys() {
  if (phase_ != Phase::kEstablished || reoffer_) return;
  for (Leg* leg : {&near_, &far_}) {
    if (!leg->NeedsKey() || leg->busy() || !leg->confirmed()) continue;
    const auto offer = leg->offer_answer.MakeOffer(*leg->offer_answer.local_media());
    if (!offer.ok()) continue;
    reoffer_ = Reoffer{.from = nullptr, .attempts = 1, .key = true};
    leg->Reinvite(*offer);
    Record();
    return;
  }
}

}  // namespace sipctl::call
