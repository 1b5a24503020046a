#include "sipctl/media/relay_client.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sipctl::media {

using relay::abi::EndReason;
using relay::abi::LegPlan;

namespace {

relay::abi::Relearn Stronger(relay::abi::Relearn a, relay::abi::Relearn b) {
  using relay::abi::Relearn;
  if (a == Relearn::kAnew || b == Relearn::kKeep) return a;
  return b;
}

}  // namespace

RelayClient::RelayClient(Timers* timers, Connector* connector, RelayUser* user,
                         RelayClientOptions options)
    : timers_(timers),
      connector_(connector),
      user_(user),
      options_(std::move(options)),
      next_session_(std::max<SessionId>(options_.first_session, 1)),
      alive_(std::make_shared<bool>(true)) {}

RelayClient::~RelayClient() {
  *alive_ = false;
  timers_->Cancel(&beat_timer_);
  timers_->Cancel(&retry_timer_);
  timers_->Cancel(&gone_timer_);
  timers_->Cancel(&flush_timer_);
}

// ---- the life of the link -----------------------------------------------------------------------

void RelayClient::Start() {
  Connect();
}

void RelayClient::Connect() {
  retry_timer_ = 0;
  connecting_ = true;
  connector_->Connect(
      {.owner_cookie = options_.owner_cookie,
       .journal_bytes = options_.journal_bytes,
       .name = options_.name},
      [this, alive = alive_](std::unique_ptr<RelayLink> link, relay::abi::AttachFailure failure) {
        if (*alive) OnConnected(std::move(link), failure);
      });
}

void RelayClient::Retry() {
  retry_timer_ = timers_->After(retry_ms_, [this] { Connect(); });
  retry_ms_ = std::min(retry_ms_ * 2, kRetryMsMax);
}

void RelayClient::OnConnected(std::unique_ptr<RelayLink> link, relay::abi::AttachFailure) {
  connecting_ = false;
  if (link == nullptr) {
    Retry();
    return;
  }
  link_ = std::move(link);
  retry_ms_ = kRetryMsMin;
  timers_->Cancel(&gone_timer_);
  turns_without_beat_ = 0;
  link_->Watch([this] { OnEvents(); }, [this] { OnLost(); });
  ports_.Reset(link_->ports());
  MoveToPresentAddresses();
  networks_to_tell_ = options_.network_sets;
  Adopt();
  Beat();
  Flush();
  user_->OnRelayBack(link_->resumed(), link_->journal());
}

void RelayClient::OnLost() {
  if (link_ == nullptr) return;
  link_.reset();
  timers_->Cancel(&beat_timer_);
  unanswered_.clear();
  foreign_.clear();
  foreign_closing_.clear();
  gone_timer_ = timers_->After(kRelayGoneMs, [this] {
    gone_timer_ = 0;
    user_->OnRelayGone();
  });
  // What was being closed is closed now; nobody can count its packets any more.
  std::vector<SessionId> closed;
  for (auto& [id, session] : sessions_) {
    session.unanswered = 0;
    if (session.closing) closed.push_back(id);
    for (Leg& leg : session.legs) {
      leg.told = false;
      leg.told_listeners = 0;
      leg.changed = leg.plan != nullptr;
      // The dead relay has sent under it, and nobody knows how far it came.
      if (leg.keys != nullptr) leg.keys->SpendSendKey();
    }
  }
  std::sort(closed.begin(), closed.end());
  user_->OnRelayLost();
  for (SessionId id : closed) Forget(id, EndReason::kRelayStopping);
  if (retry_timer_ == 0 && !connecting_) Connect();
}

void RelayClient::Beat() {
  const uint64_t beat = link_->Beat();
  turns_without_beat_ = beat == relay_beat_ ? turns_without_beat_ + 1 : 0;
  relay_beat_ = beat;
  beat_timer_ = timers_->After(kBeatMs, [this] {
    if (link_ != nullptr) Beat();
  });
}

bool RelayClient::ready() const {
  return link_ != nullptr && turns_without_beat_ < kStuckTurns && !link_->draining();
}

// Another relay may number its addresses otherwise. A leg whose address is gone cannot be opened
// again; the relay will say so.
void RelayClient::MoveToPresentAddresses() {
  for (auto& [id, session] : sessions_) {
    for (Leg& leg : session.legs) {
      if (!leg.local) continue;
      leg.pair = {.address = ports_.IndexOf(leg.local->address).value_or(0xffff),
                  .port = leg.local->port};
      if (leg.plan != nullptr) leg.plan->local = leg.pair;
    }
  }
}

// Compares with what the relay has already, and puts every session in line to be told.
void RelayClient::Adopt() {
  ForEachOwn([this](const relay::abi::SessionRecord& record) {
    const auto found = sessions_.find(record.session);
    for (size_t i = 0; i < relay::abi::kLegsPerSession; ++i) {
      if (record.legs[i].state != relay::abi::LegState::kOpen) continue;
      ports_.Claim(record.legs[i].local);
      if (found == sessions_.end()) foreign_[record.session].push_back(record.legs[i].local);
      if (found == sessions_.end() || i >= found->second.legs.size()) continue;
      found->second.legs[i].told = true;
      found->second.legs[i].told_listeners = record.legs[i].listeners;
    }
  });
  std::vector<SessionId> ids;
  ids.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (SessionId id : ids) {
    sessions_[id].rebind_until = timers_->now() + kRelayGoneMs;
    Touch(id, &sessions_[id]);
  }
}

// ---- sessions -----------------------------------------------------------------------------------

