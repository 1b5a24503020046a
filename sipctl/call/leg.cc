#include "sipctl/call/leg.h"

#include <algorithm>
#include <utility>

#include "sipctl/text.h"

namespace sipctl::call {

namespace {

// Above the CSeq of whatever was sent in an early dialog that is forgotten: each PRACK took one.
constexpr uint32_t kStrayCSeqStep = 1000;

// What a response to it needs, and nothing more: a call may ring for minutes.
sip::Message Skeleton(const sip::Message& request) {
  sip::Message slim;
  slim.method = request.method;
  slim.via = request.via;
  slim.from = request.from;
  slim.to = request.to;
  slim.call_id = request.call_id;
  slim.cseq = request.cseq;
  slim.record_route = request.record_route;
  slim.contact = request.contact;
  if (const std::string* timestamp = request.Other("Timestamp")) {
    slim.others.push_back({"Timestamp", *timestamp});
  }
  return slim;
}

std::optional<sdp::Description> SdpOf(const sip::Message& message) {
  if (message.body.empty() || message.content_type != "application/sdp") return std::nullopt;
  auto parsed = sdp::Parse(message.body);
  if (!parsed.ok()) return std::nullopt;
  return *std::move(parsed);
}

}  // namespace

Leg::Leg(Context* context, Owner owner, size_t trunk)
    : offer_answer(context->trunk(trunk).media, context->tokens.Next() >> 2),
      session(context->timers, SessionPolicyOf(context->trunk(trunk))),
      context_(context),
      owner_(owner),
      trunk_(trunk) {}

Leg::~Leg() {
  DropReceived();
  DropSent();
  DropUpdate();
  if (!local_tag_.empty()) context_->by_local_tag.erase(local_tag_);
}

void Leg::Own(const std::string& local_tag) {
  local_tag_ = local_tag;
  context_->by_local_tag[local_tag] = owner_;
}

void Leg::DropReceived() {
  if (received == nullptr) return;
  context_->by_transaction.erase(received->id);
  received.reset();
}

void Leg::DropSent() {
  if (sent == nullptr) return;
  context_->by_transaction.erase(sent->id);
  sent.reset();
}

sip::TransactionId Leg::Send(sip::Message request, const sip::Flow& flow) {
  AddProduct(*context_, &request);
  Authorize(&request);
  return context_->transactions->Send(std::move(request), SendingBy(*context_, flow));
}

const sdp::MediaPlan* Leg::plan() const {
  if (sent != nullptr && !sent->previews.empty()) {
    return &*sent->previews.back().offer_answer.plan();
  }
  return offer_answer.plan() ? &*offer_answer.plan() : nullptr;
}

std::string_view Leg::media_tag() const {
  if (sent != nullptr && !sent->previews.empty()) return sent->previews.back().tag;
  return dialog ? dialog->remote.tag() : std::string_view();
}

// ---- as the called side ------------------------------------------------------------------------

absl::Status Leg::Receive(sip::TransactionId id, const sip::Message& invite,
                          const sip::Flow& flow) {
  const std::string tag = context_->transactions->ToTag(id);
  auto made = sip::Dialog::FromRequest(invite, tag, ContactOf(*context_, flow.listener), flow);
  if (!made.ok()) return made.status();
  dialog = *std::move(made);
  NextFlow(*context_, trunk_, *dialog);  // a name in it is looked up now
  Own(tag);
  ReceiveAgain(id, invite);
  if (std::any_of(invite.require.begin(), invite.require.end(),
                  [](const std::string& option) { return EqualsIgnoreCase(option, "100rel"); })) {
    received->progress = std::make_unique<ReliableProgress>(
        context_->timers, 1 + static_cast<uint32_t>(context_->tokens.Next() % 1'000'000),
        [this](const sip::Message& response) {
          context_->transactions->Respond(received->id, response);
        },
        alarms_.no_prack);
  }
  return absl::OkStatus();
}

void Leg::ReceiveAgain(sip::TransactionId id, const sip::Message& invite) {
  received = std::make_unique<ReceivedInvite>();
  received->id = id;
  received->request = Skeleton(invite);
  received->session = sip::SessionTermsOf(invite);
  received->delayed_offer = invite.body.empty();
  NotePeer(invite);
  context_->by_transaction[id] = owner_;
}

sip::Message Leg::MakeResponse(int status) {
  sip::Message response = sip::MakeResponse(received->request, status, dialog->local.tag());
  if (status < 300) {
    Dress(&response);
  } else {
    AddProduct(*context_, &response);
  }
  return response;
}

void Leg::Dress(sip::Message* response) const {
  AddProduct(*context_, response);
  response->contact.push_back(dialog->local_contact);
  AddAllow(response, &trunk());
}

void Leg::Progress(int status, const sdp::Description* body) {
  if (received == nullptr || received->answered) return;
  sip::Message response = MakeResponse(status);
  if (body != nullptr) SetSdp(sdp::Write(*body), &response);
  if (received->progress == nullptr) {
    context_->transactions->Respond(received->id, std::move(response));
    return;
  }
  // The first reliable answer to an INVITE without an offer would have to carry ours (RFC 3262
  // section 5), before we know the far side's: it gets no 18x at all.
  if (received->delayed_offer || received->held_2xx) return;
  received->progress->Add(std::move(response));
}

void Leg::Answer(const sdp::Description& body, bool is_offer) {
  if (received == nullptr || received->answered) return;
  if (received->held_2xx) return;
  sip::Message response = MakeResponse(200);
  session.Answer(received->session, &response);
  const ReliableProgress* progress = received->progress.get();
  const bool held = progress != nullptr && progress->HoldsAnswer();
  // An answer that the caller has acknowledged is not repeated (RFC 3262 section 5).
  if (!held && (progress == nullptr || !progress->settled())) SetSdp(sdp::Write(body), &response);
  received->offer_in_2xx = is_offer;
  if (held) {
    received->held_2xx = std::move(response);
  } else {
    Send2xx(std::move(response));
  }
}

void Leg::Send2xx(sip::Message response) {
  const bool invite = response.method == sip::Method::kInvite;
  // The first INVITE made the dialog; what an UPDATE has said since is newer.
  if (confirmed()) dialog->MoveTarget(received->request);
  context_->transactions->Respond(received->id, std::move(response));
  if (!invite) {
    DropReceived();
    return;
  }
  dialog->Confirm();
  received->answered = true;
  received->progress.reset();
  // Only its transaction is of interest until the ACK.
  received->request = {};
}

void Leg::Refuse(int status, std::string_view reason, uint32_t retry_after_s) {
  if (received == nullptr || received->answered) return;
  sip::Message response = MakeResponse(status);
  AddReason(reason, &response);
  if (retry_after_s > 0) response.retry_after = retry_after_s;
  context_->transactions->Respond(received->id, std::move(response));
  DropReceived();
}

// ---- as the calling side -----------------------------------------------------------------------

bool Leg::Invite(const FirstInvite& first, const sdp::Description& offer) {
  std::vector<Attempt> ways = WaysTo(*context_, trunk_, first.number);
  if (ways.empty()) return false;
  credentials_ = context_->credentials_of(trunk_);
  sent = std::make_unique<SentInvite>();
  sent->offer = sdp::Write(offer);
  sent->trial = std::make_unique<Trial>();
  sent->trial->first = first;
  sent->trial->left = std::move(ways);
  std::reverse(sent->trial->left.begin(), sent->trial->left.end());
  TryNext();
  return true;
}

void Leg::Reinvite(const sdp::Description& offer) {
  sip::Message invite = dialog->MakeRequest(sip::Method::kInvite);
  AddAllow(&invite, &trunk());
  session.Ask(&invite);
  SetSdp(sdp::Write(offer), &invite);
  AddProduct(*context_, &invite);
  sent = std::make_unique<SentInvite>();
  SendInvite(std::move(invite), NextFlow(*context_, trunk_, *dialog));
}

const Preview* Leg::OnProvisional(const sip::Message& response, const sip::Flow& flow) {
  if (sent == nullptr || sent->forks == nullptr) return nullptr;
  const auto update = sent->forks->OnResponse(response, flow);
  if (update.dialog == nullptr) return nullptr;
  NotePeer(response);
  const std::string tag(response.to.tag());
  // We never ask for it, but a peer that sends its answers reliably waits for this (RFC 3262).
  const sip::ReliableVerdict verdict = trunk::Sends(trunk(), "PRACK")
                                           ? update.dialog->AcceptReliable(response)
                                           : sip::ReliableVerdict::kUnreliable;
  const bool reliable = verdict == sip::ReliableVerdict::kNew;
  if (reliable) {
    Send(update.dialog->MakePrack(response), NextFlow(*context_, trunk_, *update.dialog));
  } else if (verdict != sip::ReliableVerdict::kUnreliable) {
    return nullptr;  // known, or before its turn: it will come again
  }
  auto body = SdpOf(response);
  if (!body) return nullptr;
  if (const Preview* known = PreviewOf(tag); known != nullptr && known->reliable) return nullptr;
  Preview preview{
      .tag = tag, .offer_answer = offer_answer, .answer = *std::move(body), .reliable = reliable};
  const auto binding = reliable ? sdp::Binding::kFinal : sdp::Binding::kPreview;
  if (!preview.offer_answer.ReceiveAnswer(preview.answer, binding).ok()) return nullptr;
  auto& previews = sent->previews;
  std::erase_if(previews, [&](const Preview& old) { return old.tag == tag; });
  previews.push_back(std::move(preview));
  return &previews.back();
}

Preview* Leg::PreviewOf(std::string_view tag) {
  if (sent == nullptr) return nullptr;
  const auto found = std::find_if(sent->previews.begin(), sent->previews.end(),
                                  [&](const Preview& preview) { return preview.tag == tag; });
  return found == sent->previews.end() ? nullptr : &*found;
}

absl::Status Leg::OnAnswered(const sip::Message& response, const sip::Flow& flow) {
  const std::string tag(response.to.tag());
  if (sent->forks != nullptr) {
    sent->forks->OnResponse(response, flow);  // a 2xx always makes or meets one
    dialog = sent->forks->Take(tag);
    dialog->Confirm();
  } else {
    dialog->AcceptResponse(response, flow);
  }
  digest_.Served();
  const sip::TransactionId id = sent->id;
  context_->transactions->Acknowledge(id, dialog->MakeAck(sent->cseq),
                                      NextFlow(*context_, trunk_, *dialog));
  NotePeer(response);
  session.OnAnswered(response);
  const absl::Status media = SettleMedia(response, tag);
  DropSent();
  return media;
}

absl::Status Leg::SettleMedia(const sip::Message& response, std::string_view tag) {
  const Preview* preview = PreviewOf(tag);
  if (preview != nullptr && preview->reliable) {
    offer_answer = preview->offer_answer;
    return absl::OkStatus();
  }
  std::optional<sdp::Description> answer = SdpOf(response);
  if (!answer) {
    // The answer came in a 18x, and the 2xx does not repeat it.
    if (preview == nullptr) {
      offer_answer.Reject();
      return absl::InvalidArgumentError("the 2xx carries no usable session description");
    }
    answer = preview->answer;
  }
  const sdp::Result result = offer_answer.ReceiveAnswer(*answer, sdp::Binding::kFinal);
  if (result.ok()) return absl::OkStatus();
  offer_answer.Reject();
  return absl::InvalidArgumentError(result.detail);
}

void Leg::SpendKeys() {
  offer_answer.SpendKey();
  if (sent == nullptr) return;
  for (Preview& preview : sent->previews) preview.offer_answer.SpendKey();
}

bool Leg::NeedsKey() const {
  const auto& plan = offer_answer.plan();
  return plan && plan->crypto && plan->crypto->send.length == 0;
}

void Leg::OnRefused() {
  offer_answer.Reject();
  DropSent();
}

void Leg::Cancel(std::string_view reason) {
  if (sent == nullptr) return;
  context_->transactions->Cancel(sent->id, reason);
}

// ---- both --------------------------------------------------------------------------------------

sip::Message MakeBye(const Context& context, sip::Dialog* dialog, std::string_view reason) {
  sip::Message bye = dialog->MakeRequest(sip::Method::kBye);
  AddProduct(context, &bye);
  AddReason(reason, &bye);
  return bye;
}

void Leg::Bye(std::string_view reason) {
  session.Stop();
  if (!confirmed()) return;
  bye_reason_ = reason;
  bye_waits_ = true;
  if (received == nullptr || !received->answered) SendWaitingBye();
}

void Leg::Forget() {
  over_ = true;
  session.Stop();
}

void Leg::SendWaitingBye() {
  if (!std::exchange(bye_waits_, false) || !confirmed()) return;
  Forget();
  SendBye(context_, MakeBye(*context_, &*dialog, bye_reason_), NextFlow(*context_, trunk_, *dialog),
          credentials_, digest_);
}

void HangUpStray(Context* context, sip::TransactionId invite, const sip::Message& response,
                 const sip::Flow& flow, std::shared_ptr<const sip::Credentials> credentials) {
  // Of our INVITE the response repeats all that the new dialog needs, but our Contact; and its URI,
  // for which To must do where the response has no Contact either.
  sip::Message request;
  request.method = sip::Method::kInvite;
  request.request_uri = response.to.uri;
  request.from = response.from;
  request.to = response.to;
  request.call_id = response.call_id;
  request.cseq = response.cseq;
  request.contact.push_back(ContactOf(*context, flow.listener));
  auto dialog = sip::Dialog::FromResponse(request, response, flow);
  if (!dialog.ok()) return;
  context->transactions->Acknowledge(invite, dialog->MakeAck(response.cseq.number), flow);
  dialog->local_cseq += kStrayCSeqStep;
  SendBye(context,
          MakeBye(*context, &*dialog, "SIP;cause=487;text=\"nobody waits for this answer\""), flow,
          std::move(credentials), {});
}

}  // namespace sipctl::call
