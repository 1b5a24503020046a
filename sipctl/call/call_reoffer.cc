// A session is offered again: refresh, hold, resume, another address (RFC 3264 section 8).
#include <string>
#include <utility>

#include "sipctl/call/call.h"
#include "sipctl/call/outgoing.h"
#include "sipctl/call/status.h"
#include "sipctl/text.h"

namespace sipctl::call {

namespace {

constexpr int kGlareAttemptsMax = 4;

}  // namespace

void Call::OnReinvite(Leg* leg, sip::TransactionId id, const sip::Message& request) {
  if (leg->sent != nullptr || phase_ != Phase::kEstablished) {
    Reply(id, request, 491);  // 14.2: glare
    return;
  }
  if (reoffer_ && reoffer_->from != nullptr) {
    Reply(id, request, 491);  // the other side's offer is on its way to this one
    return;
  }
  if (!Other(leg)->offer_answer.plan()) {
    Reply(id, request, 491);  // the other side has not answered our first offer yet: no ACK
    return;
  }
  if (RefuseTooShort(leg, id, request)) return;
  leg->ReceiveAgain(id, request);
  if (request.body.empty()) {
    OfferToReinvite(leg);
  } else {
    AnswerReinvite(leg, request);
  }
  Record();
}

void Call::AnswerReinvite(Leg* leg, const sip::Message& request) {
  const auto offer = sdp::Parse(request.body);
  if (!offer.ok()) {
    leg->Refuse(400, SipReason(400, offer.status()));
    return;
  }
  const sdp::Result result = leg->offer_answer.ReceiveOffer(*offer);
  if (result.outcome == sdp::Outcome::kGlare) {
    leg->Refuse(491, {});
  } else if (result.outcome == sdp::Outcome::kOverlap) {
    leg->Refuse(500, {}, 1);
  } else if (!result.ok()) {
    leg->Refuse(488, SipReason(488, result.detail));
  } else if (result.outcome == sdp::Outcome::kUnchanged) {
    AnswerHere(leg, /*unchanged=*/true);
  } else if (MustForward(*leg, *Other(leg))) {
    Forward(leg);
  } else {
    AnswerHere(leg, /*unchanged=*/false);
  }
}

// A re-INVITE without an offer: ours is the session as it is, open in both directions so that the
// peer may resume with its answer. The ACK brings that.
void Call::OfferToReinvite(Leg* leg) {
  sdp::LocalMedia media = MediaFor(leg);
  media.direction = sdp::Direction::kSendRecv;
  const auto offer = leg->offer_answer.MakeOffer(media);
  if (!offer.ok()) {
    leg->Refuse(500, SipReason(500, offer.status()));
    return;
  }
  leg->Answer(*offer, /*is_offer=*/true);
}

// The far side need not know: a refresh, or another address for the same media.
void Call::AnswerHere(Leg* leg, bool unchanged) {
  auto answer =
      unchanged ? leg->offer_answer.RepeatAnswer() : leg->offer_answer.MakeAnswer(MediaFor(leg));
  if (!answer.ok()) {
    leg->offer_answer.Reject();
    leg->Refuse(488, SipReason(488, answer.status()));
    return;
  }
  leg->Answer(*answer, /*is_offer=*/false);
  bridge_.Apply();
}

sdp::LocalMedia Call::MediaFor(Leg* leg) {
  Leg* other = Other(leg);
  sdp::LocalMedia media = sdp::AnswerToward(*other->offer_answer.plan(), leg->local);
  sdp::AllowTranscoding(leg->offer_answer, other->trunk().media, &media);
  return media;
}

// Who speaks and in what is the far side's business; where from is not. A call that is transcoded
// already need not become another one.
bool Call::MustForward(const Leg& leg, const Leg& other) const {
  if (leg.offer_answer.offered_direction() != leg.wish) return true;
  const auto offers_speech_of = [&leg](const sdp::MediaPlan& plan) {
    for (const sdp::PlannedFormat& format : plan.formats) {
      if (!sdp::IsSpeech(format.codec)) continue;
      for (const sdp::Format& offered : leg.offer_answer.offered_formats()) {
        if (offered.codec == format.codec) return true;
      }
    }
    return false;
  };
  if (offers_speech_of(*other.offer_answer.plan())) return false;
  return !may_transcode() || !offers_speech_of(*leg.offer_answer.plan());
}

void Call::Forward(Leg* leg) {
  Leg* other = Other(leg);
  if (other->busy() || !other->confirmed()) {
    leg->offer_answer.Reject();
    leg->Refuse(491, {});
    return;
  }
  const sdp::LocalMedia media =
      sdp::OfferToward(leg->offer_answer, other->trunk().media, other->local);
  const auto offer = media.codecs.empty() ? absl::InvalidArgumentError("no shared codec")
                                          : other->offer_answer.MakeOffer(media);
  if (!offer.ok()) {
    leg->offer_answer.Reject();
    leg->Refuse(488, SipReason(488, offer.status()));
    return;
  }
  if (!reoffer_) reoffer_ = Reoffer{};
  reoffer_->from = leg;
  other->Reinvite(*offer);
}

void Call::OnReinviteAnswered(Leg* leg, const sip::Message& response, const sip::Flow& flow) {
  const absl::Status settled = leg->OnAnswered(response, flow);
  if (!settled.ok()) {
    Finish({.text = std::string(settled.message()), .reason = SipReason(488, settled)});
    return;
  }
  leg->wish = sdp::Mirror(leg->offer_answer.plan()->direction);
  const std::optional<Reoffer> reoffer = std::exchange(reoffer_, std::nullopt);
  if (reoffer && reoffer->from != nullptr) {
    reoffer->from->wish = reoffer->from->offer_answer.offered_direction();
    AnswerHere(reoffer->from, /*unchanged=*/false);
  } else {
    bridge_.Apply();
    // Its offer was withdrawn while this answer was on its way.
    if (reoffer && reoffer->attempts == 0) Agree(leg);
  }
  Record();
  OfferNewKeys();
}

void Call::OnReinviteRefused(Leg* leg, const sip::Message& response) {
  const int status = response.status;
  leg->OnRefused();
  if (status == 408 || status == 481) {
    // 12.2.1.2: the peer does not know the dialog any more, or is no more itself.
    if (status == 481) leg->Forget();
    Finish({.by = NameOf(leg),
            .text = Concat("the ", NameOf(leg), " does not know the call any more"),
            .reason = SipReason(status, sip::DefaultReason(status))});
    return;
  }
  const bool again = status == 491 || (status == 422 && leg->session.Raise(response));
  if (again && reoffer_ && ++reoffer_->attempts < kGlareAttemptsMax) {
    RetryLater(leg);
    return;
  }
  if (!reoffer_) {
    OnRefreshRefused(leg, again);
    OfferNewKeys();
    return;
  }
  const std::optional<Reoffer> reoffer = std::exchange(reoffer_, std::nullopt);
  if (reoffer->from != nullptr) {
    reoffer->from->offer_answer.Reject();
    reoffer->from->Refuse(NearStatus(status), {});
  } else if (reoffer->key) {
    Finish({.text = Concat("the ", NameOf(leg), " refuses the new key that it must have"),
            .reason = SipReason(status, sip::DefaultReason(status))});
    return;
  }
  OfferNewKeys();
}

void Call::RetryLater(Leg* leg) {
  SetTimer(GlareDelay(*leg), [this, leg] {
    if (!reoffer_) return;
    if (reoffer_->from != nullptr) {
      Forward(reoffer_->from);
      Record();
    } else {
      reoffer_.reset();
      Agree(leg);
      OfferNewKeys();
    }
  });
}

// Brings `leg` in line with what the other side wants now.
void Call::Agree(Leg* leg) {
  const auto& theirs = Other(leg)->offer_answer.plan();
  const auto& ours = leg->offer_answer.plan();
  if (!theirs || !ours || leg->busy() || !leg->confirmed() || reoffer_) return;
  if (ours->direction == sdp::Mirror(theirs->direction)) return;
  const auto offer = leg->offer_answer.MakeOffer(MediaFor(leg));
  if (!offer.ok()) return;
  reoffer_ = Reoffer{.from = nullptr, .attempts = 1};
  leg->Reinvite(*offer);
  Record();
}

}  // namespace sipctl::call
