#include "tests/support/sip_phone.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sipctl::sip {
namespace {

constexpr TimeMs kLongMs = 100 * kSecondMs;  // two refreshes of a session of 90 s
constexpr TimeMs kNonceMs = 40 * kSecondMs;  // shorter than long calls are: some are stale

Protocol ProtocolOf(const Dialog& dialog) {
  return dialog.flow.protocol;
}

// 10.0.0.<number>
uint8_t NumberOf(const Uri& uri) {
  uint32_t number = 0;
  const size_t dot = uri.host.rfind('.');
  if (dot == std::string::npos || !absl::SimpleAtoi(uri.host.substr(dot + 1), &number)) return 0;
  return static_cast<uint8_t>(number);
}

}  // namespace

SipPhone::SipPhone(SipNetwork* network, SipHost* host, uint8_t number, const SipHabits& habits)
    : network_(network),
      host_(host),
      number_(number),
      habits_(habits),
      digest_({.key = {number}, .nonce_ms = kNonceMs}) {
  Restart();
}

void SipPhone::Restart() {
  ++life_;
  calls_.clear();
  transactions_.clear();
  TransactionOptions options;
  options.branch_prefix = absl::StrCat("h", number_);
  options.key = {number_, static_cast<uint64_t>(life_)};
  layer_ = std::make_unique<TransactionLayer>(network_->timers(), host_, this, options);
  host_->set_user(layer_.get());
}

SipPhone::Call* SipPhone::Find(const std::string& call_id) {
  const auto found = calls_.find(call_id);
  return found == calls_.end() ? nullptr : &found->second;
}

SipPhone::Call* SipPhone::FindByTransaction(TransactionId id, std::string* call_id) {
  const auto found = transactions_.find(id);
  if (found == transactions_.end()) return nullptr;
  *call_id = found->second;
  return Find(found->second);
}

void SipPhone::After(TimeMs delay, const std::string& call_id, void (SipPhone::*act)(Call&)) {
  network_->timers()->After(delay, [this, call_id, act, life = life_] {
    Call* call = Find(call_id);
    if (life == life_ && call != nullptr && !call->ended) (this->*act)(*call);
  });
}

void SipPhone::End(Call& call) {
  if (call.ended) return;
  call.ended = true;
  call.ended_at = network_->timers()->now();
}

NameAddr SipPhone::Contact(Protocol protocol) const {
  NameAddr contact;
  contact.uri.user = absl::StrCat("phone", number_);
  contact.uri.host = absl::StrCat("10.0.0.", number_);
  contact.uri.port = 5060;
  if (IsReliable(protocol)) Set(&contact.uri.parameters, "transport", "tcp");
  return contact;
}

Flow SipPhone::FlowOf(const Dialog& dialog) const {
  Flow flow = SipHost::To(NumberOf(dialog.NextHop()), ProtocolOf(dialog));
  flow.connection = dialog.flow.connection;
  return flow;
}

std::string SipPhone::Sdp(const std::string& direction) {
  if (!habits_.speaks_sdp) return "v=0\r\n";
  const std::string host = absl::StrCat("192.0.2.", number_);
  ++next_sdp_;
  return absl::StrCat("v=0\r\no=phone 1 ", next_sdp_, " IN IP4 ", host, "\r\ns=-\r\nc=IN IP4 ",
                      host, "\r\nt=0 0\r\nm=audio ", 4000 + 2 * (next_sdp_ % 3),
                      " RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=", direction,
                      "\r\n");
}

void SipPhone::AddSdp(Message* message, const std::string& direction) {
  message->content_type = "application/sdp";
  message->body = Sdp(direction);
}

