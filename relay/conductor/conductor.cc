#include "relay/conductor/conductor.h"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "relay/log.h"
#include "relay/stage/srtp_keys.h"

namespace relay::conductor {
namespace {

constexpr TimeNs kStoppingTime = kSecond;  // for the workers to give the last totals
constexpr int kIdleMs = 100;               // keeps the heartbeat going
constexpr int kWaitingMs = 1;              // something found no room and is tried again

abi::Event MakeEvent(abi::EventKind kind, uint64_t session, uint8_t leg) {
  abi::Event event{};
  event.kind = kind;
  event.session = session;
  event.leg = leg;
  return event;
}

abi::Event Answer(const abi::Command& command, const Finding& finding) {
  abi::Event event =
      MakeEvent(finding.ok() ? abi::EventKind::kCommandDone : abi::EventKind::kCommandRefused,
                command.session, abi::kNoLeg);
  event.request = command.request;
  if (!finding.ok()) {
    event.length = sizeof event.body.refused;
    event.body.refused = {
        .refusal = finding.refusal, .field = finding.field, .detail = finding.detail};
  }
  return event;
}

}  // namespace

Conductor::Conductor(const ConductorConfig& config, Greeter greeter)
    : config_(config),
      greeter_(std::move(greeter)),
      slots_(config.state->header().client_slots, config.state->addresses()),
      networks_(config.state->header().client_slots),
      directory_(*config.state, config.state->header().sessions_max,
                 config.state->header().legs_max),
      factory_({.state = config.state,
                .directory = &directory_,
                .workers = config.workers,
                .port_of_address = config.port_of_address,
                .latch_window_ms = config.latch_window_ms,
                .srtp = config.srtp}) {}

absl::Status Conductor::Start() {
  epoll_fd_ = abi::Descriptor(epoll_create1(EPOLL_CLOEXEC));
  bool watched =
      epoll_fd_.valid() && Watch(greeter_.listen_fd(), Source::kDoor, 0, EPOLLIN | EPOLLET) &&
      (config_.report_fd < 0 || Watch(config_.report_fd, Source::kReports, 0, EPOLLIN)) &&
      (config_.signal_fd < 0 || Watch(config_.signal_fd, Source::kSignal, 0, EPOLLIN));
  for (const port::Upkeep* upkeep : config_.upkeeps) {
    watched = watched && (upkeep->descriptor() < 0 ||
                          Watch(upkeep->descriptor(), Source::kUpkeep, 0, EPOLLIN));
  }
  return watched ? absl::OkStatus() : absl::ErrnoToStatus(errno, "conductor's epoll");
}

bool Conductor::Turn(TimeNs now) {
  config_.state->header().heartbeat.store(++turns_, std::memory_order_relaxed);
  if (end_requested_.exchange(false, std::memory_order_acquire)) Terminate(now);
  Notice(now);
  greeter_.Expire(now);
  Upkeep(now);
  TakeReports(now);
  EndOverdue(now);
  TakeCommands(now);
  Advance(now);
  FlushAll(now);
  return stage_ != Stage::kStopped;
}

void Conductor::Run() {
  while (Turn(MonotonicNow())) {
    pollfd ready{epoll_fd_.get(), POLLIN, 0};
    poll(&ready, 1, TimeoutMs(MonotonicNow()));
  }
}

int Conductor::TimeoutMs(TimeNs now) const {
  if (commands_left_) return 0;
  if (stage_ == Stage::kStopping || Congested()) return kWaitingMs;
  TimeNs wait_ns = kIdleMs * kMillisecond;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].attached() && slots_[i].backlog() > 0) return kWaitingMs;
  }
  for (const TimeNs end : {directory_.next_deadline(), stage_end_ns_}) {
    if (end != 0) wait_ns = std::min(wait_ns, end > now ? end - now : 0);
  }
  return static_cast<int>((wait_ns + kMillisecond - 1) / kMillisecond);
}

// ---- reports ----------------------------------------------------------------------------------

