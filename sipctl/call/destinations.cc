#include "sipctl/call/destinations.h"

#include <algorithm>
#include <set>

namespace sipctl::call {

namespace {

// A peer that puts a new name into each Route makes room by the oldest.
constexpr size_t kLearnedMax = 64;

}  // namespace

sip::Protocol ProtocolOf(trunk::Transport transport) {
  switch (transport) {
    case trunk::Transport::kUdp:
      return sip::Protocol::kUdp;
    case trunk::Transport::kTcp:
      return sip::Protocol::kTcp;
    case trunk::Transport::kTls:
      return sip::Protocol::kTls;
  }
  return sip::Protocol::kUdp;
}

sip::Place PlaceOf(const trunk::Destination& destination) {
  return {.host = destination.host,
          .port = destination.by_srv ? uint16_t{0} : destination.port,
          .protocol = ProtocolOf(destination.transport)};
}

Destinations::Destinations(const trunk::Config& config, const Timers* timers, sip::Locator* locator,
                           sip::Tokens* tokens)
    : timers_(timers), locator_(locator), tokens_(tokens) {
  Follow(config);
}

void Destinations::Follow(const trunk::Config& config) {
  const std::vector<size_t> before = std::exchange(configured_, {});
  trunks_.clear();
  for (const trunk::Trunk& configured : config.trunks) {
    Trunk& trunk = trunks_.emplace_back();
    trunk.ipv4 = config.listeners[configured.listener].bind.address.IsIpv4();
    for (const trunk::Destination& each : configured.destinations) {
      const size_t place = locator_->Watch(PlaceOf(each));
      trunk.destinations.push_back({place, each.priority, each.weight});
      configured_.push_back(place);
    }
  }
  std::sort(configured_.begin(), configured_.end());
  std::erase_if(learned_, [this](size_t place) { return IsConfigured(place); });
  for (size_t place : std::set<size_t>(before.begin(), before.end())) {
    if (!IsConfigured(place)) locator_->Forget(place);
  }
}

bool Destinations::IsConfigured(size_t place) const {
  return std::binary_search(configured_.begin(), configured_.end(), place);
}

void Destinations::Append(size_t trunk, size_t destination, std::vector<Attempt>* attempts) {
  for (const sip::Target& target : locator_->Find(trunks_[trunk].destinations[destination].place)) {
    if (target.address.address.IsIpv4() != trunks_[trunk].ipv4) continue;
    attempts->push_back({destination, target});
  }
}

std::vector<Attempt> Destinations::All(size_t trunk) {
  std::vector<Attempt> attempts;
  for (size_t i = 0; i < trunks_[trunk].destinations.size(); ++i) Append(trunk, i, &attempts);
  return attempts;
}

std::vector<Attempt> Destinations::Order(size_t trunk) {
  const std::vector<Destination>& destinations = trunks_[trunk].destinations;
  std::vector<size_t> left(destinations.size());
  for (size_t i = 0; i < left.size(); ++i) left[i] = i;
  std::vector<Attempt> attempts;
  while (!left.empty()) {
    uint16_t best = UINT16_MAX;
    for (size_t i : left) best = std::min(best, destinations[i].priority);
    uint64_t sum = 0;
    for (size_t i : left) sum += destinations[i].priority == best ? destinations[i].weight : 0;
    uint64_t drawn = sum < 2 ? 0 : tokens_->Next() % sum;
    const auto chosen = std::find_if(left.begin(), left.end(), [&](size_t i) {
      if (destinations[i].priority != best) return false;
      if (sum == 0 || drawn < destinations[i].weight) return true;
      drawn -= destinations[i].weight;
      return false;
    });
    Append(trunk, *chosen, &attempts);
    left.erase(chosen);
  }
  std::stable_partition(attempts.begin(), attempts.end(),
                        [this](const Attempt& attempt) { return !IsDead(attempt.target); });
  return attempts;
}

std::optional<size_t> Destinations::Find(size_t trunk, const sip::SocketAddress& address) {
  for (const Attempt& attempt : All(trunk)) {
    if (attempt.target.address == address) return attempt.destination;
  }
  return std::nullopt;
}

Destinations::Key Destinations::KeyOf(const sip::Target& target) {
  return {target.address.address.bytes,
          uint32_t{target.address.port} << 2 | static_cast<uint32_t>(target.protocol)};
}

// What is over is forgotten whenever something new is noted.
Destinations::Dead& Destinations::Mark(const sip::Target& target) {
  std::erase_if(dead_, [this](const auto& each) { return each.second.until() <= timers_->now(); });
  return dead_[KeyOf(target)];
}

void Destinations::Failed(const sip::Target& target, TimeMs for_ms) {
  TimeMs& until = Mark(target).failed_until;
  until = std::max(until, timers_->now() + for_ms);
}

void Destinations::Answered(const sip::Target& target) {
  dead_.erase(KeyOf(target));
}

void Destinations::Silent(const sip::Target& target, TimeMs for_ms) {
  Mark(target).silent_until = timers_->now() + for_ms;
}

void Destinations::Heard(const sip::Target& target) {
  if (const auto found = dead_.find(KeyOf(target)); found != dead_.end()) {
    found->second.silent_until = 0;
  }
}

bool Destinations::IsSilent(const sip::Target& target) const {
  const auto found = dead_.find(KeyOf(target));
  return found != dead_.end() && found->second.silent_until > timers_->now();
}

bool Destinations::IsDead(const sip::Target& target) const {
  const auto found = dead_.find(KeyOf(target));
  return found != dead_.end() && found->second.until() > timers_->now();
}

std::vector<sip::Target> Destinations::Behind(const sip::Place& place) {
  auto known = locator_->Known(place);
  if (!known) {
    if (learned_.size() == kLearnedMax) {
      locator_->Forget(learned_.front());
      learned_.pop_front();
    }
    known = locator_->Watch(place);
    learned_.push_back(*known);
  }
  return locator_->Find(*known);
}

}  // namespace sipctl::call