std::optional<SessionId> RelayClient::Open(std::span<const relay::abi::Address> first,
                                           std::span<const relay::abi::Address> second) {
  const auto pairs = ports_.Take(first, second, timers_->now());
  if (!pairs) return std::nullopt;
  const SessionId id = next_session_++;
  Session& session = sessions_[id];
  session.legs.resize(2);
  for (size_t i = 0; i < 2; ++i) {
    const relay::abi::LocalEndpoint pair = i == 0 ? pairs->first : pairs->second;
    session.legs[i].pair = pair;
    session.legs[i].local = Local{.address = *ports_.AddressOf(pair.address), .port = pair.port};
  }
  return id;
}

std::optional<RelayClient::Local> RelayClient::LocalOf(SessionId session, uint8_t leg) const {
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || leg >= found->second.legs.size()) return std::nullopt;
  return found->second.legs[leg].local;
}

void RelayClient::SetLeg(SessionId id, uint8_t number, const LegPlan& plan,
                         const std::optional<SrtpKeys>& keys) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.closing) return;
  if (number >= found->second.legs.size()) return;
  Leg& leg = found->second.legs[number];
  LegPlan whole = plan;
  whole.local = leg.pair;
  // What was asked for in this turn already is not taken back.
  if (leg.changed && leg.plan != nullptr) whole.relearn = Stronger(leg.plan->relearn, plan.relearn);
  const bool same_keys =
      keys.has_value() == (leg.keys != nullptr) &&
      (!keys || std::memcmp(leg.keys.get(), &*keys, sizeof(relay::abi::SrtpPlan)) == 0);
  const bool same_plan =
      leg.plan != nullptr && std::memcmp(leg.plan.get(), &whole, sizeof whole) == 0;
  if (same_plan && same_keys) return;
  leg.plan = std::make_unique<LegPlan>(whole);
  leg.keys = keys ? std::make_unique<SrtpKeys>(*keys) : nullptr;
  leg.changed = true;
  Touch(id, &found->second);
}

bool RelayClient::StepAround(SessionId id, std::span<const relay::abi::Address> first,
                             std::span<const relay::abi::Address> second) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.closing) return false;
  bool moved = false;
  for (size_t i = 0; i < found->second.legs.size(); ++i) {
    Leg& leg = found->second.legs[i];
    if (!leg.taken || leg.plan == nullptr) continue;
    const auto pair = ports_.TakeBeside(leg.pair, i == 0 ? first : second, timers_->now());
    if (!pair) return false;
    ports_.Avoid(leg.pair, timers_->now());
    leg.pair = *pair;
    leg.local = Local{.address = *ports_.AddressOf(pair->address), .port = pair->port};
    leg.plan->local = *pair;
    leg.changed = true;
    leg.taken = false;
    moved = true;
  }
  if (moved) Touch(id, &found->second);
  return moved;
}

void RelayClient::Bridge(SessionId id, uint8_t a, uint8_t b) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || std::max(a, b) >= found->second.legs.size()) return;
  found->second.legs[a].listeners |= static_cast<uint8_t>(1u << b);
  found->second.legs[b].listeners |= static_cast<uint8_t>(1u << a);
  Touch(id, &found->second);
}

void RelayClient::Unbridge(SessionId id, uint8_t a, uint8_t b) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || std::max(a, b) >= found->second.legs.size()) return;
  found->second.legs[a].listeners &= static_cast<uint8_t>(~(1u << b));
  found->second.legs[b].listeners &= static_cast<uint8_t>(~(1u << a));
  Touch(id, &found->second);
}

void RelayClient::SendDigit(SessionId session, uint8_t leg, uint8_t event, uint16_t duration_ms) {
  // -dBm0 as RFC 4733 section 2.5.2.3 has its examples; nobody hears it.
  constexpr uint8_t kVolume = 10;
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || found->second.closing || leg >= found->second.legs.size()) return;
  Leg& its = found->second.legs[leg];
  if (!its.told) return;
  its.digits_to_tell.push_back({.leg = leg,
                                .event = event,
                                .volume = kVolume,
                                .reserved = 0,
                                .duration_ms = duration_ms,
                                .number = ++its.digits});
  Touch(session, &found->second);
}

void RelayClient::Close(SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.closing) return;
  found->second.closing = true;
  Touch(id, &found->second);
}

bool RelayClient::settled(SessionId id) const {
  const auto found = sessions_.find(id);
  return found != sessions_.end() && found->second.unanswered == 0 && !found->second.queued;
}

void RelayClient::CloseForeign(SessionId session) {
  foreign_closing_.push_back(session);
  FlushSoon();
}

void RelayClient::Forget(SessionId id, EndReason reason) {
  if (const auto foreign = foreign_.find(id); foreign != foreign_.end()) {
    for (const auto& pair : foreign->second) ports_.Release(pair, timers_->now());
    foreign_.erase(foreign);
    return;
  }
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  for (const Leg& leg : found->second.legs) {
    if (leg.local) ports_.Release(leg.pair, timers_->now());
  }
  sessions_.erase(found);
  user_->OnSessionEnded(id, reason);
}

// ---- the directory ------------------------------------------------------------------------------

std::vector<SessionId> RelayClient::Foreign() const {
  std::vector<SessionId> ids;
  ids.reserve(foreign_.size());
  for (const auto& [id, pairs] : foreign_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

RelayClient::LegTable RelayClient::AllStatistics() const {
  LegTable table;
  if (link_ == nullptr) return table;
  ForEachOwn([&](const relay::abi::SessionRecord& record) {
    auto& legs = table[record.session];
    for (const relay::abi::LegRecord& leg : record.legs) {
      if (leg.state != relay::abi::LegState::kOpen) break;
      relay::abi::LegStatistics statistics{};
      link_->ReadStatistics(leg.statistics, &statistics);
      legs.push_back(statistics);
    }
  });
  return table;
}

}  // namespace sipctl::media