void SipPhone::Place(uint8_t to, Protocol protocol, const std::string& number) {
  const std::string call_id = absl::StrCat("c", number_, "-", life_, "-", ++next_call_);
  Message invite;
  invite.method = Method::kInvite;
  invite.request_uri = Uri{.user = number, .host = absl::StrCat("10.0.0.", to), .port = 5060};
  invite.from = Contact(protocol);
  invite.from.set_tag(absl::StrCat("f", life_, "x", next_call_));
  invite.to.uri = invite.request_uri;
  invite.call_id = call_id;
  invite.cseq = {1, Method::kInvite};
  invite.contact.push_back(Contact(protocol));
  const bool delayed =
      habits_.speaks_sdp && network_->dice()->Percent(habits_.delayed_offer_percent);
  if (!delayed) AddSdp(&invite, "sendrecv");
  Call& call = calls_[call_id];
  call.caller = true;
  call.number = number;
  if (network_->dice()->Percent(habits_.reliable_percent)) invite.require.emplace_back("100rel");
  Dress(call, &invite);
  AskForSession(call, &invite);
  call.forks = std::make_unique<Forks>(invite);
  call.invite.body = delayed ? "" : "offer";
  call.transaction = layer_->Send(invite, SipHost::To(to, protocol));
  transactions_[call.transaction] = call_id;
  const bool cancels = network_->dice()->Percent(habits_.cancel_percent);
  After(cancels ? Until(habits_.answer_ms_max) : habits_.ring_ms_max, call_id, &SipPhone::GiveUp);
}

void SipPhone::GiveUp(Call& call) {
  if (call.answered || call.status >= 200) return;
  call.cancelled = true;
  layer_->Cancel(call.transaction, "SIP;cause=487");
}

void SipPhone::OnRequest(TransactionId id, Message request, const Flow& flow) {
  if (!LetsIn(id, request, flow)) return;
  if (request.method == Method::kInvite && request.to.tag().empty()) {
    return OnInvite(id, std::move(request), flow);
  }
  Call* call = Find(request.call_id);
  if (call == nullptr || !call->dialog) return layer_->Respond(id, MakeResponse(request, 481));
  if (request.method == Method::kPrack) return OnPrack(*call, id, request);
  switch (call->dialog->AcceptRequest(request, flow)) {
    case DialogVerdict::kMismatch:
      return layer_->Respond(id, MakeResponse(request, 481));
    case DialogVerdict::kOldCSeq:
      return layer_->Respond(id, MakeResponse(request, 500));
    case DialogVerdict::kAccept:
      call->dialog->MoveTarget(request);  // who is called so refuses nothing
      break;
  }
  if (request.method == Method::kInvite) return OnReinvite(*call, id, request);
  if (request.method == Method::kUpdate) return OnUpdate(*call, id, request);
  layer_->Respond(id, MakeResponse(request, 200));
  if (request.method != Method::kBye) return;
  // 15.1.2: requests that are still open are answered with 487.
  if (!call->answered) {
    call->status = 487;
    layer_->Respond(call->transaction, MakeResponse(call->invite, 487));
  }
  End(*call);
}

void SipPhone::OnInvite(TransactionId id, Message request, const Flow& flow) {
  const std::string call_id = request.call_id;
  if (network_->dice()->Percent(habits_.unavailable_percent)) {
    return layer_->Respond(id, MakeResponse(request, 503));
  }
  // Sent again when its transaction was over: by one who stood still, and meets his timers now.
  if (calls_.contains(call_id)) return layer_->Respond(id, MakeResponse(request, 482));
  Call& call = calls_[call_id];
  call.number = request.request_uri.user;
  call.asks = asks_[call_id];
  call.reliable = network_->dice()->Percent(habits_.reliable_percent);
  call.by_update = network_->dice()->Percent(habits_.update_percent);
  if (network_->dice()->Percent(habits_.timer_percent)) call.session.interval_s = kMinSeDefaultS;
  call.asked = SessionTermsOf(request);
  call.transaction = id;
  transactions_[id] = call_id;
  call.offered = !request.body.empty();
  auto dialog = Dialog::FromRequest(request, layer_->ToTag(id), Contact(flow.protocol), flow);
  request.body.clear();
  call.invite = std::move(request);
  if (!dialog.ok()) {
    call.status = 400;
    End(call);
    return layer_->Respond(id, MakeResponse(call.invite, 400));
  }
  call.dialog = *std::move(dialog);
  if (network_->dice()->Percent(habits_.ring_percent)) {
    After(Until(habits_.answer_ms_max / 2), call_id, &SipPhone::Ring);
  }
  After(Until(habits_.answer_ms_max), call_id, &SipPhone::Answer);
}

