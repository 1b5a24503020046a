// The buffers of one port: taken at start in one piece, lent out by number. Worker thread only.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "relay/limits.h"
#include "relay/port/port.h"

namespace relay::port {

class BufferPool {
 public:
  // One line more than a buffer: with a power of two the headers of a burst would share two sets of
  // the first-level cache, and throw each other out.
  static constexpr size_t kStride = kBufferSize + 64;

  explicit BufferPool(uint32_t count);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Writes once to every page, so that the memory is there and lies on the caller's NUMA node.
  void Fault();

  uint32_t count() const { return count_; }
  uint32_t free() const { return free_count_; }
  uint8_t* At(uint32_t buffer) { return memory_ + buffer * kStride; }

  // Last in, first out: the buffer given back last is the one still in the cache.
  bool Take(uint32_t* buffer) {
    if (free_count_ == 0) return false;
    const uint32_t taken = free_[--free_count_];
    lent_[taken] = Lent::kYes;
    *buffer = taken;
    return true;
  }

  void Give(uint32_t buffer) {
    assert(buffer < count_ && lent_[buffer] == Lent::kYes && "a buffer is given back exactly once");
    lent_[buffer] = Lent::kNo;
    free_[free_count_++] = buffer;
  }

  // A packet without a datagram in it: full headroom, length 0.
  void Describe(Port* owner, uint32_t buffer, Packet* packet) {
    *packet = Packet{.data = At(buffer) + kHeadroom,
                     .headroom = kHeadroom,
                     .tailroom = kBufferSize - kHeadroom,
                     .owner = owner,
                     .buffer = buffer};
  }

 private:
  // Does somebody hold it? Not a plain byte: a store of one might change anything, as the language
  // has it, and all members would be read again after it.
  enum class Lent : uint8_t { kNo, kYes };

  const uint32_t count_;
  uint32_t free_count_;
  uint8_t* memory_;
  std::vector<uint32_t> free_;  // the first free_count_ entries
  std::vector<Lent> lent_;
};

// Gives every packet back to whoever owns its buffer, in as few calls as possible. `self` avoids
// the virtual call for a port's own packets.
template <typename GiveOwn>
void ReleaseToOwners(std::span<const Packet> packets, const Port* self, GiveOwn&& give_own) {
  for (size_t i = 0; i < packets.size();) {
    Port* owner = packets[i].owner;
    size_t end = i + 1;
    while (end < packets.size() && packets[end].owner == owner) ++end;
    const std::span<const Packet> run = packets.subspan(i, end - i);
    if (owner == self) {
      give_own(run);
    } else {
      owner->Release(run);
    }
    i = end;
  }
}

}  // namespace relay::port
