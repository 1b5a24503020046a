#include "tests/support/fake_relay.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace support {

using relay::abi::Command;
using relay::abi::CommandKind;
using relay::abi::EndReason;
using relay::abi::Event;
using relay::abi::EventKind;
using relay::abi::Refusal;

// One life of the relay's process with one client.
struct FakeRelay::Process {
  relay::abi::ClientArea client{};
  relay::abi::AnswerArea answer{};
  relay::abi::RingConsumer<Command> commands{{client.commands, &client.commands_produced,
                                              &answer.commands_consumed,
                                              relay::abi::kCommandRingCapacity}};
  relay::abi::RingProducer<Event> events{{answer.events, &answer.events_produced,
                                          &client.events_consumed, relay::abi::kEventRingCapacity}};
  std::vector<relay::abi::LocalAddress> addresses;
  std::vector<relay::abi::Lease> leases;
  uint64_t beat = 0;
  Link* link = nullptr;  // the client's end
};

class FakeRelay::Link : public sipctl::media::RelayLink {
 public:
  Link(FakeRelay* relay, bool resumed)
      : relay_(relay),
        process_(relay->process_),
        resumed_(resumed),
        commands_({process_->client.commands, &process_->client.commands_produced,
                   &process_->answer.commands_consumed, relay::abi::kCommandRingCapacity}),
        events_({process_->answer.events, &process_->answer.events_produced,
                 &process_->client.events_consumed, relay::abi::kEventRingCapacity}) {
    process_->link = this;
  }
  ~Link() override {
    if (process_ != nullptr) process_->link = nullptr;
  }

  relay::abi::RingResult Push(const Command& command) override { return commands_.Push(command); }
  relay::abi::RingResult Pop(Event* event) override { return events_.Pop(event); }
  void Signal() override {
    relay_->Later([relay = relay_] { relay->Serve(); });
  }
  uint64_t Beat() override {
    if (process_ != nullptr && !relay_->muted_) ++process_->beat;
    return process_ == nullptr ? 0 : process_->beat;
  }
  bool draining() const override { return relay_->draining_; }
  sipctl::media::PortSpace ports() const override {
    return {.addresses = process_->addresses,
            .leases = process_->leases,
            .placement = relay::abi::EvenPlacement(relay::abi::PlacementKind::kSockets,
                                                   relay_->options_.workers)};
  }
  uint64_t instance() const override { return relay_->instance_; }
  bool resumed() const override { return resumed_; }
  std::span<uint8_t> journal() const override { return relay_->journal_; }
  uint32_t sessions_max() const override { return static_cast<uint32_t>(relay_->sessions_.size()); }
  bool ReadSession(uint32_t index, relay::abi::SessionRecord* copy) const override;
  bool ReadStatistics(uint32_t index, relay::abi::LegStatistics* copy) const override;
  void Watch(std::function<void()> events, std::function<void()> end) override {
    on_events_ = std::move(events);
    on_end_ = std::move(end);
  }

  // The process died.
  void End() {
    process_ = nullptr;
    if (on_end_) on_end_();
  }
  void Wake() {
    if (on_events_) on_events_();
  }

 private:
  FakeRelay* relay_;
  std::shared_ptr<Process> process_;  // its memory outlives a restart of the relay
  bool resumed_;
  relay::abi::RingProducer<Command> commands_;
  relay::abi::RingConsumer<Event> events_;
  std::function<void()> on_events_, on_end_;
};

bool FakeRelay::Link::ReadSession(uint32_t index, relay::abi::SessionRecord* copy) const {
  if (index >= relay_->sessions_.size()) return false;
  const auto at = std::next(relay_->sessions_.begin(), index);
  std::memset(static_cast<void*>(copy), 0, sizeof *copy);
  copy->session = at->first;
  copy->owner_cookie = relay_->cookie_;
  copy->leg_count = static_cast<uint16_t>(at->second.legs.size());
  for (const auto& [number, leg] : at->second.legs) {
    copy->legs[number].state = relay::abi::LegState::kOpen;
    copy->legs[number].local = leg.plan.local;
    copy->legs[number].listeners = leg.listeners;
    copy->legs[number].codec = leg.plan.formats[0].codec;
    copy->legs[number].statistics = index * relay::abi::kLegsPerSession + number;
  }
  return true;
}

bool FakeRelay::Link::ReadStatistics(uint32_t index, relay::abi::LegStatistics* copy) const {
  const uint32_t session = index / relay::abi::kLegsPerSession;
  if (session >= relay_->sessions_.size()) return false;
  const auto& legs = std::next(relay_->sessions_.begin(), session)->second.legs;
  const auto leg = legs.find(static_cast<uint8_t>(index % relay::abi::kLegsPerSession));
  if (leg == legs.end()) return false;
  *copy = leg->second.statistics;
  return true;
}

