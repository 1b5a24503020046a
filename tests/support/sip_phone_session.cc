// What a telephone does beside calling and hanging up: it rings reliably, offers and refreshes by
// UPDATE, asks who is there, and lets a session expire.
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/sip_phone.h"

namespace sipctl::sip {
namespace {

constexpr TimeMs kT1 = 500;
constexpr DigestAlgorithm kHashes[] = {DigestAlgorithm::kSha256, DigestAlgorithm::kMd5};

}  // namespace

// ---- who is there -------------------------------------------------------------------------------

bool SipPhone::LetsIn(TransactionId id, const Message& request, const Flow& flow) {
  if (habits_.challenge_percent == 0) return true;
  // Who is asked for the first INVITE is asked for each request; PRACK has no time for it.
  if (request.method == Method::kInvite && request.to.tag().empty() &&
      !asks_.contains(request.call_id)) {
    asks_[request.call_id] = network_->dice()->Percent(habits_.challenge_percent);
  }
  const auto found = asks_.find(request.call_id);
  if (found == asks_.end() || !found->second || request.method == Method::kPrack) return true;
  const DigestRealm realm{.realm = habits_.realm, .algorithms = kHashes};
  const DigestServer::Outcome outcome = digest_.Examine(
      request, realm, flow.remote,
      [this](const std::string& user) {
        return user == habits_.user ? &habits_.password : nullptr;
      },
      network_->timers()->now());
  if (outcome.verdict == DigestVerdict::kRight) {
    ++logins_;
    return true;
  }
  wrong_logins_ += outcome.verdict == DigestVerdict::kWrong;
  ++challenges_;
  Message response = MakeResponse(request, 401);
  for (std::string& value :
       digest_.Challenge(realm, flow.remote, outcome.verdict == DigestVerdict::kStale,
                         network_->timers()->now())) {
    response.others.push_back({"WWW-Authenticate", std::move(value)});
  }
  layer_->Respond(id, std::move(response));
  return false;
}

// ---- 18x that are acknowledged ------------------------------------------------------------------

void SipPhone::OnProvisional(Call& call, const Message& response, Dialog* dialog) {
  if (dialog->AcceptReliable(response) != ReliableVerdict::kNew) return;
  const TransactionId id = layer_->Send(dialog->MakePrack(response), FlowOf(*dialog));
  transactions_[id] = response.call_id;
  call.answered_early |= !response.body.empty();
}

void SipPhone::RingReliably(Call& call, Message response) {
  response.require.emplace_back("100rel");
  response.rseq = call.rings_unheard = 1 + static_cast<uint32_t>(Until(1000));
  call.answer_in_ring = !response.body.empty() && call.fork.empty();
  layer_->Respond(call.transaction, response);
  RepeatRing(call.invite.call_id, response, kT1);
}

void SipPhone::RepeatRing(const std::string& call_id, const Message& response, TimeMs interval) {
  network_->timers()->After(interval, [this, call_id, response, interval, life = life_] {
    Call* call = Find(call_id);
    if (life != life_ || call == nullptr || call->status != 0) return;
    if (call->rings_unheard != response.rseq) return;
    if (interval < 32 * kT1) {
      layer_->Respond(call->transaction, response);
      return RepeatRing(call_id, response, 2 * interval);
    }
    call->status = 504;
    End(*call);
    layer_->Respond(call->transaction, MakeResponse(call->invite, 504));
  });
}

void SipPhone::OnPrack(Call& call, TransactionId id, const Message& request) {
  // A fork that rings has a dialog of its own, of which nothing else is known here.
  const bool fork = !call.fork.empty() && request.to.tag() == call.fork;
  if (!fork && call.dialog->AcceptRequest(request, call.dialog->flow) != DialogVerdict::kAccept) {
    return layer_->Respond(id, MakeResponse(request, 481));
  }
  if (!request.rack || request.rack->rseq != call.rings_unheard || call.rings_unheard == 0) {
    return layer_->Respond(id, MakeResponse(request, 481));
  }
  call.rings_unheard = 0;
  layer_->Respond(id, MakeResponse(request, 200));
}

// The direction that answers an offer; an offer of our own where there is none.
std::string SipPhone::Mirrored(const std::string& offer) {
  if (offer.find("a=inactive") != std::string::npos) return "inactive";
  if (offer.find("a=sendonly") != std::string::npos) return "recvonly";
  if (offer.find("a=recvonly") != std::string::npos) return "sendonly";
  return "sendrecv";
}

// ---- UPDATE -------------------------------------------------------------------------------------

void SipPhone::Dress(Call& call, Message* message) const {
  if (message->is_request && call.caller && message->to.tag().empty()) {
    call.by_update = network_->dice()->Percent(habits_.update_percent);
  }
  if (!call.by_update) return;
  for (const char* method : {"INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE"}) {
    message->allow.emplace_back(method);
  }
}

void SipPhone::OnUpdate(Call& call, TransactionId id, const Message& request) {
  const bool offers = !request.body.empty();
  if (offers && (call.reinvite_out != 0 || (call.update_out != 0 && call.update_offers))) {
    ++call.glares;
    return layer_->Respond(id, MakeResponse(request, 491));
  }
  if (offers && call.reinvite_in != 0) return layer_->Respond(id, MakeResponse(request, 500));
  Message response = MakeResponse(request, 200);
  response.contact.push_back(call.dialog->local_contact);
  if (offers && habits_.speaks_sdp) AddSdp(&response, Mirrored(request.body));
  Dress(call, &response);
  AgreeOnSession(call, SessionTermsOf(request), &response);
  layer_->Respond(id, std::move(response));
}

void SipPhone::Update(Call& call) {
  if (call.bye_sent || call.reinvite_out != 0 || call.reinvite_in != 0 || call.update_out != 0) {
    return;
  }
  SendUpdate(call, &*call.dialog, /*offers=*/true);
}

void SipPhone::SendUpdate(Call& call, Dialog* dialog, bool offers) {
  Message request = dialog->MakeRequest(Method::kUpdate);
  constexpr const char* kDirections[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
  if (offers) AddSdp(&request, kDirections[network_->dice()->Below(4)]);
  Dress(call, &request);
  if (dialog->state == DialogState::kConfirmed) AskForSession(call, &request);
  call.update_offers = offers;
  call.update_out = layer_->Send(std::move(request), FlowOf(*dialog));
  transactions_[call.update_out] = dialog->call_id;
}

// The answer to a PRACK or UPDATE.
void SipPhone::OnAside(Call& call, TransactionId id, const Message& response) {
  if (response.status < 200) return;
  const bool good = response.status < 300;
  if (response.cseq.method == Method::kPrack) {
    call.pracks += good;
    // RFC 3311 section 5.1: the first offer is answered. Not beside the PRACK: it would overtake
    // it.
    Dialog* early = call.answered || call.cancelled ? nullptr : call.forks->Find(response.to.tag());
    if (good && early != nullptr && call.by_update && call.answered_early && call.update_out == 0) {
      SendUpdate(call, early, /*offers=*/true);
    }
    return;
  }
  if (call.update_out == id) call.update_out = 0;
  if (good) {
    ++call.updates;
    if (!call.dialog || !call.answered) return;
    call.dialog->AcceptResponse(response, call.dialog->flow);
    const SessionTerms terms = SessionTermsOf(response);
    if (call.session.interval_s != 0 && terms.interval_s != 0) {
      StartTimer(call, AgreeAsClient(terms));
    }
  } else if (!call.answered || call.ended) {
    return;
  } else if (response.status == 491) {
    ++call.glares;
    After(call.caller ? 2100 + Until(1900) : Until(2000), response.call_id, &SipPhone::Update);
  } else if (response.status == 481 || response.status == 408) {
    HangUp(call);  // RFC 3261 section 12.2.1.2
  } else if (call.timer && call.timer->ours) {
    After(2000, response.call_id, &SipPhone::Refresh);
  }
}

// ---- sessions that expire -----------------------------------------------------------------------

void SipPhone::AskForSession(Call& call, Message* request) {
  const bool first = request->to.tag().empty();
  if (first && network_->dice()->Percent(habits_.timer_percent)) {
    call.session.interval_s = kMinSeDefaultS;
  }
  AskFor(call.session, call.timer, request);
  if (!first || call.session.interval_s == 0 || network_->dice()->Percent(50)) return;
  request->others.back().value.append(";refresher=uac");
}

void SipPhone::AgreeOnSession(Call& call, const SessionTerms& asked, Message* response) {
  auto timer = AgreeAsServer(call.session, asked);
  if (!timer) return;
  if (asked.supported && !asked.refresher && network_->dice()->Percent(50)) timer->ours = false;
  AddTerms(*timer, asked, response);
  StartTimer(call, timer);
}

void SipPhone::StartTimer(Call& call, const std::optional<SessionTimer>& timer) {
  call.timer = timer;
  const int round = ++call.timer_round;
  if (!timer) return;
  const auto at = [&](TimeMs delay, void (SipPhone::*act)(Call&)) {
    const std::string& call_id = call.dialog->call_id;
    network_->timers()->After(delay, [this, call_id, act, round, life = life_] {
      Call* later = life == life_ ? Find(call_id) : nullptr;
      if (later != nullptr && !later->ended && later->timer_round == round) (this->*act)(*later);
    });
  };
  if (timer->ours) at(timer->RefreshAfter(), &SipPhone::Refresh);
  at(timer->ExpiresAfter(), &SipPhone::Expire);
}

void SipPhone::Refresh(Call& call) {
  if (call.bye_sent) return;
  if (call.reinvite_out != 0 || call.reinvite_in != 0 || call.update_out != 0) {
    return After(1000, call.dialog->call_id, &SipPhone::Refresh);
  }
  ++call.refreshes;
  if (call.by_update) {
    SendUpdate(call, &*call.dialog, /*offers=*/false);
  } else {
    Reinvite(call);
  }
}

void SipPhone::Expire(Call& call) {
  if (call.bye_sent) return;
  call.expired = true;
  HangUp(call);
}

}  // namespace sipctl::sip
