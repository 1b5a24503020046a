#include "relay/worker/hand_over.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace relay::worker {

HandOver::HandOver(uint16_t workers, const abi::Placement& placement)
    : workers_(workers),
      placement_(placement),
      rings_(std::make_unique<Ring[]>(size_t{workers} * workers)),
      ends_(std::make_unique<End[]>(workers)) {
  for (uint16_t from = 0; from < workers; ++from) {
    for (uint16_t to = 0; to < workers; ++to) {
      // Not written to: pages come with the first packets.
      if (from != to) RingOf(from, to).slots = std::make_unique_for_overwrite<Slot[]>(kSlots);
    }
  }
}

void HandOver::PrefetchForTaking(const Slot& slot) {
  const auto* const at = reinterpret_cast<const uint8_t*>(&slot);
  for (size_t i = 0; i < kLines; ++i) __builtin_prefetch(at + 64 * i);
}

// Of the other core as well, which read it last: a line that is only shared would have to be asked
// for once more when it is written. Without a processor's name the compiler leaves that out.
void HandOver::PrefetchForGiving(const Slot& slot) {
  const auto* const at = reinterpret_cast<const uint8_t*>(&slot);
  for (size_t i = 0; i < kLines; ++i) {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(at[64 * i]));
#else
    __builtin_prefetch(at + 64 * i, 1);
#endif
  }
}

bool HandOver::Give(uint16_t from, uint16_t to, uint8_t port_index, const port::Packet& packet) {
  assert(from != to && packet.length <= kPayloadMax);
  Ring& ring = RingOf(from, to);
  if (ring.written - ring.consumed_seen == kSlots) {
    ring.consumed_seen = ring.consumed.load(std::memory_order_acquire);
    if (ring.written - ring.consumed_seen == kSlots) return false;
  }
  PrefetchForGiving(ring.slots[(ring.written + kAhead) % kSlots]);
  Slot& slot = ring.slots[ring.written % kSlots];
  slot.remote = packet.remote;
  slot.arrival_ns = packet.arrival_ns;
  slot.local = packet.local;
  slot.handle = packet.handle;
  slot.length = static_cast<uint16_t>(packet.length);
  slot.port_index = port_index;
  slot.checksum = packet.checksum;
  slot.dscp = packet.dscp;
  std::memcpy(slot.bytes, packet.data, packet.length);
  ++ring.written;
  ring.to_publish = true;
  return true;
}

void HandOver::Publish(uint16_t from) {
  for (uint16_t to = 0; to < workers_; ++to) {
    Ring& ring = RingOf(from, to);
    if (!ring.to_publish) continue;
    ring.to_publish = false;
    // Sequentially consistent on both sides: either the sleeper sees the packets or we see it
    // sleep.
    ring.produced.store(ring.written, std::memory_order_seq_cst);
    if (ends_[to].asleep.load(std::memory_order_seq_cst) && ends_[to].wake) ends_[to].wake();
  }
}

size_t HandOver::Take(uint16_t to, std::span<port::Port* const> ports,
                      std::span<port::Packet> packets, uint8_t* port_index) {
  End& end = ends_[to];
  for (uint16_t turn = 0; turn < workers_; ++turn) {
    const auto from = static_cast<uint16_t>((end.next + turn) % workers_);
    Ring& ring = RingOf(from, to);
    uint64_t taken = ring.consumed.load(std::memory_order_relaxed);
    const uint64_t there = ring.produced.load(std::memory_order_acquire) - taken;
    size_t count = 0;
    while (count < std::min<uint64_t>(there, packets.size())) {
      // Not beyond what is there: the giver is about to write it.
      if (count + kAhead < there) PrefetchForTaking(ring.slots[(taken + count + kAhead) % kSlots]);
      const Slot& slot = ring.slots[(taken + count) % kSlots];
      if (count == 0) *port_index = slot.port_index;
      if (slot.port_index != *port_index) break;
      port::Packet& packet = packets[count];
      if (!ports[slot.port_index]->Allocate(&packet)) break;
      ++count;
      std::memcpy(packet.data, slot.bytes, slot.length);
      packet.length = slot.length;
      packet.tailroom = static_cast<uint16_t>(packet.tailroom - slot.length);
      packet.arrival_ns = slot.arrival_ns;
      packet.local = slot.local;
      packet.handle = slot.handle;
      packet.remote = slot.remote;
      packet.checksum = slot.checksum;
      packet.dscp = slot.dscp;
    }
    if (count == 0) continue;
    taken += count;
    ring.consumed.store(taken, std::memory_order_release);
    end.next = static_cast<uint16_t>((from + 1) % workers_);
    return count;
  }
  return 0;
}

bool HandOver::Empty(uint16_t to) {
  for (uint16_t from = 0; from < workers_; ++from) {
    Ring& ring = RingOf(from, to);
    if (ring.produced.load(std::memory_order_seq_cst) !=
        ring.consumed.load(std::memory_order_relaxed)) {
      return false;
    }
  }
  return true;
}

bool HandOver::MaySleep(uint16_t to) {
  ends_[to].asleep.store(true, std::memory_order_seq_cst);
  if (Empty(to)) return true;
  Woken(to);
  return false;
}

}  // namespace relay::worker
