#include "relay/port/cable.h"

#include <cassert>
#include <chrono>

namespace relay::port {

Cable::Cable(uint32_t slots)
    : mask_(slots - 1), slots_(std::make_unique_for_overwrite<CableSlot[]>(slots)) {
  assert(slots != 0 && (slots & mask_) == 0);
}

CableSlot* Cable::Reserve() {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  if (head - tail_.load(std::memory_order_acquire) > mask_) return nullptr;
  return &slots_[head & mask_];
}

void Cable::Commit() {
  // Sequentially consistent on both flags: either the sleeper sees the datagram or we see it sleep.
  head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
  if (sleeping_.load(std::memory_order_seq_cst)) {
    const std::lock_guard lock(mutex_);
    changed_.notify_one();
  }
}

const CableSlot* Cable::Front() {
  if (empty()) return nullptr;
  return &slots_[tail_.load(std::memory_order_relaxed) & mask_];
}

void Cable::Advance() {
  tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void Cable::Wait(TimeNs timeout_ns) {
  std::unique_lock lock(mutex_);
  sleeping_.store(true, std::memory_order_seq_cst);
  changed_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), [this] {
    return woken_ || head_.load(std::memory_order_seq_cst) != tail_.load(std::memory_order_relaxed);
  });
  sleeping_.store(false, std::memory_order_relaxed);
  woken_ = false;
}

void Cable::Wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_one();
}

}  // namespace relay::port
