#include "sipctl/media/relay_client.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sipctl::media {

using relay::abi::EndReason;
using relay::abi::Event;
using relay::abi::EventKind;
using relay::abi::LegPlan;
using relay::abi::Refusal;
using relay::abi::RingResult;

namespace {

// Events taken in one turn: bounds the time that SIP waits behind a burst of them.
constexpr int kEventsPerTurnMax = 1024;

// Another program (or a relay that just died) has the port.
bool IsTaken(Refusal refusal) {
  return refusal == Refusal::kBindFailed || refusal == Refusal::kPortInUse;
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

void RelayClient::SetLeg(SessionId id, uint8_t number, const LegPlan& plan) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.closing) return;
  if (number >= found->second.legs.size()) return;
  Leg& leg = found->second.legs[number];
  LegPlan whole = plan;
  whole.local = leg.pair;
  if (leg.plan != nullptr && std::memcmp(leg.plan.get(), &whole, sizeof whole) == 0) return;
  leg.plan = std::make_unique<LegPlan>(whole);
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

// ---- hearing ------------------------------------------------------------------------------------

void RelayClient::OnEvents() {
  Event event;
  RingResult result = RingResult::kOk;
  for (int i = 0; i < kEventsPerTurnMax && link_ != nullptr; ++i) {
    result = link_->Pop(&event);
    if (result != RingResult::kOk) break;
    OnEvent(event);
  }
  // A cursor that lies: this relay cannot be talked to. A new attachment can.
  if (result == RingResult::kBroken) OnLost();
  if (result == RingResult::kOk) {
    timers_->After(0, [this, alive = alive_] {
      if (*alive && link_ != nullptr) OnEvents();
    });
  }
  Flush();
}

void RelayClient::OnEvent(const Event& event) {
  switch (event.kind) {
    case EventKind::kCommandDone:
    case EventKind::kCommandRefused:
      OnAnswer(event);
      return;
    case EventKind::kLegEnded:
      if (sessions_.contains(event.session)) {
        user_->OnLegEnded(event.session, event.leg, event.body.statistics);
      }
      return;
    case EventKind::kSessionEnded:
      Forget(event.session, event.body.ended.reason);
      return;
    case EventKind::kMediaTimeout:
      if (sessions_.contains(event.session)) user_->OnMediaTimeout(event.session, event.leg);
      return;
    case EventKind::kEventsLost:
      OnLostEvents();
      return;
    case EventKind::kMediaResumed:
    case EventKind::kSourceLearned:
    case EventKind::kNone:
      return;
  }
}

void RelayClient::OnAnswer(const Event& event) {
  // Older requests whose answers were lost count as done.
  while (!unanswered_.empty() && unanswered_.front().number <= event.request) {
    const Request request = unanswered_.front();
    unanswered_.pop_front();
    const auto found = sessions_.find(request.session);
    if (found == sessions_.end()) continue;
    Session& session = found->second;
    if (session.unanswered > 0) --session.unanswered;
    if (request.number == event.request && event.kind == EventKind::kCommandRefused) {
      const Refusal refusal = event.body.refused.refusal;
      if (request.opened_leg != kNoOpenedLeg) OnLegRefused(&session, request.opened_leg, refusal);
      if (session.refusal == Refusal::kNone) session.refusal = refusal;
    }
    if (session.unanswered > 0 || session.queued) continue;
    const Refusal refusal = std::exchange(session.refusal, Refusal::kNone);
    if (session.closing) {
      // A close that was refused found nothing to close.
      if (refusal != Refusal::kNone) Forget(request.session, EndReason::kClosed);
      continue;
    }
    if (OfferAgain(request.session, &session, refusal)) continue;
    user_->OnSettled(request.session, refusal);
  }
}

// The relay has not the leg, nor what was told of it behind.
void RelayClient::OnLegRefused(Session* session, uint8_t number, Refusal refusal) {
  Leg& leg = session->legs[number];
  leg.told = false;
  leg.told_listeners = 0;
  for (Leg& speaker : session->legs) {
    speaker.told_listeners &= static_cast<uint8_t>(~(1u << number));
  }
  leg.taken = IsTaken(refusal);
}

// After a restart of the relay its calls keep their ports, so those are waited for.
bool RelayClient::OfferAgain(SessionId id, Session* session, Refusal refusal) {
  if (!IsTaken(refusal) || timers_->now() >= session->rebind_until) return false;
  for (Leg& leg : session->legs) leg.changed = leg.changed || leg.taken;
  timers_->After(kRebindMs, [this, id, alive = alive_] {
    if (!*alive) return;
    const auto found = sessions_.find(id);
    if (found != sessions_.end()) Touch(id, &found->second);
  });
  return true;
}

// We were too slow. The directory knows what is still alive; the rest has ended.
void RelayClient::OnLostEvents() {
  absl::flat_hash_map<SessionId, bool> alive;
  ForEachOwn([&](const relay::abi::SessionRecord& record) { alive[record.session] = true; });
  std::vector<SessionId> ended;
  for (const auto& [id, session] : sessions_) {
    const bool opened = std::any_of(session.legs.begin(), session.legs.end(),
                                    [](const Leg& leg) { return leg.told; });
    // One whose commands are still unanswered may not be there yet.
    if (opened && session.unanswered == 0 && !alive.contains(id)) ended.push_back(id);
  }
  std::sort(ended.begin(), ended.end());
  for (SessionId id : ended) Forget(id, EndReason::kNone);
}

// ---- the directory ------------------------------------------------------------------------------

template <typename Visit>
void RelayClient::ForEachOwn(Visit visit) const {
  relay::abi::SessionRecord record;
  for (uint32_t i = 0; i < link_->sessions_max(); ++i) {
    if (!link_->ReadSession(i, &record)) continue;
    if (record.owner_cookie == options_.owner_cookie) visit(record);
  }
}

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
