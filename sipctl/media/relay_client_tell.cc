// What the relay is told: the differences between what is wanted and what it has.
#include <algorithm>
#include <cstring>

#include "sipctl/media/relay_client.h"

namespace sipctl::media {

using relay::abi::BridgeCommand;
using relay::abi::Command;
using relay::abi::CommandKind;
using relay::abi::EndReason;
using relay::abi::LegCommand;
using relay::abi::NetworkSetCommand;
using relay::abi::RingResult;

void RelayClient::Touch(SessionId id, Session* session) {
  FlushSoon();
  if (session->queued) return;
  session->queued = true;
  dirty_.push_back(id);
}

void RelayClient::FlushSoon() {
  if (flush_timer_ != 0) return;
  flush_timer_ = timers_->After(0, [this] {
    flush_timer_ = 0;
    Flush();
  });
}

bool RelayClient::Push(CommandKind kind, SessionId session, const void* body, size_t length,
                       uint8_t opened_leg) {
  Command command{};
  command.kind = kind;
  command.length = static_cast<uint32_t>(length);
  command.request = next_request_;
  command.session = session;
  if (length > 0) std::memcpy(&command.body, body, length);
  const bool pushed = link_->Push(command) == RingResult::kOk;
  explicit_bzero(&command.body, length);  // there may have been keys in it
  if (!pushed) return false;
  unanswered_.push_back({.number = next_request_++, .session = session, .opened_leg = opened_leg});
  return true;
}

void RelayClient::Flush() {
  if (link_ == nullptr) return;
  const uint64_t before = next_request_;
  TellNetworks();
  while (!foreign_closing_.empty() &&
         Push(CommandKind::kSessionClose, foreign_closing_.front(), nullptr, 0)) {
    foreign_closing_.pop_front();
  }
  while (networks_to_tell_.empty() && !dirty_.empty()) {
    const SessionId id = dirty_.front();
    const auto found = sessions_.find(id);
    if (found != sessions_.end() && !Tell(id, &found->second)) break;
    dirty_.pop_front();
    if (found != sessions_.end()) found->second.queued = false;
  }
  if (next_request_ != before) link_->Signal();
}

void RelayClient::SetNetworks(std::vector<NetworkSet> sets) {
  // All of them: there are few, and what they define again they define alike.
  networks_to_tell_ = sets;
  options_.network_sets = std::move(sets);
  FlushSoon();
}

// The sets come before the legs that name them.
void RelayClient::TellNetworks() {
  while (!networks_to_tell_.empty()) {
    const NetworkSet& set = networks_to_tell_.front();
    const size_t all = std::min<size_t>(set.networks.size(), relay::abi::kNetworksPerSet);
    size_t done = 0;
    do {
      NetworkSetCommand body{};
      body.set = set.number;
      body.append = done > 0;
      body.count =
          static_cast<uint16_t>(std::min<size_t>(all - done, relay::abi::kNetworksPerCommand));
      std::copy_n(set.networks.begin() + static_cast<ptrdiff_t>(done), body.count, body.networks);
      if (!Push(CommandKind::kNetworkSet, 0, &body, sizeof body)) return;
      done += body.count;
    } while (done < all);
    networks_to_tell_.erase(networks_to_tell_.begin());
  }
}

// False when the ring is full: what is left is told in a later turn.
bool RelayClient::Tell(SessionId id, Session* session) {
  if (session->closing) {
    const bool opened = std::any_of(session->legs.begin(), session->legs.end(),
                                    [](const Leg& leg) { return leg.told; });
    if (!opened) {
      // The relay never heard of it. Its end is told from the loop like any other.
      timers_->After(0, [this, id, alive = alive_] {
        if (*alive) Forget(id, EndReason::kClosed);
      });
      return true;
    }
    if (session->close_told) return true;
    if (!Push(CommandKind::kSessionClose, id, nullptr, 0)) return false;
    ++session->unanswered;
    session->close_told = true;
    return true;
  }
  return TellLegs(id, session) && TellBridges(id, session) && TellDigits(id, session);
}

bool RelayClient::TellLegs(SessionId id, Session* session) {
  for (size_t i = 0; i < session->legs.size(); ++i) {
    Leg& leg = session->legs[i];
    if (leg.plan == nullptr || !leg.changed) continue;
    LegCommand body{};
    body.leg = static_cast<uint8_t>(i);
    body.plan = *leg.plan;
    if (leg.keys != nullptr) body.srtp = *leg.keys;
    const CommandKind kind = leg.told ? CommandKind::kLegUpdate : CommandKind::kLegOpen;
    const bool told = Push(kind, id, &body, sizeof body, leg.told ? kNoOpenedLeg : body.leg);
    explicit_bzero(&body.srtp, sizeof body.srtp);
    if (!told) return false;
    ++session->unanswered;
    leg.told = true;
    leg.taken = false;
    leg.changed = false;
    leg.plan->relearn =
        relay::abi::Relearn::kKeep;  // asked for once, and not again after a restart of the relay
  }
  return true;
}

bool RelayClient::TellBridges(SessionId id, Session* session) {
  for (size_t a = 0; a < session->legs.size(); ++a) {
    Leg& speaker = session->legs[a];
    for (size_t b = 0; b < session->legs.size(); ++b) {
      const auto bit = static_cast<uint8_t>(1u << b);
      if (((speaker.listeners ^ speaker.told_listeners) & bit) == 0) continue;
      if (!speaker.told || !session->legs[b].told) continue;
      BridgeCommand body{};
      body.speaker = static_cast<uint8_t>(a);
      body.listener = static_cast<uint8_t>(b);
      const CommandKind kind =
          speaker.listeners & bit ? CommandKind::kBridge : CommandKind::kUnbridge;
      if (!Push(kind, id, &body, sizeof body)) return false;
      ++session->unanswered;
      speaker.told_listeners ^= bit;
    }
  }
  return true;
}

// A call does not fail for a digit: whether the relay took one is not asked.
bool RelayClient::TellDigits(SessionId id, Session* session) {
  for (Leg& leg : session->legs) {
    if (!leg.told) leg.digits_to_tell.clear();
    while (!leg.digits_to_tell.empty()) {
      const relay::abi::DigitCommand& digit = leg.digits_to_tell.front();
      if (!Push(CommandKind::kSendDigit, id, &digit, sizeof digit)) return false;
      unanswered_.back().counts = false;
      ++session->unanswered;
      leg.digits_to_tell.erase(leg.digits_to_tell.begin());
    }
  }
  return true;
}

}  // namespace sipctl::media
