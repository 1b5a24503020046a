#include "sipctl/media/port_allocator.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace sipctl::media {

using relay::abi::Address;
using relay::abi::LocalEndpoint;

namespace {

constexpr size_t kPairsPerAddress = 32768;
constexpr TimeMs kLongAgo = std::numeric_limits<TimeMs>::min() / 2;

}  // namespace

void PortAllocator::Reset(const PortSpace& space) {
  // What is known of every pair from before.
  std::vector<Place> before = std::move(places_);
  absl::flat_hash_map<uint64_t, TimeMs> rests;  // (old place, port) -> since
  for (size_t p = 0; p < before.size(); ++p) {
    for (const auto& queue : before[p].free) {
      for (const Resting& pair : queue) {
        if (pair.since != kLongAgo) rests[p << 16 | pair.port] = pair.since;
      }
    }
  }
  placement_ = space.placement;
  const uint16_t workers =
      std::clamp<uint16_t>(space.placement.workers, 1, relay::abi::kWorkersMax);
  load_.assign(workers, 0);
  places_.assign(space.addresses.size(), {});
  pairs_ = in_use_ = 0;
  for (size_t i = 0; i < places_.size(); ++i) {
    places_[i].address = space.addresses[i].address;
    places_[i].free.resize(workers);
    places_[i].used.assign(kPairsPerAddress, kNotLeased);
  }
  for (const relay::abi::Lease& lease : space.leases) {
    if (lease.address >= places_.size()) continue;
    Place& place = places_[lease.address];
    const auto old = std::find_if(before.begin(), before.end(), [&](const Place& candidate) {
      return candidate.address == place.address;
    });
    for (uint32_t port = lease.port_first; port + 1 <= lease.port_last; port += 2) {
      if (place.used[port / 2] != kNotLeased) continue;
      const auto port16 = static_cast<uint16_t>(port);
      const uint8_t worker = WorkerOf(placement_, {.address = lease.address, .port = port16});
      if (worker >= workers) continue;
      ++pairs_;
      if (old != before.end() && old->used[port / 2] == kUsed) {
        place.used[port / 2] = kUsed;
        ++load_[worker];
        ++in_use_;
        continue;
      }
      TimeMs since = kLongAgo;
      if (old != before.end()) {
        const auto rest = rests.find(static_cast<uint64_t>(old - before.begin()) << 16 | port);
        if (rest != rests.end()) since = rest->second;
      }
      place.used[port / 2] = kFree;
      place.free[worker].push_back({.port = port16, .since = since});
    }
  }
  for (Place& place : places_) {
    for (auto& queue : place.free) {
      std::stable_sort(queue.begin(), queue.end(),
                       [](const Resting& a, const Resting& b) { return a.since < b.since; });
    }
  }
}

size_t PortAllocator::Rested(const Place& place, uint16_t worker, size_t wanted, TimeMs now) const {
  const auto& queue = place.free[worker];
  if (queue.size() < wanted) return 0;
  // Ordered by the time of release: when the last one needed has rested, so have those before it.
  return now - queue[wanted - 1].since >= kRestMs ? queue.size() : 0;
}

std::optional<uint16_t> PortAllocator::Best(std::span<const Address> wanted, uint16_t worker,
                                            TimeMs now, size_t needed_of_last,
                                            std::optional<uint16_t> last) {
  std::optional<uint16_t> best;
  size_t most = 0;
  for (const Address& address : wanted) {
    const std::optional<uint16_t> index = IndexOf(address);
    if (!index) continue;
    const size_t needed = index == last ? needed_of_last : 1;
    const size_t rested = Rested(places_[*index], worker, needed, now);
    if (rested > most) {
      most = rested;
      best = index;
    }
  }
  return best;
}

std::optional<PortAllocator::Pairs> PortAllocator::Take(std::span<const Address> first,
                                                        std::span<const Address> second,
                                                        TimeMs now) {
  const auto workers = static_cast<uint16_t>(load_.size());
  if (workers == 0) return std::nullopt;
  // Least loaded first; among equals the turn goes round.
  std::vector<uint16_t> order(workers);
  for (uint16_t i = 0; i < workers; ++i) {
    order[i] = static_cast<uint16_t>((next_worker_ + i) % workers);
  }
  std::stable_sort(order.begin(), order.end(),
                   [this](uint16_t a, uint16_t b) { return load_[a] < load_[b]; });
  for (uint16_t worker : order) {
    const auto a = Best(first, worker, now, 1, std::nullopt);
    if (!a) continue;
    const auto b = Best(second, worker, now, 2, a);
    if (!b) continue;
    next_worker_ = static_cast<uint16_t>((worker + 1) % workers);
    const LocalEndpoint pair_a = TakeFront(*a, worker);
    return Pairs{.first = pair_a, .second = TakeFront(*b, worker)};
  }
  return std::nullopt;
}

LocalEndpoint PortAllocator::TakeFront(uint16_t index, uint16_t worker) {
  Place& place = places_[index];
  const uint16_t port = place.free[worker].front().port;
  place.free[worker].pop_front();
  place.used[port / 2] = kUsed;
  ++load_[worker];
  ++in_use_;
  return {.address = index, .port = port};
}

bool PortAllocator::Claim(LocalEndpoint pair) {
  if (pair.address >= places_.size() || pair.port % 2 != 0) return false;
  Place& place = places_[pair.address];
  if (place.used[pair.port / 2] != kFree) return place.used[pair.port / 2] == kUsed;
  const uint8_t worker = WorkerOf(placement_, pair);
  auto& queue = place.free[worker];
  std::erase_if(queue, [&](const Resting& resting) { return resting.port == pair.port; });
  place.used[pair.port / 2] = kUsed;
  ++load_[worker];
  ++in_use_;
  return true;
}

void PortAllocator::Release(LocalEndpoint pair, TimeMs now) {
  PutBack(pair, now);
}

void PortAllocator::Avoid(LocalEndpoint pair, TimeMs now) {
  if (PutBack(pair, now + kAvoidMs - kRestMs)) ++avoided_;
}

// Keeps the queue in the order of rest: those to be avoided stay at its end.
bool PortAllocator::PutBack(LocalEndpoint pair, TimeMs since) {
  if (pair.address >= places_.size()) return false;
  Place& place = places_[pair.address];
  if (place.used[pair.port / 2] != kUsed) return false;
  const uint8_t worker = WorkerOf(placement_, pair);
  place.used[pair.port / 2] = kFree;
  auto& queue = place.free[worker];
  auto at = queue.end();
  while (at != queue.begin() && std::prev(at)->since > since) --at;
  queue.insert(at, {.port = pair.port, .since = since});
  --load_[worker];
  --in_use_;
  return true;
}

std::optional<LocalEndpoint> PortAllocator::TakeBeside(LocalEndpoint beside,
                                                       std::span<const Address> wanted,
                                                       TimeMs now) {
  const uint8_t worker = WorkerOf(placement_, beside);
  if (worker >= load_.size()) return std::nullopt;
  const auto index = Best(wanted, worker, now, 1, std::nullopt);
  if (!index) return std::nullopt;
  return TakeFront(*index, worker);
}

std::optional<uint16_t> PortAllocator::IndexOf(const Address& address) const {
  for (size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].address == address) return static_cast<uint16_t>(i);
  }
  return std::nullopt;
}

std::optional<Address> PortAllocator::AddressOf(uint16_t index) const {
  if (index >= places_.size()) return std::nullopt;
  return places_[index].address;
}

}  // namespace sipctl::media
