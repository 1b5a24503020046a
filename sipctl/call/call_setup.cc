// From the caller's INVITE to its ACK.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/call/call.h"
#include "sipctl/call/reason.h"
#include "sipctl/call/status.h"
#include "sipctl/clock.h"

namespace sipctl::call {

namespace {

// Silence of one address while there is another one, where the trunk says nothing.
constexpr TimeMs kAddressMs = 5 * kSecondMs;

static_assert(sip::kTimerCMs > trunk::kRingTimeoutMaxS * kSecondMs,
              "how long a callee rings is the trunk's to say");

}  // namespace

// The relay is ready: now the far side may hear of the call.
void Call::InviteFar() {
  const sdp::MediaPolicy& policy = far_.trunk().media;
  const sdp::LocalMedia media = delayed_offer_
                                    ? sdp::FirstOffer(near_.trunk().media, policy, far_.local)
                                    : sdp::OfferToward(near_.offer_answer, policy, far_.local);
  if (media.codecs.empty()) {
    Finish({.status = 488,
            .text = "the two trunks share no codec of the offer",
            .reason = SipReason(488, "no shared codec")});
    return;
  }
  const auto offer = far_.offer_answer.MakeOffer(media);
  if (!offer.ok()) {
    Finish({.status = 488, .text = std::string(offer.status().message())});
    return;
  }
  phase_ = Phase::kInviting;
  if (!far_.Invite(plan_.first, *offer)) {
    // Who was there when the call came has gone while the relay prepared it.
    const int status = far_.trunk().users.empty() ? 503 : 480;
    Finish({.status = status,
            .text = "there is no way to the far side any more",
            .reason = SipReason(status, "no way there any more")});
    return;
  }
  Record();
  WatchForResponse();
  const auto ring_ms = static_cast<TimeMs>(far_.trunk().ring_timeout_ns / kNsPerMs);
  if (ring_ms == 0) return;
  SetTimer(ring_ms, [this] {
    Finish({.status = 480,
            .text = "nobody answered in time",
            .reason = SipReason(480, "nobody answered in time")});
  });
}

// A peer that is dead, or whose answers are lost: the caller need not wait for 64*T1.
void Call::WatchForResponse() {
  context_->timers->Cancel(&response_timer_);
  auto delay = static_cast<TimeMs>(far_.trunk().response_timeout_ns / kNsPerMs);
  if (delay == 0 && far_.HasNextAddress()) delay = kAddressMs;
  if (delay == 0) return;
  response_timer_ = context_->timers->After(delay, [this] {
    response_timer_ = 0;
    const bool another = far_.HasNextAddress();
    far_.GiveUpAddress();
    if (another) {
      Record();
      WatchForResponse();
      return;
    }
    Finish({.status = 504,
            .text = absl::StrCat(far_.trunk().name, " does not answer"),
            .reason = SipReason(408, "no answer")});
  });
}

void Call::OnResponse(Leg* leg, const sip::Message& response, const sip::Flow& flow,
                      sip::ResponseOrigin origin) {
  if (response.method == sip::Method::kUpdate) {
    OnUpdated(leg, response, flow);
    return;
  }
  if (leg->sent == nullptr) return;
  if (leg == &far_) context_->timers->Cancel(&response_timer_);
  const bool first = leg->sent->forks != nullptr;
  if (first && response.status >= 200) KeepHeaders(*leg, response);
  if (response.status >= 300 && phase_ != Phase::kEnded && leg->TryAgain(response, origin)) {
    Record();
    if (first) WatchForResponse();
    return;
  }
  if (response.status < 200) {
    if (first) OnProvisional(response, flow);
  } else if (response.status < 300) {
    if (first) {
      OnAnswer(response, flow);
    } else {
      OnReinviteAnswered(leg, response, flow);
    }
  } else if (first) {
    OnRefused(response, origin);
  } else {
    OnReinviteRefused(leg, response);
  }
}

// The caller's leg keeps one early dialog and one session description, however many forks ring
// behind the far side: it is answered from the first that brings media, and for the others the
// relay alone is changed.
void Call::OnProvisional(const sip::Message& response, const sip::Flow& flow) {
  far_.Heard(response.status);
  if (response.status == 100) return;
  const Preview* preview = far_.OnProvisional(response, flow);
  // 199 says that one fork is over (RFC 6228): nothing that the caller would know of.
  if (response.status == 199) return;
  std::optional<sdp::Description> answer;
  if (preview != nullptr) answer = EarlyAnswer(*preview);
  near_.Progress(response.status, answer ? &*answer : nullptr);
}

std::optional<sdp::Description> Call::EarlyAnswer(const Preview& preview) {
  const auto& agreed = near_.offer_answer.plan();
  if (agreed && !may_transcode() &&
      sdp::Fits(*agreed, *preview.offer_answer.plan()) == sdp::Fit::kNothing) {
    context_->log->OnNotice("early media of a fork is in a codec that the caller was not given");
    far_.sent->previews.pop_back();
    return std::nullopt;
  }
  std::optional<sdp::Description> answer;
  // An offer of ours may not go into an unreliable 18x (RFC 3261 section 13.2.1).
  if (!agreed && !delayed_offer_) {
    sdp::LocalMedia media = sdp::AnswerToward(*preview.offer_answer.plan(), near_.local);
    sdp::AllowTranscoding(near_.offer_answer, far_.trunk().media, &media);
    auto made = near_.offer_answer.MakeAnswer(media);
    if (made.ok()) answer = *std::move(made);
  }
  bridge_.Apply();
  return answer;
}

void Call::OnAnswer(const sip::Message& response, const sip::Flow& flow) {
  context_->timers->Cancel(&timer_);
  if (const absl::Status settled = far_.OnAnswered(response, flow); !settled.ok()) {
    far_.OnRefused();
    Finish(
        {.status = 502, .text = std::string(settled.message()), .reason = SipReason(488, settled)});
    return;
  }
  far_.wish = sdp::Mirror(far_.offer_answer.plan()->direction);
  if (const absl::Status answered = AnswerNear(); !answered.ok()) {
    Finish({.status = 488,
            .text = std::string(answered.message()),
            .reason = SipReason(488, answered)});
    return;
  }
  phase_ = Phase::kEstablished;
  answered_ = context_->timers->now();
  bridge_.ApplyAnswer();
  Record();
}

// 200 to the caller: with the answer it was given early, with one made now, or with our offer when
// it made none.
absl::Status Call::AnswerNear() {
  const sdp::MediaPlan& far = *far_.offer_answer.plan();
  const sdp::LocalMedia media = MediaFor(&near_);
  if (delayed_offer_) {
    const auto offer = near_.offer_answer.MakeOffer(media);
    if (offer.ok()) near_.Answer(*offer, /*is_offer=*/true);
    return offer.status();
  }
  if (const auto& early = near_.offer_answer.plan(); early) {
    if (!may_transcode() && sdp::Fits(*early, far) == sdp::Fit::kNothing) {
      return absl::InvalidArgumentError("answered in a codec that the caller was not given");
    }
    near_.Answer(*near_.offer_answer.local(), /*is_offer=*/false);
    return absl::OkStatus();
  }
  const auto answer = near_.offer_answer.MakeAnswer(media);
  if (answer.ok()) near_.Answer(*answer, /*is_offer=*/false);
  return answer.status();
}

void Call::OnRefused(const sip::Message& response, sip::ResponseOrigin origin) {
  if (response.status == 422 && far_.InviteAgain(response)) {
    Record();
    return;
  }
  far_.OnRefused();
  if (origin != sip::ResponseOrigin::kNetwork) {
    const bool silent = origin == sip::ResponseOrigin::kTimeout;
    Finish(
        {.status = silent ? 504 : 502,
         .text = absl::StrCat(far_.trunk().name, silent ? " does not answer" : " is unreachable"),
         .reason = SipReason(response.status, silent ? "no answer" : "unreachable")});
    return;
  }
  std::string reason = CarriedReasons(response);
  if (reason.empty()) {
    reason = BothReasons(response.status, sip::DefaultReason(response.status));
  } else if (reason.find("SIP;") == std::string::npos) {
    // The status that the caller gets may be another one (NearStatus).
    reason.insert(0, SipReason(response.status, sip::DefaultReason(response.status)) + ", ");
  }
  Finish(
      {.status = NearStatus(response.status),
       .by = "callee",
       .text = absl::StrCat(far_.trunk().name, " answered ", response.status, " ", response.reason),
       .reason = std::move(reason)});
}

void Call::OnCancel(Leg* leg, const sip::Message& cancel) {
  if (leg->received == nullptr || leg->received->answered) return;
  // Where the 200 waits for a PRACK the call is answered, but not to this caller.
  if (phase_ != Phase::kEstablished || !leg->confirmed()) {
    Finish({.status = 487,
            .by = NameOf(leg),
            .text = absl::StrCat("the ", NameOf(leg), " gave up"),
            .reason = CarriedReasons(cancel)});
    return;
  }
  // A re-INVITE is withdrawn: the session stays what it was.
  leg->Refuse(487, {});
  leg->offer_answer.Reject();
  Leg* other = Other(leg);
  if (reoffer_) reoffer_->from = nullptr;
  if (other->sent != nullptr) {
    other->Cancel({});
  } else {
    context_->timers->Cancel(&timer_);
    reoffer_.reset();
  }
}

void Call::OnAck(Leg* leg, const sip::Message& ack) {
  if (leg->received == nullptr) return;
  const bool expects_answer = leg->received->offer_in_2xx;
  leg->Acknowledged();
  OfferNewKeys();
  if (phase_ == Phase::kEnded) {
    leg->SendWaitingBye();
    context_->ended.push_back(number_);
    return;
  }
  if (!expects_answer) return;
  const auto answer = sdp::Parse(ack.body);
  sdp::Result result{.outcome = sdp::Outcome::kMalformed, .detail = "the ACK brought no answer"};
  if (answer.ok()) result = leg->offer_answer.ReceiveAnswer(*answer, sdp::Binding::kFinal);
  if (!result.ok()) {
    Finish({.text = result.detail, .reason = SipReason(488, result.detail)});
    return;
  }
  leg->wish = sdp::Mirror(leg->offer_answer.plan()->direction);
  bridge_.Apply();
  Agree(Other(leg));
}

}  // namespace sipctl::call
