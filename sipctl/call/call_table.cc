#include "sipctl/call/call_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/call/admission.h"
#include "sipctl/call/health.h"
#include "sipctl/call/leg.h"
#include "sipctl/call/registrar.h"
#include "sipctl/call/status.h"
#include "sipctl/clock.h"
#include "sipctl/sip/multipart.h"

namespace sipctl::call {

namespace {

constexpr uint32_t kRetryAfterDrainS = 30;
constexpr uint32_t kRetryAfterRelayS = 5;

}  // namespace

CallTable::CallTable(Context* context, const trunk::Acl* acl, const trunk::Router* router)
    : context_(context), acl_(acl), router_(router), recovery_(context) {}

CallTable::~CallTable() = default;

// ---- finding -----------------------------------------------------------------------------------

Call* CallTable::ByNumber(CallNumber number) {
  const auto found = calls_.find(number);
  return found == calls_.end() ? nullptr : found->second.get();
}

CallTable::Found CallTable::ByTransaction(sip::TransactionId id) {
  const auto owner = context_->by_transaction.find(id);
  if (owner == context_->by_transaction.end()) return {};
  Call* call = ByNumber(owner->second.call);
  if (call == nullptr) return {};
  return {.call = call, .leg = call->leg(owner->second.leg)};
}

CallTable::Found CallTable::ByDialog(const sip::Message& request) {
  const auto owner = context_->by_local_tag.find(std::string(request.to.tag()));
  if (owner == context_->by_local_tag.end()) return {};
  Call* call = ByNumber(owner->second.call);
  if (call == nullptr) return {};
  return {.call = call, .leg = call->leg(owner->second.leg)};
}

void CallTable::Collect() {
  for (CallNumber number : std::exchange(context_->ended, {})) {
    const Call* call = ByNumber(number);
    if (call != nullptr && call->done()) calls_.erase(number);
  }
}

void CallTable::ForEach(const std::function<void(const Call::View&)>& visit) const {
  std::vector<CallNumber> numbers;
  numbers.reserve(calls_.size());
  for (const auto& [number, call] : calls_) numbers.push_back(number);
  std::sort(numbers.begin(), numbers.end());
  for (CallNumber number : numbers) {
    const Call& call = *calls_.at(number);
    if (call.phase() != Phase::kEnded) visit(call.Look());
  }
}

bool CallTable::Uses(size_t trunk) const {
  return std::any_of(calls_.begin(), calls_.end(), [trunk](const auto& each) {
    return each.second->leg(0)->trunk_index() == trunk ||
           each.second->leg(1)->trunk_index() == trunk;
  });
}

void CallTable::FinishAll(const End& end) {
  for (auto& [number, call] : calls_) call->Finish(end);
  Collect();
}

// ---- requests ----------------------------------------------------------------------------------

void CallTable::Refuse(sip::TransactionId id, sip::Message response) {
  AddProduct(*context_, &response);
  context_->transactions->Respond(id, std::move(response));
}

void CallTable::Refuse(sip::TransactionId id, const sip::Message& request, int status,
                       std::string_view reason, uint32_t retry_after_s) {
  sip::Message response = sip::MakeResponse(request, status);
  AddReason(reason, &response);
  if (retry_after_s > 0) response.retry_after = retry_after_s;
  Refuse(id, std::move(response));
}

void CallTable::OnRequest(sip::TransactionId id, sip::Message request, const sip::Flow& flow) {
  if (request.method == sip::Method::kRegister && context_->IsAccess(flow.listener) &&
      context_->registrar != nullptr) {
    if (SourceOf(flow)) {
      Refuse(id, context_->registrar->Answer(request, flow));
    } else {
      Refuse(id, request, 403);
    }
  } else if (auto response = Examine(&request)) {
    Refuse(id, *std::move(response));
  } else if (!request.to.tag().empty()) {
    const Found found = ByDialog(request);
    if (found && IsReachedBy(flow, *found.leg)) {
      found.call->OnRequest(found.leg, id, request, flow);
    } else {
      Refuse(id, request, 481);
    }
  } else if (request.method == sip::Method::kInvite) {
    Admit(id, request, flow);
  } else if (request.method != sip::Method::kOptions) {
    Refuse(id, request, 481);  // a BYE that belongs to no dialog
  } else if (draining_) {
    Refuse(id, request, 503, {}, kRetryAfterDrainS);
  } else {
    const auto trunk = SourceOf(flow);
    context_->transactions->Respond(
        id, MakeOptionsAnswer(*context_, request, trunk ? &context_->trunk(*trunk) : nullptr));
  }
  Collect();
}

// A dialog of a trunk without users is none of those who may knock at an access listener.
bool CallTable::IsReachedBy(const sip::Flow& flow, const Leg& leg) const {
  return !context_->IsAccess(flow.listener) || !context_->trunk(leg.trunk_index()).users.empty();
}

std::optional<size_t> CallTable::SourceOf(const sip::Flow& flow) const {
  if (!context_->IsAccess(flow.listener)) return acl_->Find(media::FromAbi(flow.remote.address));
  // The doorkeeper has let it in as somebody's.
  if (flow.peer == 0 || flow.peer > context_->config->trunks.size()) return std::nullopt;
  return flow.peer - size_t{1};
}

std::optional<sip::Message> CallTable::Unreachable(const sip::Message& invite,
                                                   const trunk::Decision& decision) const {
  const bool users = !context_->trunk(*decision.trunk).users.empty();
  if (users ? !WaysTo(*context_, *decision.trunk, decision.number).empty()
            : !context_->destinations->All(*decision.trunk).empty()) {
    return std::nullopt;
  }
  const int status = users ? 480 : 503;
  sip::Message response = sip::MakeResponse(invite, status);
  AddReason(SipReason(status, users ? "nobody has logged in" : "the destination has no address"),
            &response);
  return response;
}

// RFC 3261 section 16.3: an INVITE of ours comes back and would leave as it has left. To another
// number or trunk it is a spiral, which a PBX may well make that forwards a call.
bool CallTable::IsLoop(const sip::Message& invite, const trunk::Decision& decision) {
  return std::any_of(invite.via.begin() + 1, invite.via.end(), [&](const sip::Via& via) {
    const Found sent = ByTransaction(context_->transactions->SentWith(via));
    return sent && sent.call->plan().destination == *decision.trunk &&
           sent.call->plan().first.number == decision.number;
  });
}

// A new call: who calls, whom, and whether there is room for it.
void CallTable::Admit(sip::TransactionId id, const sip::Message& invite, const sip::Flow& flow) {
  const auto now_ns = static_cast<uint64_t>(context_->timers->now()) * kNsPerMs;
  const std::optional<size_t> source = SourceOf(flow);
  if (!source) return Refuse(id, invite, 403);
  if (draining_) return Refuse(id, invite, 503, {}, kRetryAfterDrainS);
  const sip::SessionPolicy session_policy = SessionPolicyOf(context_->trunk(*source));
  if (sip::IsTooShort(session_policy, sip::SessionTermsOf(invite))) {
    sip::Message response = sip::MakeResponse(invite, 422);
    sip::AddMinSe(session_policy.min_s, &response);
    return Refuse(id, std::move(response));
  }
  std::optional<sdp::Description> offer;
  if (!invite.body.empty()) {
    auto parsed = sdp::Parse(invite.body);
    if (!parsed.ok()) return Refuse(id, invite, 400, SipReason(400, parsed.status()));
    offer = *std::move(parsed);
  }
  const trunk::Trunk& from = context_->trunk(*source);
  const std::string number = CalledOf(from, invite);
  const trunk::Decision decision = router_->Find(
      {.source = *source, .number = number, .address = media::FromAbi(flow.remote.address)});
  if (!decision.trunk) return Refuse(id, invite, decision.status);
  if (IsLoop(invite, decision)) return Refuse(id, invite, 482);
  if (auto response = Unreachable(invite, decision)) return Refuse(id, *std::move(response));
  if (!context_->relay->ready()) {
    return Refuse(id, invite, 503, SipReason(503, "no relay"), kRetryAfterRelayS);
  }
  const trunk::Admission admission = context_->limits->Begin(*source, *decision.trunk, now_ns);
  if (admission != trunk::Admission::kAdmitted) {
    return Refuse(id, invite, 503, SipReason(503, trunk::AdmissionName(admission)),
                  context_->limits->RetryAfterSeconds(*decision.trunk, now_ns));
  }
  const auto session = context_->relay->Open(context_->media.trunks[*source].local,
                                             context_->media.trunks[*decision.trunk].local);
  if (!session) {
    context_->limits->End(*source, *decision.trunk);
    return Refuse(id, invite, 503, SipReason(503, "no free media port"), kRetryAfterRelayS);
  }
  const trunk::Trunk& to = context_->trunk(*decision.trunk);
  Caller caller = CallerOf(from, invite);
  caller.number = trunk::FromE164(to.number_plan, to.number_form,
                                  trunk::ToE164(from.number_plan, caller.number));
  Plan plan{.source = *source,
            .destination = *decision.trunk,
            .first = {.trunk = *decision.trunk,
                      .number = decision.number,
                      .caller = std::move(caller),
                      .passed = PassedHeaders(from, to, invite),
                      .max_forwards = static_cast<uint8_t>(invite.max_forwards.value_or(71) - 1),
                      .flow = decision.flow},
            .caller = invite.from.uri.user,
            .called = number};
  auto& call = calls_[*session];
  call = std::make_unique<Call>(context_, *session, std::move(plan));
  call->Start(id, invite, offer, flow);
}

void CallTable::OnAck(sip::TransactionId invite, sip::Message ack, const sip::Flow&) {
  sip::TakeDescription(&ack);  // where there is none, the call ends as without an answer
  if (const Found found = ByTransaction(invite)) found.call->OnAck(found.leg, ack);
  Collect();
}

void CallTable::OnCancel(sip::TransactionId invite, sip::Message cancel) {
  if (const Found found = ByTransaction(invite)) found.call->OnCancel(found.leg, cancel);
  Collect();
}

void CallTable::OnResponse(sip::TransactionId id, sip::Message response, const sip::Flow& flow,
                           sip::ResponseOrigin origin) {
  sip::TakeDescription(&response);  // one that cannot be read is none
  if (const Found found = ByTransaction(id)) {
    found.call->OnResponse(found.leg, response, flow, origin);
  } else if (OnFarewellAnswered(context_, id, response) || OnLateAnswer(context_, id, response) ||
             (context_->health != nullptr && context_->health->OnResponse(id, response, origin))) {
    // Nobody's call.
  } else if (response.method == sip::Method::kInvite && response.status / 100 == 2) {
    const std::optional<size_t> trunk = SourceOf(flow);
    HangUpStray(context_, id, response, flow, trunk ? context_->credentials_of(*trunk) : nullptr);
  }
  Collect();
}

void CallTable::OnServerFailure(sip::TransactionId id, sip::ServerFailure failure) {
  const Found found = ByTransaction(id);
  if (found && failure == sip::ServerFailure::kNoAck) {
    found.call->OnNoAck(found.leg);
  } else if (found) {
    found.call->Finish({.text = "an answer could not be sent"});
  }
  Collect();
}

void CallTable::OnRewritten(const sip::Via& theirs, const sip::Flow& flow) {
  const std::optional<size_t> trunk = SourceOf(flow);
  if (!trunk || !rewritten_.insert(context_->trunk(*trunk).name).second) return;
  const sip::Advertised& ours = context_->transport->advertised(flow.listener);
  context_->log->OnNotice(absl::StrCat(
      "trunk ", context_->trunk(*trunk).name, ": a response from ", sip::ToString(flow.remote),
      " was for ", theirs.host, ":", theirs.port, " where we had written ", ours.host, ":",
      ours.port, ": something on the way rewrites SIP (an ALG); switch it off, or use TLS"));
}

// ---- the relay ---------------------------------------------------------------------------------

void CallTable::OnSettled(media::SessionId session, relay::abi::Refusal refusal) {
  if (Call* call = ByNumber(session)) call->OnSettled(refusal);
  Collect();
}

void CallTable::OnMediaTimeout(media::SessionId session, uint8_t leg) {
  if (Call* call = ByNumber(session)) call->OnMediaTimeout(leg);
  Collect();
}

void CallTable::OnDigit(media::SessionId session, uint8_t leg, const relay::abi::DigitBody& digit) {
  if (Call* call = ByNumber(session)) call->OnDigit(leg, digit.event, digit.duration_ms);
}

void CallTable::OnLegEnded(media::SessionId session, uint8_t leg,
                           const relay::abi::LegStatistics& totals) {
  if (Call* call = ByNumber(session)) call->OnLegTotals(leg, totals);
}

void CallTable::OnSessionEnded(media::SessionId session, relay::abi::EndReason reason) {
  if (Call* call = ByNumber(session)) call->OnSessionEnded(reason);
  Collect();
}

void CallTable::OnRelayLost() {
  for (auto& [number, call] : calls_) call->OnRelayLost();
  if (context_->journal_memory.empty()) context_->journal->Close();
  context_->log->OnNotice("the relay is gone; waiting for another one");
}

void CallTable::OnRelayBack(bool resumed, std::span<uint8_t> memory) {
  const uint64_t cookie = context_->settings.owner_cookie;
  if (!std::exchange(joined_before_, true)) {
    context_->log->OnNotice(resumed ? "joined the relay; it has known us before"
                                    : "joined the relay");
    recovery_.Begin(context_->journal_memory.empty() ? memory : context_->journal_memory, cookie);
    return;
  }
  context_->log->OnNotice(
      absl::StrCat("joined a relay again; ", calls_.size(), " calls are opened in it"));
  if (context_->journal_memory.empty()) {
    context_->journal->Format(memory, cookie);
    for (auto& [number, call] : calls_) call->RecordAgain();
  }
  for (auto& [number, call] : calls_) call->OfferNewKeys();
  for (media::SessionId session : context_->relay->Foreign()) {
    context_->relay->CloseForeign(session);
  }
}

void CallTable::OnRelayGone() {
  FinishAll({.status = 503,
             .text = "the relay is gone and none came back",
             .reason = Q850Reason(41, "media is gone")});
}

}  // namespace sipctl::call
