// A leg's INVITE on its way to an answer: one address after the other, and who we are.
#include <algorithm>
#include <utility>

#include "sipctl/call/leg.h"

namespace sipctl::call {

namespace {

// RFC 3263 section 4.3, RFC 3261 section 16.7: nobody was reached, or that server cannot. What a
// callee or the account has said (trap T-22) is an answer.
bool IsOfTheServer(int status) {
  return status == 408 || status == 500 || status == 502 || status == 503 || status == 504;
}

}  // namespace

// A new Call-ID and tag for each address: the one before may still pass the call on, and must not
// meet it again as the same call (482).
void Leg::TryNext() {
  Trial& trial = *sent->trial;
  trial.now = trial.left.back();
  trial.left.pop_back();
  trial.first.destination = trial.now.destination;
  trial.first.registration = trial.now.registration;
  sip::Message invite = MakeFirstInvite(context_, trial.first);
  session.Ask(&invite);
  SetSdp(sent->offer, &invite);
  if (!local_tag_.empty()) context_->by_local_tag.erase(local_tag_);
  Own(std::string(invite.from.tag()));
  digest_ = {};
  SendInvite(std::move(invite), FirstFlow(*context_, trunk_, trial.now));
}

void Leg::SendInvite(sip::Message invite, const sip::Flow& flow) {
  if (sent->id != 0) context_->by_transaction.erase(sent->id);
  Authorize(&invite);
  if (credentials_ != nullptr) sent->invite = std::make_unique<sip::Message>(invite);
  sent->cseq = invite.cseq.number;
  if (sent->trial != nullptr) sent->forks = std::make_unique<sip::Forks>(invite);
  sent->previews.clear();
  sent->id = context_->transactions->Send(std::move(invite), SendingBy(*context_, flow));
  context_->by_transaction[sent->id] = owner_;
}

void Leg::Heard(int status) {
  if (sent == nullptr || sent->trial == nullptr) return;
  context_->destinations->Answered(sent->trial->now.target);
  if (status > 100) sent->trial->rang = true;
}

bool Leg::HasNextAddress() const {
  return sent != nullptr && sent->trial != nullptr && !sent->trial->left.empty();
}

// It may answer yet: then that call is cancelled, or hung up.
void Leg::GiveUpAddress() {
  context_->destinations->Failed(sent->trial->now.target);
  if (sent->trial->left.empty()) return;
  context_->transactions->Cancel(sent->id);
  TryNext();
}

bool Leg::TryAgain(const sip::Message& response, sip::ResponseOrigin origin) {
  if (sent == nullptr) return false;
  const bool ours = origin != sip::ResponseOrigin::kNetwork;
  if (!ours && sip::IsChallenge(response.status)) return Authenticate(response);
  digest_.Served();
  if (sent->trial == nullptr) return false;
  Trial& trial = *sent->trial;
  if (trial.rang || !(ours || IsOfTheServer(response.status))) return false;
  if (ours || response.status == 503) {
    const TimeMs said_ms = static_cast<TimeMs>(response.retry_after.value_or(0)) * kSecondMs;
    context_->destinations->Failed(trial.now.target,
                                   said_ms > 0 ? std::min(said_ms, kDeadMsMax) : kDeadMs);
  }
  if (trial.left.empty()) return false;
  TryNext();
  return true;
}

void Leg::Authorize(sip::Message* request) {
  if (credentials_ != nullptr) {
    digest_.Authorize(*credentials_, context_->tokens.NextText(), request);
  }
}

bool Leg::Authenticate(const sip::Message& response) {
  if (credentials_ == nullptr || sent->invite == nullptr ||
      !digest_.Accept(response, *credentials_)) {
    return false;
  }
  sip::Message again = std::move(*sent->invite);
  // Something else may have been sent in the dialog meanwhile.
  again.cseq.number = dialog ? ++dialog->local_cseq : again.cseq.number + 1;
  const sip::Flow flow = dialog ? NextFlow(*context_, trunk_, *dialog)
                                : FirstFlow(*context_, trunk_, sent->trial->now);
  SendInvite(std::move(again), flow);
  return true;
}

bool Leg::UpdateAgain(const sip::Message& refusal) {
  if (!sip::IsChallenge(refusal.status) || credentials_ == nullptr || !dialog ||
      !digest_.Accept(refusal, *credentials_)) {
    return false;
  }
  DropUpdate();
  Update();
  return true;
}

// ---- the end -----------------------------------------------------------------------------------

void Leg::Abandon(std::string_view reason) {
  if (sent == nullptr) return;
  if (sent->forks != nullptr) {
    Cancel(reason);
  } else {
    context_->late_acks[sent->id] = std::make_unique<LateAck>(
        LateAck{.ack = dialog->MakeAck(sent->cseq), .flow = NextFlow(*context_, trunk_, *dialog)});
  }
  OnRefused();
}

bool OnLateAnswer(Context* context, sip::TransactionId id, const sip::Message& response) {
  const auto found = context->late_acks.find(id);
  if (found == context->late_acks.end()) return false;
  if (response.status < 200) return true;
  const std::unique_ptr<LateAck> late = std::move(found->second);
  context->late_acks.erase(found);
  if (response.status < 300) {
    context->transactions->Acknowledge(id, std::move(late->ack), late->flow);
  }
  return true;
}

// ---- BYE ---------------------------------------------------------------------------------------

void SendBye(Context* context, sip::Message bye, const sip::Flow& flow,
             std::shared_ptr<const sip::Credentials> credentials, const sip::DigestClient& digest) {
  if (credentials == nullptr) {
    context->transactions->Send(std::move(bye), flow);
    return;
  }
  auto farewell = std::make_unique<Farewell>(Farewell{.bye = std::move(bye),
                                                      .flow = flow,
                                                      .credentials = std::move(credentials),
                                                      .digest = digest});
  farewell->digest.Served();
  farewell->digest.Authorize(*farewell->credentials, context->tokens.NextText(), &farewell->bye);
  const sip::TransactionId id = context->transactions->Send(farewell->bye, flow);
  context->farewells[id] = std::move(farewell);
}

bool OnFarewellAnswered(Context* context, sip::TransactionId id, const sip::Message& response) {
  const auto found = context->farewells.find(id);
  if (found == context->farewells.end()) return false;
  if (response.status < 200) return true;
  std::unique_ptr<Farewell> farewell = std::move(found->second);
  context->farewells.erase(found);
  if (!sip::IsChallenge(response.status) ||
      !farewell->digest.Accept(response, *farewell->credentials)) {
    return true;
  }
  ++farewell->bye.cseq.number;
  farewell->digest.Authorize(*farewell->credentials, context->tokens.NextText(), &farewell->bye);
  const sip::TransactionId again = context->transactions->Send(farewell->bye, farewell->flow);
  context->farewells[again] = std::move(farewell);
  return true;
}

}  // namespace sipctl::call
