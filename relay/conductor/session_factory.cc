#include "relay/conductor/session_factory.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace relay::conductor {
namespace {

using abi::Refusal;
using worker::OrderKind;

static_assert(kNobody == port::kNoHandle && kNobody == session::kNoHandle);

constexpr uint16_t kSessionField = offsetof(abi::Command, session);
constexpr uint16_t kLegField = kBodyOffset;  // first byte of every body that names a leg
constexpr uint16_t kSrtpField = kBodyOffset + offsetof(abi::LegCommand, srtp);

#define OFFSET_IN_PLAN(member) static_cast<uint16_t>(kPlanOffset + offsetof(abi::LegPlan, member))

uint32_t PairKey(abi::LocalEndpoint local) {
  return static_cast<uint32_t>(local.address) << 16 | local.port;
}

// Where the RTCP of a leg without rtcp-mux is received.
abi::LocalEndpoint Above(abi::LocalEndpoint local) {
  return {.address = local.address, .port = static_cast<uint16_t>(local.port + 1)};
}

void FillRandom(void* bytes, size_t count) {
  // Small requests are never cut short (getrandom(2)).
  while (getrandom(bytes, count, 0) != static_cast<ssize_t>(count)) {
  }
}

// What the kernel said, as errno, from a port's status.
uint32_t ErrnoOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kAlreadyExists:
      return EADDRINUSE;
    case absl::StatusCode::kResourceExhausted:
      return EMFILE;
    case absl::StatusCode::kPermissionDenied:
      return EACCES;
    case absl::StatusCode::kInvalidArgument:
      return EINVAL;
    default:
      return EADDRNOTAVAIL;
  }
}

}  // namespace

SessionFactory::Found SessionFactory::FindSession(const Asker& asker,
                                                  const abi::Command& command) const {
  const uint32_t index = parts_.directory->Find(asker.client_slot, command.session);
  if (index == kNobody || parts_.directory->session(index).ended()) {
    return {.finding = Refuse(Refusal::kUnknownSession, kSessionField)};
  }
  return {.finding = {}, .session = index};
}

SessionFactory::Found SessionFactory::FindLeg(const Asker& asker, const abi::Command& command,
                                              uint8_t number, uint16_t field) const {
  Found found = FindSession(asker, command);
  if (!found.finding.ok()) return found;
  found.leg = parts_.directory->session(found.session).legs[number];
  if (found.leg == kNobody || parts_.directory->leg(found.leg).phase != LegControl::Phase::kOpen) {
    found.finding = Refuse(Refusal::kUnknownLeg, field);
  }
  return found;
}

Finding SessionFactory::MayOpen(const Asker& asker, const abi::Command& command, uint32_t index,
                                uint16_t worker) const {
  const abi::LegCommand& body = command.body.leg;
  if (index == kNobody) {
    if (draining_) return Refuse(Refusal::kDraining, kSessionField);
    if (!parts_.directory->HasRoom()) return Refuse(Refusal::kNoRoom, kSessionField);
  } else {
    const Session& session = parts_.directory->session(index);
    if (session.ended()) return Refuse(Refusal::kSessionExists, kSessionField);
    if (session.legs[body.leg] != kNobody) return Refuse(Refusal::kLegExists, kLegField);
    if (session.worker != worker) return Refuse(Refusal::kOtherWorker, OFFSET_IN_PLAN(local));
  }
  if (body.plan.network_set != abi::kNoNetworkSet &&
      asker.networks->Find(body.plan.network_set) == nullptr) {
    return Refuse(Refusal::kBadNetworkSet, OFFSET_IN_PLAN(network_set));
  }
  if (pairs_taken_.contains(PairKey(body.plan.local))) {
    return Refuse(Refusal::kPortInUse, OFFSET_IN_PLAN(local.port));
  }
  if (!parts_.workers[worker]->HasRoom()) return Refuse(Refusal::kNoRoom, kLegField);
  return {};
}

absl::StatusOr<uint32_t> SessionFactory::BindOne(abi::LocalEndpoint local, port::Port* port) const {
  const abi::LocalAddress& address = parts_.state->addresses()[local.address];
  return port->Bind(local, abi::Endpoint{.address = address.address,
                                         .port = local.port,
                                         .vlan = address.vlan,
                                         .interface = address.interface,
                                         .reserved = 0});
}

