#include "sipctl/call/call.h"
#include "sipctl/call/reason.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/call/admission.h"
#include "sipctl/call/record.h"
#include "sipctl/call/status.h"
#include "sipctl/clock.h"

namespace sipctl::call {

namespace {

// How long the relay may take to count the packets of a call that ended.
constexpr TimeMs kTotalsMs = 5 * kSecondMs;
// How often a new call steps around media ports that another program has.
constexpr int kOtherPortsMax = 3;

// The shorter of two lengths in ms, 0 = none.
uint32_t LengthMs(const trunk::Trunk& a, const trunk::Trunk& b) {
  uint64_t shortest = 0;
  for (uint64_t length_ns : {a.call_length_max_ns, b.call_length_max_ns}) {
    if (length_ns != 0 && (shortest == 0 || length_ns < shortest)) shortest = length_ns;
  }
  return static_cast<uint32_t>(
      std::min<uint64_t>(shortest / kNsPerMs, std::numeric_limits<uint32_t>::max()));
}

std::string CodecOf(const Leg& leg) {
  const auto& agreed = leg.offer_answer.plan();
  if (!agreed || agreed->formats.empty()) return {};
  return std::string(sdp::CodecName(agreed->formats.front().codec));
}

}  // namespace

Call::Call(Context* context, CallNumber number, Plan plan)
    : context_(context),
      number_(number),
      plan_(std::move(plan)),
      near_(context, {.call = number, .leg = 0}, plan_.source),
      far_(context, {.call = number, .leg = 1}, plan_.destination),
      bridge_(context, number, &near_, &far_,
              LengthMs(context->trunk(plan_.source), context->trunk(plan_.destination))),
      started_(context->timers->now()) {
  FindLocals();
  Watch(&near_);
  Watch(&far_);
}

void Call::FindLocals() {
  for (Leg* leg : {&near_, &far_}) {
    const auto local = context_->relay->LocalOf(number_, leg->number());
    if (local) leg->local = context_->media.trunks[leg->trunk_index()].Advertised(*local);
  }
}

Call::~Call() {
  context_->timers->Cancel(&timer_);
  context_->timers->Cancel(&response_timer_);
  context_->timers->Cancel(&end_timer_);
}

bool Call::done() const {
  return phase_ == Phase::kEnded && session_over_ && !near_.bye_waits() && !far_.bye_waits();
}

void Call::SetTimer(TimeMs delay, std::function<void()> fire) {
  context_->timers->Cancel(&timer_);
  timer_ = context_->timers->After(delay, [this, act = std::move(fire)] {
    timer_ = 0;
    act();
  });
}

// ---- the beginning -----------------------------------------------------------------------------

void Call::Start(sip::TransactionId id, const sip::Message& invite,
                 const std::optional<sdp::Description>& offer, const sip::Flow& flow) {
  if (const absl::Status made = near_.Receive(id, invite, flow); !made.ok()) {
    Reply(id, invite, 400);
    Finish({.status = 400, .text = std::string(made.message())});
    return;
  }
  KeepHeaders(near_, invite);
  delayed_offer_ = !offer.has_value();
  if (offer) {
    const sdp::Result result = near_.offer_answer.ReceiveOffer(*offer);
    if (!result.ok()) {
      Finish({.status = 488, .text = result.detail, .reason = SipReason(488, result.detail)});
      return;
    }
    near_.wish = near_.offer_answer.offered_direction();
  }
  bridge_.Prepare();
  Record();
  SetTimer(kPrepareMs, [this] {
    Finish({.status = 503, .text = "the relay did not answer in time", .retry_after_s = 2});
  });
}

void Call::OnSettled(relay::abi::Refusal refusal) {
  if (refusal != relay::abi::Refusal::kNone) {
    if (StepAroundTakenPorts(refusal)) return;
    Finish({.status = 503,
            .text = absl::StrCat("the relay refused: ", relay::abi::RefusalSentence(refusal)),
            .reason = Q850Reason(47, "resource unavailable"),
            .retry_after_s = 1});
    return;
  }
  if (phase_ == Phase::kPreparing) InviteFar();
}

// Before anybody was told of them, ports can be changed.
bool Call::StepAroundTakenPorts(relay::abi::Refusal refusal) {
  using relay::abi::Refusal;
  if (refusal != Refusal::kBindFailed && refusal != Refusal::kPortInUse) return false;
  if (phase_ != Phase::kPreparing || other_ports_ == kOtherPortsMax) return false;
  ++other_ports_;
  const auto& trunks = context_->media.trunks;
  if (!context_->relay->StepAround(number_, trunks[plan_.source].local,
                                   trunks[plan_.destination].local)) {
    return false;
  }
  FindLocals();
  context_->log->OnNotice("a media port that the relay lends us is taken by another program");
  return true;
}

// ---- requests inside a dialog ------------------------------------------------------------------

void Call::Reply(sip::TransactionId id, const sip::Message& request, int status,
                 uint32_t retry_after_s) {
  sip::Message response = sip::MakeResponse(request, status, context_->transactions->ToTag(id));
  AddProduct(*context_, &response);
  if (retry_after_s > 0) response.retry_after = retry_after_s;
  context_->transactions->Respond(id, std::move(response));
}

void Call::OnRequest(Leg* leg, sip::TransactionId id, const sip::Message& request,
                     const sip::Flow& flow) {
  if (phase_ == Phase::kEnded) {
    // Ours waits for an ACK: the dialog is there until one of the two has come.
    const bool crosses =
        request.method == sip::Method::kBye && leg->bye_waits() && leg->dialog->Matches(request);
    Reply(id, request, crosses ? 200 : 481);
    if (!crosses) return;
    leg->Forget();
    leg->SendWaitingBye();  // which waits no more
    context_->ended.push_back(number_);
    return;
  }
  if (!leg->dialog) {
    OnEarlyRequest(leg, id, request, flow);
    return;
  }
  const bool overlaps = request.method == sip::Method::kInvite ||
                        (request.method == sip::Method::kUpdate && !request.body.empty() &&
                         phase_ == Phase::kEstablished);
  if (overlaps && leg->received != nullptr) {
    // 14.2: a second INVITE before the first one has its final answer (or its ACK).
    leg->dialog->remote_cseq = std::max(leg->dialog->remote_cseq.value_or(0), request.cseq.number);
    Reply(id, request, 500, 1 + static_cast<uint32_t>(context_->tokens.Next() % 9));
    return;
  }
  switch (leg->dialog->AcceptRequest(request, flow)) {
    case sip::DialogVerdict::kMismatch:
      Reply(id, request, 481);
      return;
    case sip::DialogVerdict::kOldCSeq:
      Reply(id, request, 500);
      return;
    case sip::DialogVerdict::kAccept:
      break;
  }
  if (request.method == sip::Method::kOptions) {
    context_->transactions->Respond(id, MakeOptionsAnswer(*context_, request, &leg->trunk()));
  } else if (request.method == sip::Method::kBye) {
    OnBye(leg, id, request);
  } else if (request.method == sip::Method::kPrack) {
    OnPrack(leg, id, request);
  } else if (request.method == sip::Method::kUpdate) {
    OnUpdate(leg, id, request);
  } else if (request.method == sip::Method::kInfo) {
    OnInfo(leg, id, request);
  } else {
    OnReinvite(leg, id, request);
  }
}

void Call::OnBye(Leg* leg, sip::TransactionId id, const sip::Message& request) {
  Reply(id, request, 200);
  leg->Forget();
  Finish({.status = 487,
          .by = NameOf(leg),
          .text = absl::StrCat("the ", NameOf(leg), " hung up"),
          .reason = CarriedReasons(request)});
}

void Call::OnNoAck(Leg* leg) {
  leg->Acknowledged();
  // Mostly its ACK goes astray: the address that it was given is the first thing to look at (T-08).
  Finish({.text = absl::StrCat("the ", NameOf(leg), " never acknowledged our answer; it was told ",
                               leg->dialog->local_contact.uri.ToString()),
          .reason = SipReason(408, "no ACK")});
  leg->SendWaitingBye();
  context_->ended.push_back(number_);
}

// ---- events of the media -----------------------------------------------------------------------

void Call::OnMediaTimeout(uint8_t number) {
  const Leg* silent = leg(number);
  const std::string text = absl::StrCat("no media from ", silent->trunk().name);
  Finish({.text = text,
          .reason = SipReason(
              408, number == 0 ? "no media from the caller" : "no media from the callee")});
}

void Call::OnLegTotals(uint8_t number, const relay::abi::LegStatistics& totals) {
  if (number > 1) return;
  CdrLeg& record = cdr_.legs[number];
  record.received_packets = totals.received_packets;
  record.sent_packets = totals.sent_packets;
  record.dropped_packets = totals.dropped_packets;
  record.lost_packets = totals.lost_packets;
  record.jitter_us = totals.jitter_us;
}

void Call::OnSessionEnded(relay::abi::EndReason reason) {
  session_over_ = true;
  context_->timers->Cancel(&end_timer_);
  if (reason == relay::abi::EndReason::kLengthReached) {
    Finish({.status = 480,
            .text = "the call reached its greatest length",
            .reason = Q850Reason(31, "maximum call length reached")});
  } else {
    Finish({.status = 503,
            .text = "the relay ended the session",
            .reason = Q850Reason(41, "media is gone")});
  }
  WriteCdr(reason != relay::abi::EndReason::kRelayStopping);
  context_->ended.push_back(number_);
}

// ---- the end -----------------------------------------------------------------------------------

void Call::Finish(const End& end) {
  if (phase_ == Phase::kEnded) return;
  // Where the 200 still waits for a PRACK the caller never had it.
  const bool answered = phase_ == Phase::kEstablished && !near_.holds_answer();
  phase_ = Phase::kEnded;
  context_->timers->Cancel(&timer_);
  context_->timers->Cancel(&response_timer_);
  reoffer_.reset();
  cdr_.status = answered ? 200 : end.status;
  cdr_.answered = answered;
  cdr_.ended_by = end.by;
  cdr_.reason = end.text;
  cdr_.setup_ms = (answered ? answered_ : context_->timers->now()) - started_;
  cdr_.duration_ms = answered ? context_->timers->now() - answered_ : 0;
  // Both sides at once; neither waits for the other's answer (trap T-38).
  for (Leg* leg : {&near_, &far_}) {
    const bool first = leg == &near_ && !answered;
    leg->Refuse(first ? end.status : 487, end.reason, first ? end.retry_after_s : 0);
    leg->Abandon(end.reason);
    leg->Bye(end.reason);
  }
  context_->limits->End(plan_.source, plan_.destination);
  context_->ended.push_back(number_);
  if (journal_slot_) context_->journal->Erase(*journal_slot_);
  journal_slot_.reset();
  if (session_over_) return;
  context_->relay->Close(number_);
  end_timer_ = context_->timers->After(kTotalsMs, [this] {
    end_timer_ = 0;
    session_over_ = true;
    WriteCdr(false);
    context_->ended.push_back(number_);
  });
}

void Call::KeepHeaders(const Leg& leg, const sip::Message& message) {
  auto& headers = cdr_.legs[leg.number()].headers;
  headers.clear();
  for (sip::HeaderField& field : KeptHeaders(leg.trunk(), message)) {
    headers.emplace_back(std::move(field.name), std::move(field.value));
  }
}

void Call::WriteCdr(bool counted) {
  cdr_.call = number_;
  cdr_.caller = plan_.caller;
  cdr_.called = plan_.called;
  cdr_.sent = plan_.first.number;
  cdr_.codec = Look().codec;
  cdr_.started_unix_ms = started_ + context_->settings.unix_offset_ms;
  cdr_.media_counted = counted;
  for (const Leg* leg : {&near_, &far_}) {
    CdrLeg& record = cdr_.legs[leg->number()];
    record.trunk = leg->trunk().name;
    if (leg->dialog) record.call_id = leg->dialog->call_id;
    record.codec = CodecOf(*leg);
    const auto& agreed = leg->offer_answer.plan();
    if (agreed && agreed->crypto) record.srtp = sdp::SuiteName(agreed->crypto->suite);
  }
  context_->log->OnCallEnded(cdr_);
}

std::string Call::Remember(sip::TransactionId invite) {
  auto record = context_->transactions->RememberInvite(invite);
  if (record) return *std::move(record);
  context_->log->OnNotice("an INVITE is too long for the journal: it would not end after a crash");
  return {};
}

// The dialogs and open INVITEs, as the next process needs them to end the call.
void Call::Record() {
  if (phase_ == Phase::kEnded || !context_->journal->open()) return;
  if (!journal_slot_) journal_slot_ = context_->journal->Allocate();
  if (!journal_slot_) {
    context_->log->OnNotice("the journal is full: a call would not be hung up after a crash");
    return;
  }
  CallRecord record{.call = number_,
                    .trunks = {TrunkMark(near_.trunk()), TrunkMark(far_.trunk())},
                    .dialogs = {near_.dialog, far_.dialog},
                    .invites = {}};
  const bool rings = phase_ != Phase::kEstablished;
  // The caller does not know of an answer that waits for its PRACK.
  if (near_.received != nullptr && (rings || near_.holds_answer())) {
    record.invites[0] = Remember(near_.received->id);
  }
  if (far_.sent != nullptr && rings) record.invites[1] = Remember(far_.sent->id);
  const absl::Status written = WriteRecord(record, context_->journal, *journal_slot_);
  if (!written.ok()) context_->log->OnNotice(std::string(written.message()));
}

void Call::RecordAgain() {
  journal_slot_.reset();
  Record();
}

Call::View Call::Look() const {
  const TimeMs now = context_->timers->now();
  View view{.number = number_,
            .from = plan_.caller,
            .to = plan_.called,
            .source = near_.trunk().name,
            .destination = far_.trunk().name,
            .phase = phase_,
            .answered = answered_ >= 0,
            .age_ms = now - started_,
            .duration_ms = answered_ >= 0 ? now - answered_ : 0,
            .codec = {}};
  view.codec = CodecOf(far_);
  for (size_t i = 0; i < 2; ++i) {
    for (const CdrDigit& digit : cdr_.legs[i].digits) view.digits[i] += digit.name;
  }
  return view;
}

}  // namespace sipctl::call
