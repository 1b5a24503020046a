#include "bench/callgen/callee.h"

#include <algorithm>
#include <utility>

#include "bench/callgen/clock.h"
#include "sipctl/text.h"

namespace bench::callgen {

using sipctl::TimeMs;

namespace {

constexpr TimeMs kPatienceMs = 64 * kT1;

}  // namespace

absl::StatusOr<std::unique_ptr<Callee>> Callee::Make(
    sipctl::Loop* loop, const WireOptions& options,
    const std::vector<sipctl::sip::SocketAddress>& at) {
  std::unique_ptr<Callee> callee(new Callee(loop, options.protocol));
  Callee* raw = callee.get();
  auto wire = Wire::Make(
      loop, options,
      [raw](const Wire::Road& road, std::string_view bytes) { raw->OnMessage(road, bytes); },
      [](uint32_t, const absl::Status&) {});
  if (!wire.ok()) return wire.status();
  callee->wire_ = *std::move(wire);
  for (const sipctl::sip::SocketAddress& address : at) {
    if (absl::Status listening = callee->wire_->Listen(address); !listening.ok()) return listening;
  }
  return callee;
}

Callee::~Callee() {
  for (auto& [id, call] : calls_) loop_->timers().Cancel(&call->repeat);
}

void Callee::OnMessage(const Wire::Road& road, std::string_view bytes) {
  Glance glance;
  if (!Read(bytes, &glance) || !glance.is_request()) return;
  if (glance.method == "INVITE") return OnInvite(road, glance);
  const auto found = calls_.find(std::string(glance.call_id));
  if (glance.method == "ACK") {
    if (found == calls_.end()) return;
    loop_->timers().Cancel(&found->second->repeat);
    std::string().swap(found->second->answer);
    return;
  }
  // A BYE that is repeated, and OPTIONS that ask for our health, are answered alike.
  wire_->Send(road, WriteAnswer(glance, {.tag = "load"}));
  if (glance.method != "BYE" || found == calls_.end()) return;
  loop_->timers().Cancel(&found->second->repeat);
  calls_.erase(found);
}

void Callee::OnInvite(const Wire::Road& road, const Glance& request) {
  const std::string call_id(request.call_id);
  if (const auto known = calls_.find(call_id); known != calls_.end()) {
    if (!known->second->answer.empty()) wire_->Send(road, known->second->answer);
    return;
  }
  ++called_;
  const sipctl::sip::SocketAddress local = wire_->Local(road);
  const std::string contact = ContactUri(protocol_, ToString(local));
  const std::string tag = sipctl::Concat("c", called_);
  wire_->Send(
      road,
      WriteAnswer(request, {.status = 180, .reason = "Ringing", .tag = tag, .contact = contact}));
  auto call = std::make_unique<Call>(Call{.road = road});
  const std::string address = sipctl::sip::AddressText(local.address);
  call->answer = WriteAnswer(
      request, {.status = 200, .reason = "OK", .tag = tag, .contact = contact, .address = address});
  call->interval = kT1;
  wire_->Send(road, call->answer);
  Repeat(call_id, call.get());
  calls_[call_id] = std::move(call);
}

// RFC 3261 section 13.3.1.4: over a stream, too.
void Callee::Repeat(const std::string& call_id, Call* call) {
  call->repeat = loop_->timers().After(call->interval, [this, call_id, call] {
    call->repeat = 0;
    call->waited += call->interval;
    if (call->waited >= kPatienceMs) {
      ++not_acknowledged_;
      calls_.erase(call_id);
      return;
    }
    ++repeated_;
    wire_->Send(call->road, call->answer);
    call->interval = std::min(2 * call->interval, kT2);
    Repeat(call_id, call);
  });
}

void Callee::Tell(Report* report) const {
  report->called = called_;
  report->answers_repeated = repeated_;
  report->not_acknowledged = not_acknowledged_;
}

}  // namespace bench::callgen
