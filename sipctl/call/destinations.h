// Where a trunk's calls can go now: the addresses behind its destinations, the best first, and
// those that did not answer lately last.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sipctl/sip/locator.h"
#include "sipctl/timers.h"
#include "sipctl/trunk/config.h"

namespace sipctl::call {

// How long an address that failed is tried last.
inline constexpr TimeMs kDeadMs = 30 * kSecondMs;
// Whatever its Retry-After says: who writes a day there by mistake comes back.
inline constexpr TimeMs kDeadMsMax = 600 * kSecondMs;

// Where a user of a trunk can be called, as it has said itself.
struct Registration {
  std::string user;
  sip::Uri contact;
  sip::Flow flow;  // by which the REGISTER came
};

// One address of one destination, or of a user.
struct Attempt {
  size_t destination = 0;  // index into Trunk::destinations
  sip::Target target;
  std::shared_ptr<const Registration> registration = nullptr;  // null: it is a destination's
  bool operator==(const Attempt&) const = default;
};

sip::Protocol ProtocolOf(trunk::Transport transport);
sip::Place PlaceOf(const trunk::Destination& destination);

class Destinations {
 public:
  // None is owned; all must outlive it.
  Destinations(const trunk::Config& config, const Timers* timers, sip::Locator* locator,
               sip::Tokens* tokens);

  // Another configuration, with the same listeners: what is new is looked up, what is no more is
  // forgotten.
  void Follow(const trunk::Config& config);

  // For one call: destinations by priority and, among equals, at random by weight; each one's
  // addresses as the locator gives them. Only those that the trunk's listener can reach. Dead ones
  // last, so that a call is still tried when all are dead. Empty: no address is known.
  std::vector<Attempt> Order(size_t trunk);
  // All of them, in the order of the configuration.
  std::vector<Attempt> All(size_t trunk);

  // Which of the trunk's destinations an address belongs to; nothing: none that is known.
  std::optional<size_t> Find(size_t trunk, const sip::SocketAddress& address);

  // What a call has met there. A shorter word does not take back a longer one.
  void Failed(const sip::Target& target, TimeMs for_ms = kDeadMs);
  void Answered(const sip::Target& target);
  // What OPTIONS have: they take back their own word alone, none of a call's.
  void Silent(const sip::Target& target, TimeMs for_ms);
  void Heard(const sip::Target& target);
  bool IsSilent(const sip::Target& target) const;
  bool IsDead(const sip::Target& target) const;

  // The addresses behind the host of a Route or Contact that a peer sent: looked up when it is
  // first asked for, so empty at first.
  std::vector<sip::Target> Behind(const sip::Place& place);

 private:
  struct Destination {
    size_t place;
    uint16_t priority;
    uint16_t weight;
  };
  struct Trunk {
    bool ipv4 = true;  // what its listener speaks
    std::vector<Destination> destinations;
  };
  using Key = std::pair<std::array<uint8_t, 16>, uint32_t>;  // address; port and protocol

  bool IsConfigured(size_t place) const;
  void Append(size_t trunk, size_t destination, std::vector<Attempt>* attempts);
  static Key KeyOf(const sip::Target& target);
  struct Dead;
  Dead& Mark(const sip::Target& target);

  const Timers* const timers_;
  sip::Locator* const locator_;
  sip::Tokens* const tokens_;
  std::vector<Trunk> trunks_;
  struct Dead {
    TimeMs failed_until = 0;
    TimeMs silent_until = 0;
    TimeMs until() const { return std::max(failed_until, silent_until); }
  };
  std::map<Key, Dead> dead_;
  std::vector<size_t> configured_;  // places
  std::deque<size_t> learned_;      // that only a peer has named, the oldest first
};

}  // namespace sipctl::call