FakeRelay::FakeRelay(sipctl::Timers* timers, FakeRelayOptions options)
    : timers_(timers), options_(std::move(options)) {
  Restart();
}

FakeRelay::~FakeRelay() {
  *alive_ = false;
}

void FakeRelay::Later(std::function<void()> act) {
  timers_->After(options_.answer_ms, [alive = alive_, act = std::move(act)] {
    if (*alive) act();
  });
}

void FakeRelay::Connect(const sipctl::media::AttachRequest& request, Done done) {
  Later([this, request, done = std::move(done)] {
    if (process_ == nullptr || process_->link != nullptr) {
      done(nullptr, {.error = relay::abi::AttachError::kNoRelay});
      return;
    }
    const bool resumed = known_ && cookie_ == request.owner_cookie;
    if (!resumed) {
      sessions_.clear();
      journal_.assign(request.journal_bytes, 0);
    }
    known_ = true;
    cookie_ = request.owner_cookie;
    ++attachments_;
    done(std::make_unique<Link>(this, resumed), {});
  });
}

void FakeRelay::Die() {
  Link* link = process_ == nullptr ? nullptr : process_->link;
  if (link != nullptr) process_->link = nullptr;
  std::shared_ptr<Process> process = std::move(process_);
  sessions_.clear();
  network_sets_.clear();
  known_ = false;
  if (link != nullptr) {
    Later([this, link, attachments = attachments_] {
      if (attachments == attachments_) link->End();
    });
  }
  // The memory outlives the process as long as the client maps it.
  if (process != nullptr) {
    timers_->After(60'000, [kept = std::move(process)] {});
  }
}

void FakeRelay::Restart() {
  ++instance_;
  process_ = std::make_shared<Process>();
  for (size_t i = 0; i < options_.addresses.size(); ++i) {
    relay::abi::LocalAddress address{};
    address.address = options_.addresses[i];
    address.port_first = options_.port_first;
    address.port_last = options_.port_last;
    process_->addresses.push_back(address);
    process_->leases.push_back({.address = static_cast<uint16_t>(i),
                                .port_first = options_.port_first,
                                .port_last = options_.port_last,
                                .reserved = 0});
  }
}

void FakeRelay::ForgetClient() {
  const std::vector<relay::abi::LocalAddress> addresses = process_->addresses;
  const std::vector<relay::abi::Lease> leases = process_->leases;
  process_ = std::make_shared<Process>();
  process_->addresses = addresses;
  process_->leases = leases;
}

void FakeRelay::Mute(bool muted) {
  muted_ = muted;
  if (!muted) Serve();
}

void FakeRelay::RefuseNext(CommandKind kind, Refusal refusal) {
  refusals_.emplace_back(kind, refusal);
}

size_t FakeRelay::CountLogged(CommandKind kind) const {
  return static_cast<size_t>(std::count_if(
      log_.begin(), log_.end(), [kind](const Command& command) { return command.kind == kind; }));
}

void FakeRelay::Serve() {
  if (process_ == nullptr || muted_) return;
  Command command;
  while (process_->commands.Pop(&command) == relay::abi::RingResult::kOk) Obey(command);
  if (process_->link != nullptr) process_->link->Wake();
}

void FakeRelay::Tell(Event event) {
  if (process_ != nullptr) process_->events.Push(event);
}

void FakeRelay::Obey(const Command& command) {
  if (logging_) log_.push_back(command);
  Refusal refusal = Refusal::kNone;
  const auto scripted = std::find_if(refusals_.begin(), refusals_.end(),
                                     [&](const auto& r) { return r.first == command.kind; });
  const bool exists = sessions_.contains(command.session);
  if (scripted != refusals_.end()) {
    refusal = scripted->second;
    refusals_.erase(scripted);
  } else if (command.length != relay::abi::BodyLength(command.kind)) {
    refusal = Refusal::kBadLength;
  } else if (command.kind == CommandKind::kLegOpen) {
    refusal = OpenLeg(command);
  } else if (command.kind == CommandKind::kNetworkSet) {
    refusal = DefineSet(command);
  } else if (!exists) {
    refusal = Refusal::kUnknownSession;
  } else if (command.kind == CommandKind::kLegUpdate) {
    refusal = UpdateLeg(command);
  } else if (command.kind == CommandKind::kBridge || command.kind == CommandKind::kUnbridge) {
    refusal = Connect(command, command.kind == CommandKind::kBridge);
  } else if (command.kind == CommandKind::kSendDigit) {
    refusal = TakeDigit(command);
  }
  Event answer{};
  answer.kind = refusal == Refusal::kNone ? EventKind::kCommandDone : EventKind::kCommandRefused;
  answer.leg = relay::abi::kNoLeg;
  answer.request = command.request;
  answer.session = command.session;
  answer.body.refused.refusal = refusal;
  Tell(answer);
  if (command.kind == CommandKind::kSessionClose && refusal == Refusal::kNone) {
    CloseAll(command.session, EndReason::kClosed);
  }
}

Refusal FakeRelay::OpenLeg(const Command& command) {
  const relay::abi::LegCommand& body = command.body.leg;
  if (body.plan.format_count == 0) return Refusal::kBadFormat;
  if (body.plan.local.port % 2 != 0) return Refusal::kPortOdd;
  if (body.plan.local.address >= process_->addresses.size()) return Refusal::kUnknownLocalAddress;
  if (body.plan.local.port < options_.port_first || body.plan.local.port > options_.port_last) {
    return Refusal::kPortNotLeased;
  }
  for (const auto& [id, session] : sessions_) {
    for (const auto& [number, leg] : session.legs) {
      if (leg.plan.local == body.plan.local) return Refusal::kPortInUse;
    }
  }
  Session& session = sessions_[command.session];
  if (session.legs.contains(body.leg)) return Refusal::kLegExists;
  session.legs[body.leg].plan = body.plan;
  session.legs[body.leg].srtp = body.srtp;
  return Refusal::kNone;
}

Refusal FakeRelay::TakeDigit(const Command& command) {
  const relay::abi::DigitCommand& body = command.body.digit;
  Session& session = sessions_[command.session];
  if (!session.legs.contains(body.leg)) return Refusal::kUnknownLeg;
  session.legs[body.leg].digits.push_back(body);
  return Refusal::kNone;
}

Refusal FakeRelay::UpdateLeg(const Command& command) {
  const relay::abi::LegCommand& body = command.body.leg;
  Session& session = sessions_[command.session];
  if (!session.legs.contains(body.leg)) return Refusal::kUnknownLeg;
  if (session.legs[body.leg].plan.local != body.plan.local) return Refusal::kBadValue;
  if (body.plan.format_count == 0) return Refusal::kBadFormat;
  session.legs[body.leg].plan = body.plan;
  session.legs[body.leg].srtp = body.srtp;
  return Refusal::kNone;
}

Refusal FakeRelay::Connect(const Command& command, bool on) {
  const relay::abi::BridgeCommand& body = command.body.bridge;
  Session& session = sessions_[command.session];
  if (!session.legs.contains(body.speaker) || !session.legs.contains(body.listener)) {
    return Refusal::kUnknownLeg;
  }
  const auto join = [&](uint8_t speaker, uint8_t listener) {
    uint8_t& listeners = session.legs[speaker].listeners;
    const auto bit = static_cast<uint8_t>(1u << listener);
    listeners = static_cast<uint8_t>(on ? listeners | bit : listeners & ~bit);
  };
  join(body.speaker, body.listener);
  if (body.both) join(body.listener, body.speaker);
  return Refusal::kNone;
}

Refusal FakeRelay::DefineSet(const Command& command) {
  const relay::abi::NetworkSetCommand& body = command.body.network_set;
  auto& set = network_sets_[body.set];
  if (!body.append) set.clear();
  set.insert(set.end(), body.networks, body.networks + body.count);
  return Refusal::kNone;
}

void FakeRelay::CloseAll(uint64_t id, EndReason reason) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  for (const auto& [number, leg] : found->second.legs) {
    Event event{};
    event.kind = EventKind::kLegEnded;
    event.leg = number;
    event.session = id;
    event.body.statistics = leg.statistics;
    Tell(event);
  }
  sessions_.erase(found);
  Event event{};
  event.kind = EventKind::kSessionEnded;
  event.leg = relay::abi::kNoLeg;
  event.session = id;
  event.body.ended.reason = reason;
  Tell(event);
}

