// Where a raw port's packets go next, as workers see it: written by the conductor's thread alone,
// read by every worker without a lock.
//
//   (local address, remote address) --hash--> bucket of 8 words --> hop slot
//                                             tag 48 | hop 16       to MAC, own MAC, VLAN, egress
//
// A destination holds an index, so a neighbour that changed its MAC is one 64-bit write however
// many calls go there. The table is a cache of what the kernel says: a destination that is not in
// it is asked for and its packet dropped by name (`unresolved`).
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>

#include "relay/abi/endpoint.h"
#include "relay/limits.h"
#include "relay/wire/frame.h"

namespace relay::port {

inline constexpr uint32_t kHopsMax = 4096;
inline constexpr uint32_t kHopsPerBucket = 8;  // words of a cache line
inline constexpr uint32_t kHopBuckets = 16384;
inline constexpr uint16_t kNoHop = 0;  // slot 0 is never resolved

// How frames to a destination begin, and which of the raw devices sends them.
struct Hop {
  wire::MacAddress to;
  wire::MacAddress from;
  uint16_t vlan;
  uint16_t egress;  // index into NextHopsOptions::devices
};

class HopTable {
 public:
  explicit HopTable(uint64_t seed)
      : seed_(seed),
        slots_(std::make_unique<Slot[]>(kHopsMax)),
        buckets_(std::make_unique<Bucket[]>(kHopBuckets)) {}

  // ---- any worker ----

  uint64_t HashOf(uint16_t local, const abi::Address& remote) const {
    uint64_t halves[2];
    std::memcpy(halves, remote.bytes.data(), sizeof(halves));
    // Keyed, so that nobody outside can choose two destinations that look alike.
    return Mix(halves[0] ^ seed_, halves[1] ^ std::rotl(seed_, 23) ^ local);
  }
  // kNoHop when the destination is not known.
  uint16_t Find(uint64_t hash) const {
    const Bucket& bucket = buckets_[hash % kHopBuckets];
    const uint64_t tag = TagOf(hash);
    for (const std::atomic<uint64_t>& word : bucket.words) {
      const uint64_t value = word.load(std::memory_order_acquire);
      if (value >> 16 == tag) return static_cast<uint16_t>(value);
    }
    return kNoHop;
  }
  // False when the link address is not known.
  bool Read(uint16_t index, Hop* hop) const {
    const Slot& slot = slots_[index];
    const uint64_t to = slot.to.load(std::memory_order_acquire);
    if (to == 0) return false;
    const uint64_t from = slot.from.load(std::memory_order_relaxed);
    std::memcpy(hop->to.data(), &to, 6);
    std::memcpy(hop->from.data(), &from, 6);
    hop->vlan = static_cast<uint16_t>(from >> 48);
    hop->egress = slot.egress.load(std::memory_order_relaxed);
    return true;
  }

  // ---- conductor thread ----

  // `entry`: which word of the bucket.
  void SetDestination(uint64_t hash, uint32_t entry, uint16_t hop) {
    buckets_[hash % kHopBuckets].words[entry].store(TagOf(hash) << 16 | hop,
                                                    std::memory_order_release);
  }
  void ClearDestination(uint32_t bucket, uint32_t entry) {
    buckets_[bucket].words[entry].store(0, std::memory_order_release);
  }
  void SetOwn(uint16_t index, const wire::MacAddress& mac, uint16_t vlan, uint16_t egress) {
    slots_[index].from.store(Word(mac) | uint64_t{vlan} << 48, std::memory_order_relaxed);
    slots_[index].egress.store(egress, std::memory_order_relaxed);
  }
  // The one write that follows a neighbour; all zeros: not known.
  void SetNeighbour(uint16_t index, const wire::MacAddress& mac) {
    slots_[index].to.store(Word(mac), std::memory_order_release);
  }

 private:
  struct alignas(32) Slot {
    std::atomic<uint64_t> to{0};    // 48 bits as they lie in a frame; 0 = not known
    std::atomic<uint64_t> from{0};  // the same, VLAN above
    std::atomic<uint16_t> egress{0};
  };
  struct alignas(64) Bucket {
    std::array<std::atomic<uint64_t>, kHopsPerBucket> words{};
  };
  static_assert(sizeof(Bucket) == 64);

  static uint64_t Mix(uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xd6e8feb86659fd93);
    const uint64_t folded = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    return (folded ^ folded >> 32) * 0x9e3779b97f4a7c15 ^ a ^ std::rotl(b, 32);
  }
  // Other bits than those that choose the bucket; never 0, which is an empty word.
  static uint64_t TagOf(uint64_t hash) { return hash >> 16 | 1; }
  static uint64_t Word(const wire::MacAddress& mac) {
    uint64_t word = 0;
    std::memcpy(&word, mac.data(), 6);
    return word;
  }

  const uint64_t seed_;
  const std::unique_ptr<Slot[]> slots_;
  const std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace relay::port
