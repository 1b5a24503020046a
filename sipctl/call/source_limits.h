// What strangers may cost: how many messages of a source are looked at, how many passwords it may
// guess. Every table is bounded; the oldest entry makes room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "relay/abi/endpoint.h"
#include "sipctl/clock.h"
#include "sipctl/trunk/limits.h"

namespace sipctl::call {

struct DoorLimits {
  // Messages and connections of strangers, together and of one source; in a burst at most that
  // many.
  uint32_t all_per_minute = 12'000;
  uint32_t all_burst = 400;
  uint32_t source_per_minute = 600;
  uint32_t source_burst = 20;
  size_t sources_max = 16'384;

  // So many wrong passwords within that time make a source silent for that time.
  uint32_t guesses_max = 5;
  TimeMs guesses_ms = 10 * 60 * kSecondMs;
  TimeMs silence_ms = 5 * 60 * kSecondMs;
  size_t guessers_max = 16'384;

  // Who has logged in is no stranger, at least for so long.
  TimeMs known_ms = 120 * kSecondMs;
  size_t known_max = 16'384;
};

template <typename Key, typename Value>
class BoundedTable {
 public:
  explicit BoundedTable(size_t max) : max_(max) {}

  const Value* Find(const Key& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }
  // The value of `key`, made from `fresh` if there is none. Good until the next call.
  Value& Get(const Key& key, const Value& fresh) {
    const auto [found, is_new] = values_.try_emplace(key, fresh);
    if (!is_new) return found->second;
    order_.push_back(key);
    if (order_.size() > max_) {
      values_.erase(order_.front());
      order_.pop_front();
    }
    return values_.find(key)->second;
  }
  size_t size() const { return values_.size(); }

 private:
  const size_t max_;
  absl::flat_hash_map<Key, Value> values_;
  std::deque<Key> order_;  // the oldest first
};

class SourceLimits {
 public:
  SourceLimits(const DoorLimits& limits, TimeMs now);

  // A message or connection of a stranger: false when it is one too many.
  bool Take(const relay::abi::Address& source, TimeMs now);

  // `who` is a source, or a user at one. True: this guess was the last one for a time.
  bool CountGuess(const std::string& who, TimeMs now);
  bool IsSilent(const std::string& who, TimeMs now) const;

  void Know(const relay::abi::Address& source, TimeMs until);
  bool IsKnown(const relay::abi::Address& source, TimeMs now) const;

  const DoorLimits& limits() const { return limits_; }

 private:
  using Source = std::array<uint8_t, 16>;
  struct Guesses {
    uint32_t count = 0;
    TimeMs since = 0;
    TimeMs silent_until = 0;
  };

  // A host with IPv6 has as many addresses as it likes: its /64 counts.
  static Source SourceOf(const relay::abi::Address& address);

  const DoorLimits limits_;
  trunk::TokenBucket all_;
  BoundedTable<Source, trunk::TokenBucket> sources_;
  BoundedTable<std::string, Guesses> guesses_;
  BoundedTable<Source, TimeMs> known_;  // until when
};

}  // namespace sipctl::call