void SipPhone::Ring(Call& call) {
  if (call.status != 0) return;
  Message response = MakeResponse(call.invite, 180);
  if (habits_.speaks_sdp && call.offered &&
      network_->dice()->Percent(habits_.early_media_percent)) {
    if (network_->dice()->Percent(habits_.fork_percent)) call.fork = "another-telephone";
    response = MakeResponse(call.invite, 183, call.fork);
    AddSdp(&response, "sendrecv");
  }
  response.contact.push_back(call.dialog->local_contact);
  Dress(call, &response);
  if (call.reliable) return RingReliably(call, std::move(response));
  layer_->Respond(call.transaction, std::move(response));
}

void SipPhone::Answer(Call& call) {
  if (call.status != 0) return;
  if (call.rings_unheard != 0) {  // RFC 3262 section 3
    return After(100, call.invite.call_id, &SipPhone::Answer);
  }
  const bool busy = network_->dice()->Percent(habits_.busy_percent);
  call.status = busy ? 486 : 200;
  Message response = MakeResponse(call.invite, call.status);
  if (busy) {
    End(call);
  } else {
    call.answered = true;
    call.dialog->Confirm();
    response.contact.push_back(call.dialog->local_contact);
    Dress(call, &response);
    AgreeOnSession(call, call.asked, &response);
    const bool answered = call.answer_in_ring && network_->dice()->Percent(50);
    if (!answered) AddSdp(&response, "sendrecv");
  }
  layer_->Respond(call.transaction, std::move(response));
}

void SipPhone::OnCancel(TransactionId invite, Message) {
  std::string call_id;
  Call* call = FindByTransaction(invite, &call_id);
  if (call == nullptr || call->transaction != invite || call->status != 0) return;
  call->cancelled = true;
  call->status = 487;
  End(*call);
  layer_->Respond(invite, MakeResponse(call->invite, 487));
}

void SipPhone::OnAck(TransactionId invite, Message, const Flow&) {
  std::string call_id;
  Call* call = FindByTransaction(invite, &call_id);
  if (call == nullptr || call->transaction != invite) return;
  call->confirmed = true;
  if (!call->ended) PlanTalk(*call, call_id);
}

void SipPhone::PlanTalk(Call& call, const std::string& call_id) {
  call.talked = true;
  if (network_->dice()->Percent(habits_.reinvite_percent)) {
    After(Until(habits_.hold_ms_max / 4), call_id,
          call.by_update ? &SipPhone::Update : &SipPhone::Reinvite);
  }
  // Both will hang up; the first one does it, at times both at once. A call is long by its number,
  // or one side would cut short what the other one has planned.
  const bool lasts =
      !call.number.empty() && SipHash({1, 2}, call.number) % 100 < habits_.long_percent;
  After((lasts ? kLongMs : 1) + Until(habits_.hold_ms_max), call_id, &SipPhone::HangUp);
}

void SipPhone::HangUp(Call& call) {
  if (call.bye_sent || !call.dialog) return;
  call.bye_sent = true;
  Bye(&*call.dialog);
}

void SipPhone::Bye(Dialog* dialog) {
  const TransactionId id = layer_->Send(dialog->MakeRequest(Method::kBye), FlowOf(*dialog));
  transactions_[id] = dialog->call_id;
}