void Conductor::TakeReports(TimeNs now) {
  for (uint16_t worker = 0; worker < config_.workers.size(); ++worker) {
    worker::Report report;
    while (config_.workers[worker]->reports()->Take(&report)) TakeReport(worker, report, now);
  }
}

void Conductor::TakeReport(uint16_t worker, const worker::Report& report, TimeNs now) {
  const uint32_t leg = config_.workers[worker]->first_leg() + report.leg;
  LegControl& control = directory_.leg(leg);
  if (control.phase == LegControl::Phase::kFree || control.generation != report.generation) return;
  const Session& session = directory_.session(control.session);
  const auto tell = [&](abi::EventKind kind, auto set_body) {
    // A leg that the client has closed is silent until its totals are there.
    if (control.phase != LegControl::Phase::kOpen) return;
    abi::Event event = MakeEvent(kind, session.number, control.number);
    set_body(event);
    slots_[session.client_slot].Emit(event);
  };
  switch (report.kind) {
    case worker::ReportKind::kLegUpdated:
      std::erase_if(control.retired, [&](const LegControl::Retired& retired) {
        return retired.plan_version <= report.plan_version;
      });
      break;
    case worker::ReportKind::kSourceLearned:
      tell(abi::EventKind::kSourceLearned, [&](abi::Event& event) {
        event.length = sizeof event.body.source;
        event.body.source = report.body.source;
      });
      break;
    case worker::ReportKind::kMediaTimeout:
      tell(abi::EventKind::kMediaTimeout, [&](abi::Event& event) {
        event.length = sizeof event.body.timeout;
        event.body.timeout = report.body.timeout;
      });
      break;
    case worker::ReportKind::kMediaResumed:
      tell(abi::EventKind::kMediaResumed, [](abi::Event&) {});
      break;
    case worker::ReportKind::kDigit:
      tell(abi::EventKind::kDigit, [&](abi::Event& event) {
        event.length = sizeof event.body.digit;
        event.body.digit = report.body.digit;
      });
      break;
    case worker::ReportKind::kLegClosed:
      LegClosed(worker, leg, report.body.statistics, now);
      break;
    case worker::ReportKind::kNone:
      break;
  }
}

void Conductor::LegClosed(uint16_t worker, uint32_t leg, const abi::LegStatistics& statistics,
                          TimeNs now) {
  const LegControl& control = directory_.leg(leg);
  const uint32_t index = control.session;
  const Session& session = directory_.session(index);
  ClientSlot& slot = slots_[session.client_slot];
  abi::Event event = MakeEvent(abi::EventKind::kLegEnded, session.number, control.number);
  event.length = sizeof event.body.statistics;
  event.body.statistics = statistics;
  slot.Emit(event);
  factory_.Release(worker, leg);
  const bool last = std::all_of(std::begin(session.legs), std::end(session.legs),
                                [](uint32_t each) { return each == kNobody; });
  if (!last) return;
  event = MakeEvent(abi::EventKind::kSessionEnded, session.number, abi::kNoLeg);
  event.length = sizeof event.body.ended;
  event.body.ended = {
      .reason = session.reason, .reserved = {}, .duration_ns = now - session.opened_ns};
  slot.Emit(event);
  directory_.Free(index);
}

// ---- commands ---------------------------------------------------------------------------------

bool Conductor::Congested() const {
  return std::any_of(config_.workers.begin(), config_.workers.end(),
                     [](const auto& link) { return link->congested(); });
}

void Conductor::TakeCommands(TimeNs now) {
  commands_left_ = false;
  for (size_t i = 0; i < slots_.size(); ++i) {
    ClientSlot& slot = slots_[i];
    if (!slot.attached()) continue;
    abi::Command command;
    size_t taken = 0;
    abi::RingResult result = abi::RingResult::kEmpty;
    while (taken < kCommandDrainMax && !Congested() &&
           (result = slot.Take(&command)) == abi::RingResult::kOk) {
      slot.Emit(Answer(command, Execute(slot, command, now)));
      ForgetKeys(&command);
      ++taken;
    }
    commands_left_ = commands_left_ || taken == kCommandDrainMax;
    if (result == abi::RingResult::kBroken) {
      log::Warn("client slot {}: its command cursor cannot be true; cut off", slot.number());
      ClientGone(slot, "broken ring", now);
    }
  }
}

