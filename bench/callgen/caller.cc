#include "bench/callgen/caller.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "bench/callgen/clock.h"
#include "sipctl/text.h"

namespace bench::callgen {

using sipctl::Concat;
using sipctl::TimeMs;

namespace {

constexpr TimeMs kRedialMs = 100;
constexpr uint32_t kPlacedPerTurnMax = 64;  // then answers have their turn

// How many calls the timetable asks for after `seconds`.
uint64_t DueAfter(double seconds, double rate, double ramp_s) {
  const double climbing = std::min(seconds, ramp_s);
  const double climbed = ramp_s > 0 ? climbing * climbing / (2 * ramp_s) : 0;
  return static_cast<uint64_t>(rate * (climbed + std::max(0.0, seconds - ramp_s)));
}

// When the call of that number was to be placed, in seconds: the inverse of the above.
double TimeOf(uint64_t call, double rate, double ramp_s) {
  const double work = static_cast<double>(call) / rate;
  return work < ramp_s / 2 ? std::sqrt(2 * ramp_s * work) : work + ramp_s / 2;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Caller>> Caller::Make(sipctl::Loop* loop,
                                                     const CallerOptions& options) {
  std::unique_ptr<Caller> caller(new Caller(loop, options));
  Caller* raw = caller.get();
  auto wire = Wire::Make(
      loop, options.wire,
      [raw](const Wire::Road& road, std::string_view bytes) { raw->OnMessage(road, bytes); },
      [raw](uint32_t line, const absl::Status& why) { raw->OnLost(line, why); });
  if (!wire.ok()) return wire.status();
  caller->wire_ = *std::move(wire);
  if (absl::Status opened = caller->OpenLines(); !opened.ok()) return opened;
  return caller;
}

Caller::Caller(sipctl::Loop* loop, CallerOptions options)
    : loop_(loop), options_(std::move(options)), run_(Concat(getpid(), "x", NowNs() % 1'000'000)) {}

Caller::~Caller() {
  for (Call& call : calls_) {
    loop_->timers().Cancel(&call.repeat);
    loop_->timers().Cancel(&call.end);
  }
}

absl::Status Caller::OpenLines() {
  for (uint32_t i = 0; i < options_.connections; ++i) {
    auto road = wire_->Call(options_.from[i % options_.from.size()], options_.to);
    if (!road.ok()) return road.status();
    roads_.push_back(*road);
    index_of_line_.resize(road->line + 1);
    index_of_line_[road->line] = i;
  }
  return absl::OkStatus();
}

bool Caller::IsReady() const {
  return wire_->IsReady();
}

// Calls that wait for an answer on it have failed; those that are up hang up by a new one,
// once there is one.
void Caller::OnLost(uint32_t line, const absl::Status&) {
  ++report_.connections_lost;
  const uint32_t lost = index_of_line_[line];
  for (uint32_t i = 0; i < calls_.size(); ++i) {
    const State state = calls_[i].state;
    if (calls_[i].line != lost) continue;
    if (state == State::kInviting || state == State::kEnding) Fail(i, "connection lost");
  }
  loop_->timers().After(kRedialMs, [this, lost] { Redial(lost); });
}

void Caller::Redial(uint32_t index) {
  auto road = wire_->Call(options_.from[index % options_.from.size()], options_.to);
  if (!road.ok()) {
    loop_->timers().After(kRedialMs, [this, index] { Redial(index); });
    return;
  }
  roads_[index] = *road;
  index_of_line_.resize(road->line + 1);
  index_of_line_[road->line] = index;
}

// Placing --------------------------------------------------------------------------------------

void Caller::Begin() {
  begin_ns_ = NowNs();
  PlaceDue();
}

void Caller::PlaceDue() {
  const double seconds = static_cast<double>(NowNs() - begin_ns_) / 1e9;
  const uint64_t due =
      std::min(options_.calls, 1 + DueAfter(seconds, options_.rate, options_.ramp_s));
  if (report_.placed < due) {
    const double late = seconds - TimeOf(report_.placed, options_.rate, options_.ramp_s);
    report_.late_ns_max =
        std::max(report_.late_ns_max, static_cast<uint64_t>(std::max(0.0, late) * 1e9));
  }
  for (uint32_t n = 0; report_.placed < due && n < kPlacedPerTurnMax; ++n) Place();
  report_.full_rate_seconds = std::max(0.0, seconds - options_.ramp_s);
  if (report_.placed == options_.calls) return;
  loop_->timers().After(report_.placed < due ? 0 : 1, [this] { PlaceDue(); });
}

void Caller::Place() {
  uint32_t index = 0;
  if (free_.empty()) {
    index = static_cast<uint32_t>(calls_.size());
    calls_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Call& call = calls_[index];
  const uint64_t number = report_.placed++;
  call.state = State::kInviting;
  call.answered_at_all = false;
  ++call.generation;
  call.line = static_cast<uint32_t>(number % roads_.size());
  const sipctl::sip::SocketAddress local = wire_->Local(roads_[call.line]);
  const std::string id = Concat(index, ".", call.generation, ".", run_);
  call.names = {.protocol = options_.wire.protocol,
                .local = ToString(local),
                .request_uri = Concat("sip:", options_.number, "@", ToString(options_.to)),
                .from = Concat("<sip:+919811112222@", ToString(local), ">;tag=", id),
                .to = Concat("<sip:", options_.number, "@", ToString(options_.to), ">"),
                .call_id = Concat(id, "@load"),
                .routes = {},
                .branch = Concat("i", id)};
  call.bytes = WriteInvite(call.names, sipctl::sip::AddressText(local.address));
  report_.open_max = std::max(report_.open_max, ++report_.open);
  call.sent_ns = NowNs();
  call.counts = static_cast<double>(call.sent_ns - begin_ns_) / 1e9 >= options_.ramp_s;
  if (call.counts) ++report_.placed_at_full_rate;
  if (!Transmit(call)) return Fail(index, "connection lost");
  Limit(index, "no final answer to INVITE");
  if (options_.wire.protocol != sipctl::sip::Protocol::kUdp) return;
  call.interval = kT1;
  Repeat(index, options_.patience_ms);
}

// Timers ---------------------------------------------------------------------------------------

void Caller::Repeat(uint32_t index, TimeMs interval_max) {
  Call& call = calls_[index];
  call.repeat = loop_->timers().After(call.interval, [this, index, interval_max] {
    Call& late = calls_[index];
    late.repeat = 0;
    ++report_.repeated;
    if (!Transmit(late)) return Fail(index, "the own kernel refuses");
    late.interval = std::min(2 * late.interval, interval_max);
    Repeat(index, interval_max);
  });
}

void Caller::Limit(uint32_t index, std::string why) {
  loop_->timers().Cancel(&calls_[index].end);
  calls_[index].end =
      loop_->timers().After(options_.patience_ms, [this, index, why = std::move(why)] {
        calls_[index].end = 0;
        Fail(index, why);
      });
}

void Caller::Fail(uint32_t index, const std::string& why) {
  if (calls_[index].state == State::kFree) return;  // with its connection
  ++report_.failures[why];
  Free(index);
}

void Caller::Free(uint32_t index) {
  Call& call = calls_[index];
  loop_->timers().Cancel(&call.repeat);
  loop_->timers().Cancel(&call.end);
  call.state = State::kFree;
  --report_.open;
  free_.push_back(index);
}

// Answers --------------------------------------------------------------------------------------

// Our Call-ID is INDEX.GENERATION.RUN@load.
Caller::Call* Caller::Find(std::string_view call_id, uint32_t* index) {
  const char* const end = call_id.data() + call_id.size();
  auto [dot, error] = std::from_chars(call_id.data(), end, *index);
  if (error != std::errc() || *index >= calls_.size()) return nullptr;
  Call& call = calls_[*index];
  return call.state != State::kFree && call.names.call_id == call_id ? &call : nullptr;
}

void Caller::OnMessage(const Wire::Road& road, std::string_view bytes) {
  Glance glance;
  if (!Read(bytes, &glance)) return;
  if (glance.is_request()) return OnRequest(road, glance);
  uint32_t index = 0;
  const Call* call = Find(glance.call_id, &index);
  if (call == nullptr) return;
  if (glance.method == "INVITE") return OnInviteAnswer(index, glance);
  if (glance.method == "BYE" && call->state == State::kEnding) OnEnd(index, glance);
}

void Caller::OnInviteAnswer(uint32_t index, const Glance& answer) {
  Call& call = calls_[index];
  if (call.state != State::kInviting) {  // a repeated 200: our ACK was lost
    if (answer.status < 200 || call.state != State::kUp) return;
    ++report_.repeated;
    Transmit(call);
    return;
  }
  const uint64_t took_ns = NowNs() - call.sent_ns;
  loop_->timers().Cancel(&call.repeat);
  if (!std::exchange(call.answered_at_all, true)) {
    if (answer.status != 100) {
      ++report_.without_trying;
    } else if (call.counts) {
      report_.trying.Add(took_ns);
    }
  }
  if (answer.status < 200) return;
  Acknowledge(&call, answer);
  if (call.state != State::kInviting) return;  // its connection broke under the ACK
  if (answer.status >= 300) return Fail(index, Concat(answer.status));
  if (call.counts) report_.setup.Add(took_ns);
  ++report_.answered;
  call.state = State::kUp;
  loop_->timers().Cancel(&call.end);
  call.end = loop_->timers().After(options_.hold_ms, [this, index] {
    calls_[index].end = 0;
    HangUp(index);
  });
}

// The ACK of a failure goes where the INVITE went and has its branch (RFC 3261 section 17.1.1.3).
void Caller::Acknowledge(Call* call, const Glance& answer) {
  call->names.to = answer.to;
  if (answer.status < 300) {
    call->names.routes = RoutesOf(answer);
    if (!answer.contact.empty()) call->names.request_uri = answer.contact;
    call->names.branch[0] = 'a';
  }
  call->bytes = WriteInDialog("ACK", 1, call->names);
  Transmit(*call);
}

void Caller::HangUp(uint32_t index) {
  Call& call = calls_[index];
  call.state = State::kEnding;
  call.names.branch[0] = 'b';
  call.names.local = ToString(wire_->Local(roads_[call.line]));
  call.bytes = WriteInDialog("BYE", 2, call.names);
  call.sent_ns = NowNs();
  if (!Transmit(call)) return Fail(index, "connection lost");
  Limit(index, "no answer to BYE");
  if (options_.wire.protocol != sipctl::sip::Protocol::kUdp) return;
  call.interval = kT1;
  Repeat(index, kT2);
}

void Caller::OnEnd(uint32_t index, const Glance& answer) {
  if (answer.status < 200) return;
  if (answer.status >= 300) return Fail(index, Concat("BYE: ", answer.status));
  if (calls_[index].counts) report_.hangup.Add(NowNs() - calls_[index].sent_ns);
  ++report_.ended;
  const double seconds = static_cast<double>(NowNs() - begin_ns_) / 1e9;
  if (seconds >= options_.ramp_s && report_.placed < options_.calls) ++report_.ended_at_full_rate;
  Free(index);
}

void Caller::OnRequest(const Wire::Road& road, const Glance& request) {
  if (request.method == "ACK") return;
  wire_->Send(road, WriteAnswer(request, {.status = 200, .reason = "OK", .tag = run_}));
  uint32_t index = 0;
  if (request.method == "BYE" && Find(request.call_id, &index) != nullptr) {
    Fail(index, "the other side hung up");
  }
}

}  // namespace bench::callgen