void FakeRelay::ReportSilence(uint64_t session, uint8_t leg) {
  Event event{};
  event.kind = EventKind::kMediaTimeout;
  event.leg = leg;
  event.session = session;
  Tell(event);
  Later([this] { Serve(); });
}

void FakeRelay::ReportDigit(uint64_t session, uint8_t leg, uint8_t event, uint32_t duration_ms) {
  Event digit{};
  digit.kind = EventKind::kDigit;
  digit.leg = leg;
  digit.session = session;
  digit.body.digit.event = event;
  digit.body.digit.duration_ms = duration_ms;
  Tell(digit);
  Later([this] { Serve(); });
}

void FakeRelay::EndSession(uint64_t session, EndReason reason) {
  CloseAll(session, reason);
  Later([this] { Serve(); });
}

void FakeRelay::LoseEvents(uint64_t count) {
  Event event{};
  event.kind = EventKind::kEventsLost;
  event.leg = relay::abi::kNoLeg;
  event.body.lost.count = count;
  Tell(event);
  Later([this] { Serve(); });
}

void FakeRelay::CountPackets(uint64_t session, uint8_t leg, uint64_t received, uint64_t sent) {
  relay::abi::LegStatistics& statistics = sessions_[session].legs[leg].statistics;
  statistics.received_packets = received;
  statistics.sent_packets = sent;
}

}  // namespace support
