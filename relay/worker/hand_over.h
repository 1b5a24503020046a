// Where a NIC cannot steer: a worker that received another's datagram gives it a copy, by a bounded
// ring for each pair of workers. In order, without a lock, and nothing waits: what finds the ring
// full is dropped by name (`hand_over_full`).
//
// A buffer never changes its worker. The giver copies into the ring, the taker from there into a
// buffer of its own, so that the packet leaves from where it lies as any other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "relay/abi/placement.h"
#include "relay/limits.h"
#include "relay/port/port.h"

namespace relay::worker {

class HandOver {
 public:
  HandOver(uint16_t workers, const abi::Placement& placement);

  // Before the workers run. `wake` ends the worker's sleep, from any thread.
  void SetWake(uint16_t worker, std::function<void()> wake) {
    ends_[worker].wake = std::move(wake);
  }

  uint16_t OwnerOf(const port::Packet& packet) const {
    return abi::WorkerOf(placement_, packet.local);
  }

  // ---- worker `from` ----

  // A copy of the packet, which came by the worker's port `port_index`. False: the ring is full.
  bool Give(uint16_t from, uint16_t to, uint8_t port_index, const port::Packet& packet);
  // Shows what was given since the last call, and wakes those who sleep.
  void Publish(uint16_t from);

  // ---- worker `to` ----

  // Fills packets that all came by one port, in buffers of `ports[*port_index]`; returns how many.
  // What finds no buffer waits.
  size_t Take(uint16_t to, std::span<port::Port* const> ports, std::span<port::Packet> packets,
              uint8_t* port_index);
  // Says that the worker is about to sleep. False: something is there, it must not.
  bool MaySleep(uint16_t to);
  void Woken(uint16_t to) { ends_[to].asleep.store(false, std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kSlots = 512;  // of a ring: 10 ms at 50,000 packets/s

  // What the taker cannot know by itself, then the payload: of 20 ms of G.711 four lines in all,
  // each of which changes its core twice. An odd number of lines, so that many slots use all of a
  // cache.
  struct alignas(64) Slot {
    abi::Endpoint remote;
    TimeNs arrival_ns;
    abi::LocalEndpoint local;
    uint32_t handle;
    uint16_t length;
    uint8_t port_index;
    port::Checksum checksum;
    uint8_t dscp;
    uint8_t reserved[3];
    uint8_t bytes[kPayloadMax];
    uint8_t spare[80];
  };
  static_assert(offsetof(Slot, bytes) == 48 && sizeof(Slot) / 64 % 2 == 1);
  static_assert(kPayloadMax <= UINT16_MAX);
  struct Ring {
    alignas(64) std::atomic<uint64_t> produced{0};
    alignas(64) std::atomic<uint64_t> consumed{0};
    // The giver's own.
    alignas(64) uint64_t written = 0;
    uint64_t consumed_seen = 0;
    bool to_publish = false;
    std::unique_ptr<Slot[]> slots;
  };
  struct alignas(64) End {
    std::atomic<bool> asleep{false};
    uint16_t next = 0;  // whose ring is looked into first
    std::function<void()> wake;
  };

  // The lines of a slot change cores: they are asked for so many slots before they are needed. A
  // packet of telephony has no more of them.
  static constexpr size_t kAhead = 2;
  static constexpr size_t kLines = 4;
  static void PrefetchForTaking(const Slot& slot);
  static void PrefetchForGiving(const Slot& slot);

  Ring& RingOf(uint16_t from, uint16_t to) { return rings_[size_t{from} * workers_ + to]; }
  bool Empty(uint16_t to);

  const uint16_t workers_;
  const abi::Placement placement_;
  const std::unique_ptr<Ring[]> rings_;
  const std::unique_ptr<End[]> ends_;
};

}  // namespace relay::worker
