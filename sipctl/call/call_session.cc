// What keeps a dialog going beside its INVITEs: PRACK, UPDATE, and session timers, each leg's own.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/call/admission.h"
#include "sipctl/call/call.h"
#include "sipctl/call/outgoing.h"
#include "sipctl/call/status.h"

namespace sipctl::call {

namespace {

// When a refresh meets something else under way.
constexpr TimeMs kBusyMs = 1 * kSecondMs;

}  // namespace

void Call::Watch(Leg* leg) {
  leg->Watch({.refresh = [this, leg] { Refresh(leg); },
              .expired =
                  [this, leg] {
                    Finish({.text = absl::StrCat("the session with ", leg->trunk().name,
                                                 " was not refreshed"),
                            .reason = SipReason(408, "session expired")});
                  },
              .no_prack =
                  [this] {
                    // RFC 3262 section 3.
                    Finish({.status = 504,
                            .text = "the caller acknowledged no ringing",
                            .reason = SipReason(504, "no PRACK")});
                  }});
}

// ---- requests ----------------------------------------------------------------------------------

void Call::OnPrack(Leg* leg, sip::TransactionId id, const sip::Message& request) {
  if (!leg->AcceptPrack(request)) {
    Reply(id, request, 481);
    return;
  }
  if (request.body.empty()) {
    Reply(id, request, 200);
  } else {
    AnswerAside(leg, &leg->offer_answer, id, request);
  }
  if (leg->SendHeld2xx()) Record();
}

void Call::OnUpdate(Leg* leg, sip::TransactionId id, const sip::Message& request) {
  if (RefuseTooShort(leg, id, request)) return;
  if (request.body.empty()) {
    leg->AnswerRefresh(id, request);
    Record();
  } else if (phase_ == Phase::kEstablished) {
    OnReinvite(leg, id, request);
  } else if (leg->received != nullptr && leg->received->progress != nullptr &&
             leg->received->progress->settled()) {
    AnswerAside(leg, &leg->offer_answer, id, request);
  } else {
    // RFC 3311 section 5.2: its first offer has no answer yet.
    Reply(id, request, 500, 1 + static_cast<uint32_t>(context_->tokens.Next() % 9));
  }
}

// From the far side before it has answered: an early dialog of one of its forks.
void Call::OnEarlyRequest(Leg* leg, sip::TransactionId id, const sip::Message& request,
                          const sip::Flow& flow) {
  sip::Dialog* dialog = leg->sent != nullptr && leg->sent->forks != nullptr
                            ? leg->sent->forks->Find(request.from.tag())
                            : nullptr;
  if (dialog == nullptr) {
    Reply(id, request, 481);
    return;
  }
  const sip::DialogVerdict verdict = dialog->AcceptRequest(request, flow);
  if (verdict != sip::DialogVerdict::kAccept) {
    Reply(id, request, verdict == sip::DialogVerdict::kMismatch ? 481 : 500);
  } else if (request.method == sip::Method::kOptions) {
    context_->transactions->Respond(id, MakeOptionsAnswer(*context_, request, &leg->trunk()));
  } else if (request.method != sip::Method::kUpdate) {
    Reply(id, request, 481);
  } else if (request.body.empty()) {
    leg->AnswerAside(id, request, nullptr);
  } else if (Preview* preview = leg->PreviewOf(request.from.tag());
             preview != nullptr && preview->reliable) {
    AnswerAside(leg, &preview->offer_answer, id, request);
  } else {
    Reply(id, request, 491);  // RFC 3311 section 5.2: our offer has no answer yet
  }
}

// An offer in a request that must be answered at once and before the call is: the other side is not
// asked.
void Call::AnswerAside(Leg* leg, sdp::OfferAnswer* offer_answer, sip::TransactionId id,
                       const sip::Message& request) {
  const auto offer = sdp::Parse(request.body);
  if (!offer.ok()) {
    Reply(id, request, 400);
    return;
  }
  const sdp::MediaPlan* other = Other(leg)->plan();
  const sdp::Result result = offer_answer->ReceiveOffer(*offer);
  absl::StatusOr<sdp::Description> answer = absl::InvalidArgumentError(result.detail);
  if (result.outcome == sdp::Outcome::kUnchanged) {
    answer = offer_answer->RepeatAnswer();
  } else if (result.ok() && other != nullptr) {
    sdp::LocalMedia media = sdp::AnswerToward(*other, leg->local);
    sdp::AllowTranscoding(*offer_answer, Other(leg)->trunk().media, &media);
    answer = offer_answer->MakeAnswer(media);
  }
  if (!answer.ok()) {
    if (result.ok()) offer_answer->Reject();
    Reply(id, request, result.outcome == sdp::Outcome::kGlare ? 491 : 488);
    return;
  }
  leg->AnswerAside(id, request, &*answer);
  bridge_.Apply();
}

bool Call::RefuseTooShort(Leg* leg, sip::TransactionId id, const sip::Message& request) {
  if (!leg->session.Refuses(sip::SessionTermsOf(request))) return false;
  sip::Message response = sip::MakeResponse(request, 422);
  AddProduct(*context_, &response);
  sip::AddMinSe(leg->session.min_s(), &response);
  context_->transactions->Respond(id, std::move(response));
  return true;
}

// ---- session timers ----------------------------------------------------------------------------

// RFC 4028 section 7.4: by UPDATE where the peer takes it, else by the session as it is.
void Call::Refresh(Leg* leg) {
  if (phase_ != Phase::kEstablished || !leg->confirmed()) return;
  if (leg->busy() || leg->sent_update != 0 || reoffer_) {
    leg->session.RefreshAfter(kBusyMs);
    return;
  }
  if (leg->peer_takes_update) {
    leg->Update();
  } else {
    const auto offer = leg->offer_answer.MakeOffer(*leg->offer_answer.local_media());
    if (!offer.ok()) return;
    leg->Reinvite(*offer);
  }
  Record();
}

void Call::OnUpdated(Leg* leg, const sip::Message& response, const sip::Flow& flow) {
  if (phase_ != Phase::kEnded && leg->UpdateAgain(response)) {
    Record();
    return;
  }
  leg->OnUpdated(response, flow);
  if (response.status < 300) {
    if (response.status >= 200) Record();  // the peer may have moved
    return;
  }
  if (response.status == 408 || response.status == 481) {
    if (response.status == 481) leg->Forget();
    Finish({.by = NameOf(leg),
            .text = absl::StrCat("the ", NameOf(leg), " does not know the call any more"),
            .reason = SipReason(response.status, sip::DefaultReason(response.status))});
    return;
  }
  // It has changed its mind, or never meant its Allow: a re-INVITE then.
  if (response.status == 405 || response.status == 501) leg->peer_takes_update = false;
  OnRefreshRefused(leg, response.status == 405 || response.status == 501 ||
                            response.status == 491 || leg->session.Raise(response));
}

// The session lives on until it expires. `again`: another attempt may go better at once.
void Call::OnRefreshRefused(Leg* leg, bool again) {
  const auto& timer = leg->session.timer();
  if (!timer || !timer->ours) return;
  leg->session.RefreshAfter(again ? GlareDelay(*leg) : timer->RefreshAfter() / 4);
}

// RFC 3261 section 14.1: who chose the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in steps of
// 10 ms.
TimeMs Call::GlareDelay(const Leg& leg) {
  const auto random = static_cast<TimeMs>(context_->tokens.Next() % 191);
  return leg.dialog->role == sip::DialogRole::kUac ? 2100 + random * 10 : random * 10;
}

}  // namespace sipctl::call
