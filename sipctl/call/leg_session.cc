// What a leg says beside its INVITEs: answers to PRACK and UPDATE, refreshes of its session.
#include <algorithm>
#include <utility>

#include "sipctl/call/leg.h"

namespace sipctl::call {

void Leg::Watch(LegAlarms alarms) {
  session.Watch(std::move(alarms.refresh), std::move(alarms.expired));
  alarms_.no_prack = std::move(alarms.no_prack);
}

void Leg::DropUpdate() {
  if (sent_update != 0) context_->by_transaction.erase(sent_update);
  sent_update = 0;
}

// RFC 3311 section 5.1: UPDATE goes only to who allows it.
void Leg::NotePeer(const sip::Message& message) {
  if (message.allow.empty()) return;
  peer_takes_update =
      trunk::Sends(trunk(), "UPDATE") &&
      std::find(message.allow.begin(), message.allow.end(), "UPDATE") != message.allow.end();
}

bool Leg::AcceptPrack(const sip::Message& prack) {
  if (received == nullptr || received->progress == nullptr || !prack.rack) return false;
  return received->progress->Acknowledge(*prack.rack);
}

bool Leg::SendHeld2xx() {
  if (received == nullptr || !received->held_2xx || received->progress->HoldsAnswer()) return false;
  Send2xx(*std::exchange(received->held_2xx, std::nullopt));
  return true;
}

void Leg::AnswerRefresh(sip::TransactionId id, const sip::Message& update) {
  NotePeer(update);
  dialog->MoveTarget(update);
  sip::Message response = sip::MakeResponse(update, 200, dialog->local.tag());
  Dress(&response);
  session.Answer(sip::SessionTermsOf(update), &response);
  context_->transactions->Respond(id, std::move(response));
}

void Leg::AnswerAside(sip::TransactionId id, const sip::Message& request,
                      const sdp::Description* answer) {
  sip::Message response = sip::MakeResponse(request, 200);
  AddProduct(*context_, &response);
  // Before the answer it is the early dialog of one of our INVITE's forks.
  sip::Dialog* in = dialog ? &*dialog : sent->forks->Find(request.from.tag());
  in->MoveTarget(request);
  response.contact.push_back(in->local_contact);
  if (answer != nullptr) SetSdp(sdp::Write(*answer), &response);
  context_->transactions->Respond(id, std::move(response));
}

// RFC 4028 section 7.3: the same Call-ID and From, the next CSeq.
bool Leg::InviteAgain(const sip::Message& refusal) {
  if (sent == nullptr || sent->forks == nullptr || !session.Raise(refusal)) return false;
  sip::Message invite = sent->forks->invite();
  ++invite.cseq.number;
  invite.supported.clear();
  std::erase_if(invite.others, [](const sip::HeaderField& field) {
    return field.name == "Session-Expires" || field.name == "Min-SE";
  });
  session.Ask(&invite);
  SetSdp(sent->offer, &invite);
  SendInvite(std::move(invite), FirstFlow(*context_, trunk_, sent->trial->now));
  return true;
}

void Leg::Update() {
  sip::Message request = dialog->MakeRequest(sip::Method::kUpdate);
  AddAllow(&request, &trunk());
  session.Ask(&request);
  sent_update = Send(std::move(request), NextFlow(*context_, trunk_, *dialog));
  context_->by_transaction[sent_update] = owner_;
}

void Leg::OnUpdated(const sip::Message& response, const sip::Flow& flow) {
  if (response.status < 200) return;
  DropUpdate();
  if (!sip::IsChallenge(response.status)) digest_.Served();
  if (response.status >= 300) return;
  dialog->AcceptResponse(response, flow);
  NotePeer(response);
  session.OnAnswered(response);
}

}  // namespace sipctl::call
