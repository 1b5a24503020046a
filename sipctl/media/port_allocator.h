// Which local port pairs a call gets.
//
// Leased pairs are kept in one queue for each (local address, worker): taken at the front, given
// back at the end, so the pair that rested longest comes first and one released in this moment
// comes last. A pair rests for kRestMs before it is taken again: packets of its old call that are
// still on their way must not be heard in a new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "relay/abi/endpoint.h"
#include "relay/abi/placement.h"
#include "relay/abi/segment.h"
#include "sipctl/clock.h"

namespace sipctl::media {

inline constexpr TimeMs kRestMs = 30 * kSecondMs;
// How long a pair is left alone after the relay could not bind it.
inline constexpr TimeMs kAvoidMs = 300 * kSecondMs;

// What a relay lends us, as its segment says.
struct PortSpace {
  std::span<const relay::abi::LocalAddress> addresses;
  std::span<const relay::abi::Lease> leases;
  relay::abi::Placement placement{};
};

class PortAllocator {
 public:
  // The pairs of the two legs of a call. Both belong to one worker.
  struct Pairs {
    relay::abi::LocalEndpoint first;
    relay::abi::LocalEndpoint second;
  };

  // A relay was joined. Pairs in use or at rest stay so, found again by address and port: another
  // instance of the relay may number its addresses otherwise.
  void Reset(const PortSpace& space);

  // One pair for each leg, out of the addresses that its trunk uses, from the worker with the
  // fewest pairs in use. Nothing when no worker has a rested pair on both sides.
  std::optional<Pairs> Take(std::span<const relay::abi::Address> first,
                            std::span<const relay::abi::Address> second, TimeMs now);
  // Marks the pair of a session that was found in the relay. False when it is not leased to us.
  bool Claim(relay::abi::LocalEndpoint pair);
  void Release(relay::abi::LocalEndpoint pair, TimeMs now);
  // The pair cannot be bound (another program has the port): released, and left alone for kAvoidMs.
  void Avoid(relay::abi::LocalEndpoint pair, TimeMs now);
  // One more pair out of `wanted`, from the worker that `beside` belongs to.
  std::optional<relay::abi::LocalEndpoint> TakeBeside(relay::abi::LocalEndpoint beside,
                                                      std::span<const relay::abi::Address> wanted,
                                                      TimeMs now);

  // Where an address of ours stands in the present relay's table.
  std::optional<uint16_t> IndexOf(const relay::abi::Address& address) const;
  std::optional<relay::abi::Address> AddressOf(uint16_t index) const;

  size_t in_use() const { return in_use_; }
  uint64_t avoided() const { return avoided_; }  // calls of Avoid that freed a pair
  size_t pairs() const { return pairs_; }

 private:
  struct Resting {
    uint16_t port;
    TimeMs since;
  };
  // One local address.
  struct Place {
    relay::abi::Address address{};
    std::vector<std::deque<Resting>> free;  // by worker, longest at rest first
    std::vector<uint8_t> used;              // by pair: port / 2; 1 = in use, 2 = not leased
  };
  enum PairState : uint8_t { kFree = 0, kUsed = 1, kNotLeased = 2 };

  std::optional<uint16_t> Best(std::span<const relay::abi::Address> wanted, uint16_t worker,
                               TimeMs now, size_t needed_of_last, std::optional<uint16_t> last);
  size_t Rested(const Place& place, uint16_t worker, size_t wanted, TimeMs now) const;
  relay::abi::LocalEndpoint TakeFront(uint16_t index, uint16_t worker);
  bool PutBack(relay::abi::LocalEndpoint pair, TimeMs since);

  std::vector<Place> places_;
  std::vector<size_t> load_;  // pairs in use, by worker
  relay::abi::Placement placement_{};
  uint16_t next_worker_ = 0;  // where the search begins among equally loaded ones
  size_t in_use_ = 0;
  size_t pairs_ = 0;
  uint64_t avoided_ = 0;
};

}  // namespace sipctl::media