void SipPhone::Reinvite(Call& call) {
  if (call.bye_sent || call.reinvite_out != 0 || call.reinvite_in != 0 || call.update_out != 0) {
    return;
  }
  Message request = call.dialog->MakeRequest(Method::kInvite);
  call.reinvite_delayed = false;
  if (habits_.speaks_sdp) {
    constexpr const char* kDirections[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
    call.reinvite_delayed = network_->dice()->Percent(habits_.delayed_offer_percent);
    if (!call.reinvite_delayed) AddSdp(&request, kDirections[network_->dice()->Below(4)]);
  }
  Dress(call, &request);
  AskForSession(call, &request);
  call.reinvite_out = layer_->Send(std::move(request), FlowOf(*call.dialog));
  transactions_[call.reinvite_out] = call.dialog->call_id;
}

void SipPhone::OnReinvite(Call& call, TransactionId id, const Message& request) {
  transactions_[id] = request.call_id;
  if (call.reinvite_out != 0 ||
      (call.update_out != 0 && call.update_offers)) {  // RFC 3261 section 14.2
    ++call.glares;
    return layer_->Respond(id, MakeResponse(request, 491));
  }
  if (call.reinvite_in != 0) return layer_->Respond(id, MakeResponse(request, 500));
  call.reinvite_in = id;
  const std::string call_id = request.call_id;
  network_->timers()->After(Until(200), [this, id, call_id, request, life = life_] {
    Call* later = Find(call_id);
    if (life != life_ || later == nullptr) return;
    later->reinvite_in = 0;
    Message response = MakeResponse(request, later->ended ? 487 : 200);
    if (!later->ended) {
      response.contact.push_back(later->dialog->local_contact);
      if (habits_.speaks_sdp) AddSdp(&response, Mirrored(request.body));
      Dress(*later, &response);
      AgreeOnSession(*later, SessionTermsOf(request), &response);
    }
    layer_->Respond(id, std::move(response));
  });
}

void SipPhone::OnResponse(TransactionId id, Message response, const Flow& flow, ResponseOrigin) {
  std::string call_id;
  Call* call = FindByTransaction(id, &call_id);
  if (call == nullptr) return;
  if (response.cseq.method == Method::kBye) {
    if (response.status >= 200) End(*call);
  } else if (response.cseq.method != Method::kInvite) {
    OnAside(*call, id, response);
  } else if (id == call->transaction) {
    OnInviteResponse(*call, id, response, flow);
  } else {
    OnReinviteResponse(*call, id, response);
  }
}

void SipPhone::OnInviteResponse(Call& call, TransactionId id, const Message& response,
                                const Flow& flow) {
  if (response.status >= 300) {
    call.status = response.status;
    End(call);
    return;
  }
  const Forks::Update update = call.forks->OnResponse(response, flow);
  if (update.dialog == nullptr) return;
  if (response.status < 200) return OnProvisional(call, response, update.dialog);
  call.status = 200;
  call.answered = true;
  call.dialog = *update.dialog;
  if (call.session.interval_s != 0) StartTimer(call, AgreeAsClient(SessionTermsOf(response)));
  const std::string call_id = response.call_id;
  network_->timers()->After(Until(habits_.ack_delay_ms_max),
                            [this, call_id, id, cseq = response.cseq.number,
                             tag = std::string(response.to.tag()), flow, life = life_] {
                              if (life == life_) Acknowledge(call_id, id, cseq, tag, flow);
                            });
}

void SipPhone::Acknowledge(const std::string& call_id, TransactionId id, uint32_t cseq,
                           std::string remote_tag, Flow flow) {
  Call* call = Find(call_id);
  if (call == nullptr || !call->dialog) return;
  (void)remote_tag;
  Message ack = call->dialog->MakeAck(cseq);
  const bool first = id == call->transaction;
  if (habits_.speaks_sdp && (first ? call->invite.body.empty() : call->reinvite_delayed)) {
    AddSdp(&ack, "sendrecv");
  }
  layer_->Acknowledge(id, std::move(ack), flow);
  if (!first) return;
  call->confirmed = true;
  if (call->ended) return;
  if (call->cancelled) {
    HangUp(*call);  // the 2xx crossed our CANCEL
  } else {
    PlanTalk(*call, call_id);
  }
}

void SipPhone::OnReinviteResponse(Call& call, TransactionId id, const Message& response) {
  if (response.status < 200) return;
  if (call.reinvite_out == id) call.reinvite_out = 0;
  if (response.status < 300) {
    call.dialog->AcceptResponse(response, call.dialog->flow);
    ++call.reinvites;
    if (call.session.interval_s != 0) StartTimer(call, AgreeAsClient(SessionTermsOf(response)));
    Acknowledge(response.call_id, id, response.cseq.number, {}, FlowOf(*call.dialog));
  } else if (response.status == 491 && !call.ended) {
    ++call.glares;
    After(call.caller ? 2100 + Until(1900) : Until(2000), response.call_id, &SipPhone::Reinvite);
  } else if (response.status == 481 || response.status == 408) {
    HangUp(call);  // 12.2.1.2
  } else if (call.timer && call.timer->ours) {
    After(2000, response.call_id, &SipPhone::Refresh);
  }
}

void SipPhone::OnServerFailure(TransactionId id, ServerFailure failure) {
  std::string call_id;
  Call* call = FindByTransaction(id, &call_id);
  if (call == nullptr || failure != ServerFailure::kNoAck || call->ended) return;
  if (id == call->transaction) call->no_ack = true;
  HangUp(*call);
}

}  // namespace sipctl::sip