Finding SessionFactory::BindPair(const abi::LegPlan& plan, port::Port* port,
                                 Handles* handles) const {
  const absl::StatusOr<uint32_t> rtp = BindOne(plan.local, port);
  if (!rtp.ok()) {
    return Refuse(Refusal::kBindFailed, OFFSET_IN_PLAN(local), ErrnoOf(rtp.status()));
  }
  handles->rtp = *rtp;
  if (plan.rtcp_mux != 0) return {};
  const absl::StatusOr<uint32_t> rtcp = BindOne(Above(plan.local), port);
  if (!rtcp.ok()) {
    port->Unbind(handles->rtp);
    return Refuse(Refusal::kBindFailed, OFFSET_IN_PLAN(local), ErrnoOf(rtcp.status()));
  }
  handles->rtcp = *rtcp;
  return {};
}

session::LegSetup SessionFactory::SetupOf(const abi::LegCommand& body, const Session& session,
                                          uint32_t leg) const {
  const abi::LegPlan& plan = body.plan;
  const LegControl& control = parts_.directory->leg(leg);
  session::LegSetup setup{};
  setup.plan = plan;
  setup.srtp = body.srtp;
  if (plan.latch_window_ms == 0) setup.plan.latch_window_ms = parts_.latch_window_ms;
  setup.networks = control.networks.get();
  setup.generation = control.generation;
  setup.plan_version = control.plan_version;
  setup.statistics = leg;
  setup.rtp_handle = control.rtp_handle;
  setup.rtcp_handle = control.rtcp_handle;
  setup.port_index = PortOf(plan.local);
  FillRandom(&setup.ssrc, sizeof setup.ssrc);
  std::memcpy(setup.cname, session.cname, sizeof setup.cname);
  return setup;
}

// Raw ports find the way now, so that the first packet need not wait for it.
void SessionFactory::Approach(const abi::LegPlan& plan, port::Port* port) const {
  if (plan.remote_rtp.port != 0) port->Approach(plan.local, plan.remote_rtp);
  if (plan.rtcp_mux == 0 && plan.remote_rtcp.port != 0 &&
      plan.remote_rtcp.address != plan.remote_rtp.address) {
    port->Approach(plan.local, plan.remote_rtcp);
  }
}

Finding SessionFactory::OpenLeg(const Asker& asker, const abi::Command& command, TimeNs now) {
  const abi::LegCommand& body = command.body.leg;
  if (!parts_.srtp && body.srtp.suite != abi::SrtpSuite::kNone) {
    return Refuse(Refusal::kSrtpUnavailable, kSrtpField);
  }
  SessionDirectory& directory = *parts_.directory;
  const uint16_t worker = abi::WorkerOf(parts_.state->header().placement, body.plan.local);
  WorkerLink& link = *parts_.workers[worker];
  uint32_t index = directory.Find(asker.client_slot, command.session);
  if (Finding no = MayOpen(asker, command, index, worker); !no.ok()) return no;
  Handles handles;
  port::Port* const port = link.port(PortOf(body.plan.local));
  if (Finding no = BindPair(body.plan, port, &handles); !no.ok()) return no;

  // Nothing can fail from here on.
  Approach(body.plan, port);
  if (index == kNobody) {
    index = directory.Open({.client_slot = asker.client_slot,
                            .worker = worker,
                            .number = command.session,
                            .owner_cookie = asker.owner_cookie,
                            .now = now});
    uint8_t noise[session::kCnameLength];
    FillRandom(noise, sizeof noise);
    constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < sizeof noise; ++i) {
      directory.session(index).cname[i] = kBase64[noise[i] % 64];
    }
  }
  pairs_taken_.insert(PairKey(body.plan.local));
  const uint32_t own = link.TakeLeg();
  const uint32_t leg = link.first_leg() + own;
  directory.session(index).legs[body.leg] = leg;
  LegControl& control = directory.leg(leg);
  const uint32_t generation = control.generation + 1;
  control = LegControl{};
  control.phase = LegControl::Phase::kOpen;
  control.number = body.leg;
  control.session = index;
  control.generation = generation;
  control.plan_version = 1;
  control.local = body.plan.local;
  control.rtp_handle = handles.rtp;
  control.rtcp_handle = handles.rtcp;
  if (body.plan.network_set != abi::kNoNetworkSet) {
    control.networks = asker.networks->Find(body.plan.network_set);
  }
  Order(OrderKind::kOpenLeg, body, index, leg);
  ApplyLength(index, body.plan);
  PublishLeg(index, leg, body);
  return {};
}