// A leg's command brings keys; what was called with it left them below, in frames that are gone.
void Conductor::ForgetKeys(abi::Command* command) {
  if (command->kind == abi::CommandKind::kLegOpen ||
      command->kind == abi::CommandKind::kLegUpdate) {
    stage::WipeStack();
  }
  stage::WipeKey(command, sizeof *command);
}

Finding Conductor::Execute(ClientSlot& slot, const abi::Command& command, TimeNs now) {
  const Finding finding =
      CheckCommand(command, {.addresses = config_.state->addresses(), .leases = slot.leases()});
  if (!finding.ok()) return finding;
  NetworkSets& networks = networks_[slot.number()];
  const Asker asker{
      .client_slot = slot.number(), .owner_cookie = slot.cookie(), .networks = &networks};
  switch (command.kind) {
    case abi::CommandKind::kLegOpen:
      return factory_.OpenLeg(asker, command, now);
    case abi::CommandKind::kLegUpdate:
      return factory_.UpdateLeg(asker, command);
    case abi::CommandKind::kBridge:
      return factory_.Bridge(asker, command);
    case abi::CommandKind::kUnbridge:
      return factory_.Unbridge(asker, command);
    case abi::CommandKind::kLegClose:
      return factory_.CloseLeg(asker, command);
    case abi::CommandKind::kSessionClose:
      return factory_.CloseSession(asker, command);
    case abi::CommandKind::kNetworkSet:
      if (networks.Define(command.body.network_set)) return {};
      return {.refusal = abi::Refusal::kBadNetworkSet,
              .field = kBodyOffset + offsetof(abi::NetworkSetCommand, count)};
    case abi::CommandKind::kSendDigit:
      return factory_.SendDigit(asker, command);
    case abi::CommandKind::kNone:
      break;
  }
  return {.refusal = abi::Refusal::kUnknownKind};
}

// ---- ports ------------------------------------------------------------------------------------

void Conductor::Upkeep(TimeNs now) {
  for (port::Upkeep* upkeep : config_.upkeeps) {
    upkeep->Turn(now, *config_.state->own_counters());
    for (const std::string& sentence : upkeep->TakeNews()) log::Warn("{}", sentence);
  }
}

// ---- time -------------------------------------------------------------------------------------

void Conductor::EndOverdue(TimeNs now) {
  while (const std::optional<uint32_t> index = directory_.TakeOverdue(now)) {
    factory_.End(*index, abi::EndReason::kLengthReached);
  }
}

void Conductor::Terminate(TimeNs now) {
  factory_.set_draining();
  config_.state->header().draining.store(1, std::memory_order_relaxed);
  if (stage_ == Stage::kServing) {
    stage_ = Stage::kDraining;
    stage_end_ns_ = now + config_.drain_timeout_s * kSecond;
    log::Info("draining: {} sessions left, {} s at most", directory_.live(),
              config_.drain_timeout_s);
  } else if (stage_ == Stage::kDraining) {
    stage_end_ns_ = now;
  }
}

void Conductor::Advance(TimeNs now) {
  if (stage_ == Stage::kServing || stage_ == Stage::kStopped) return;
  if (stage_ == Stage::kDraining && directory_.live() > 0 && now >= stage_end_ns_) {
    log::Info("ending {} sessions", directory_.live());
    for (const uint32_t index : directory_.Live()) {
      factory_.End(index, abi::EndReason::kRelayStopping);
    }
    stage_ = Stage::kStopping;
    stage_end_ns_ = now + kStoppingTime;
  }
  if (directory_.live() == 0 || (stage_ == Stage::kStopping && now >= stage_end_ns_)) {
    stage_ = Stage::kStopped;
  }
}

void Conductor::FlushAll(TimeNs now) {
  for (const auto& link : config_.workers) link->Flush();
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].Flush()) {
      log::Warn("client slot {}: its event cursor cannot be true; cut off", i);
      ClientGone(slots_[i], "broken ring", now);
    }
  }
}

}  // namespace relay::conductor