Finding SessionFactory::UpdateLeg(const Asker& asker, const abi::Command& command) {
  const abi::LegCommand& body = command.body.leg;
  const Found found = FindLeg(asker, command, body.leg, kLegField);
  if (!found.finding.ok()) return found.finding;
  LegControl& control = parts_.directory->leg(found.leg);
  if (!parts_.srtp && body.srtp.suite != abi::SrtpSuite::kNone) {
    return Refuse(Refusal::kSrtpUnavailable, kSrtpField);
  }
  if (body.plan.local != control.local) {
    return Refuse(Refusal::kBadValue, OFFSET_IN_PLAN(local));
  }
  NetworkSnapshot networks;
  if (body.plan.network_set != abi::kNoNetworkSet) {
    networks = asker.networks->Find(body.plan.network_set);
    if (networks == nullptr) return Refuse(Refusal::kBadNetworkSet, OFFSET_IN_PLAN(network_set));
  }
  WorkerLink& link = LinkOf(found.session);
  port::Port* const port = link.port(PortOf(control.local));
  // A leg opened for rtcp-mux has no socket above yet; one that has it keeps it.
  if (body.plan.rtcp_mux == 0 && control.rtcp_handle == kNobody) {
    const absl::StatusOr<uint32_t> rtcp = BindOne(Above(control.local), port);
    if (!rtcp.ok()) {
      return Refuse(Refusal::kBindFailed, OFFSET_IN_PLAN(local), ErrnoOf(rtcp.status()));
    }
    control.rtcp_handle = *rtcp;
  }
  Approach(body.plan, port);
  ++control.plan_version;
  if (control.networks != nullptr && control.networks != networks) {
    control.retired.push_back({control.plan_version, std::move(control.networks)});
  }
  control.networks = std::move(networks);
  Order(OrderKind::kUpdateLeg, body, found.session, found.leg);
  ApplyLength(found.session, body.plan);
  PublishLeg(found.session, found.leg, body);
  return {};
}

void SessionFactory::ApplyLength(uint32_t session, const abi::LegPlan& plan) {
  if (plan.session_length_ms == 0) return;  // a leg without an opinion
  parts_.directory->SetLength(session, plan.session_length_ms * kMillisecond);
}

void SessionFactory::Order(OrderKind kind, const abi::LegCommand& body, uint32_t session,
                           uint32_t leg) {
  WorkerLink& link = LinkOf(session);
  worker::Order order{.kind = kind,
                      .leg = leg - link.first_leg(),
                      .listener = 0,
                      .reserved = 0,
                      .setup = SetupOf(body, parts_.directory->session(session), leg)};
  link.Post(order);
  explicit_bzero(&order.setup.srtp, sizeof order.setup.srtp);
}

void SessionFactory::PublishLeg(uint32_t session, uint32_t leg, const abi::LegCommand& body) {
  const abi::LegPlan& plan = body.plan;
  const LegControl& control = parts_.directory->leg(leg);
  const Session& owner = parts_.directory->session(session);
  parts_.directory->Publish(session, [&](abi::SessionRecord& record) {
    abi::LegRecord& shown = record.legs[control.number];
    if (shown.state == abi::LegState::kFree) ++record.leg_count;
    shown = {};
    shown.state = abi::LegState::kOpen;
    shown.direction = plan.direction;
    shown.learning = plan.learning;
    shown.rtcp_mux = plan.rtcp_mux;
    shown.worker = static_cast<uint8_t>(owner.worker);
    shown.listeners = owner.listeners[control.number];
    shown.statistics = leg;
    shown.local = plan.local;
    shown.remote_signalled = plan.remote_rtp;
    std::memcpy(shown.label, plan.label, sizeof shown.label);
    shown.codec = plan.formats[0].codec;
    shown.srtp = body.srtp.suite;
  });
}

void SessionFactory::Arrow(uint32_t index, uint8_t speaker, uint8_t listener, bool on) {
  Session& session = parts_.directory->session(index);
  const auto bit = static_cast<uint8_t>(1u << listener);
  if (((session.listeners[speaker] & bit) != 0) == on) return;
  session.listeners[speaker] ^= bit;
  WorkerLink& link = LinkOf(index);
  link.Post({.kind = on ? OrderKind::kBridge : OrderKind::kUnbridge,
             .leg = session.legs[speaker] - link.first_leg(),
             .listener = session.legs[listener] - link.first_leg(),
             .reserved = 0,
             .setup = {}});
  parts_.directory->Publish(index, [&](abi::SessionRecord& record) {
    record.legs[speaker].listeners = session.listeners[speaker];
  });
}

Finding SessionFactory::FindArrow(const Asker& asker, const abi::Command& command,
                                  uint32_t* session) const {
  const abi::BridgeCommand& body = command.body.bridge;
  const Found speaker =
      FindLeg(asker, command, body.speaker, kBodyOffset + offsetof(abi::BridgeCommand, speaker));
  if (!speaker.finding.ok()) return speaker.finding;
  *session = speaker.session;
  return FindLeg(asker, command, body.listener,
                 kBodyOffset + offsetof(abi::BridgeCommand, listener))
      .finding;
}

Finding SessionFactory::Bridge(const Asker& asker, const abi::Command& command) {
  const abi::BridgeCommand& body = command.body.bridge;
  uint32_t index = kNobody;
  if (Finding no = FindArrow(asker, command, &index); !no.ok()) return no;
  const Session& session = parts_.directory->session(index);
  const auto full = [&session](uint8_t speaker, uint8_t listener) {
    return std::popcount(static_cast<uint8_t>(session.listeners[speaker] | 1u << listener)) >
           abi::kListenersPerLeg;
  };
  if (full(body.speaker, body.listener) || (body.both != 0 && full(body.listener, body.speaker))) {
    return Refuse(Refusal::kTooManyListeners, kBodyOffset);
  }
  Arrow(index, body.speaker, body.listener, true);
  if (body.both != 0) Arrow(index, body.listener, body.speaker, true);
  return {};
}

Finding SessionFactory::Unbridge(const Asker& asker, const abi::Command& command) {
  const abi::BridgeCommand& body = command.body.bridge;
  uint32_t index = kNobody;
  if (Finding no = FindArrow(asker, command, &index); !no.ok()) return no;
  Arrow(index, body.speaker, body.listener, false);
  if (body.both != 0) Arrow(index, body.listener, body.speaker, false);
  return {};
}

Finding SessionFactory::SendDigit(const Asker& asker, const abi::Command& command) {
  const abi::DigitCommand& body = command.body.digit;
  const Found found = FindLeg(asker, command, body.leg, kLegField);
  if (!found.finding.ok()) return found.finding;
  WorkerLink& link = LinkOf(found.session);
  link.Post({.kind = OrderKind::kSendDigit,
             .leg = found.leg - link.first_leg(),
             .listener = 0,
             .reserved = 0,
             .setup = {},
             .digit = {.event = body.event, .volume = body.volume, .duration_ms = body.duration_ms},
             .number = body.number});
  return {};
}

void SessionFactory::Close(uint32_t index, uint8_t number) {
  Session& session = parts_.directory->session(index);
  LegControl& control = parts_.directory->leg(session.legs[number]);
  control.phase = LegControl::Phase::kClosing;
  // The worker takes the leg's bridges down with it.
  const auto bit = static_cast<uint8_t>(1u << number);
  for (uint8_t& listeners : session.listeners) listeners &= static_cast<uint8_t>(~bit);
  session.listeners[number] = 0;
  WorkerLink& link = LinkOf(index);
  link.Post({.kind = OrderKind::kCloseLeg,
             .leg = session.legs[number] - link.first_leg(),
             .listener = 0,
             .reserved = 0,
             .setup = {}});
  parts_.directory->Publish(index, [&](abi::SessionRecord& record) {
    record.legs[number] = {};
    --record.leg_count;
    for (size_t i = 0; i < abi::kLegsPerSession; ++i) {
      record.legs[i].listeners = session.listeners[i];
    }
  });
}

Finding SessionFactory::CloseLeg(const Asker& asker, const abi::Command& command) {
  const uint8_t number = command.body.leg_close.leg;
  const Found found = FindLeg(asker, command, number, kLegField);
  if (!found.finding.ok()) return found.finding;
  Close(found.session, number);
  Session& session = parts_.directory->session(found.session);
  const bool open_left =
      std::any_of(std::begin(session.legs), std::end(session.legs), [this](uint32_t leg) {
        return leg != kNobody && parts_.directory->leg(leg).phase == LegControl::Phase::kOpen;
      });
  if (!open_left) session.reason = abi::EndReason::kClosed;
  return {};
}

Finding SessionFactory::CloseSession(const Asker& asker, const abi::Command& command) {
  const Found found = FindSession(asker, command);
  if (found.finding.ok()) End(found.session, abi::EndReason::kClosed);
  return found.finding;
}

void SessionFactory::End(uint32_t index, abi::EndReason reason) {
  Session& session = parts_.directory->session(index);
  if (session.ended()) return;
  session.reason = reason;
  for (uint8_t number = 0; number < abi::kLegsPerSession; ++number) {
    const uint32_t leg = session.legs[number];
    if (leg != kNobody && parts_.directory->leg(leg).phase == LegControl::Phase::kOpen) {
      Close(index, number);
    }
  }
}

void SessionFactory::Release(uint16_t worker, uint32_t leg) {
  LegControl& control = parts_.directory->leg(leg);
  parts_.directory->session(control.session).legs[control.number] = kNobody;
  pairs_taken_.erase(PairKey(control.local));
  control.phase = LegControl::Phase::kFree;
  control.networks.reset();
  control.retired.clear();
  WorkerLink& link = *parts_.workers[worker];
  link.GiveBack(leg - link.first_leg());
}

}  // namespace relay::conductor
