// One direction of a network made of memory: a bounded queue of datagrams with one writing and one
// reading thread. A full cable loses what is put in, as a real one does.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "relay/limits.h"
#include "relay/port/port.h"

namespace relay::port {

// A datagram, or a frame: then `bytes` says it all, and the fields above `length` are not in use.
struct CableSlot {
  abi::Endpoint source;
  abi::Endpoint destination;
  Checksum checksum;
  uint8_t dscp;
  uint32_t length;
  TimeNs arrival_ns;  // 0: when it is taken out
  uint8_t bytes[kBufferSize];
};

class Cable {
 public:
  explicit Cable(uint32_t slots);  // a power of two

  // Writer: a slot to fill, or null when the cable is full; then Commit.
  CableSlot* Reserve();
  void Commit();

  // Reader: the oldest slot, or null; then Advance.
  const CableSlot* Front();
  void Advance();

  // Reader sleeps until something is there, Wake was called (once for each Wait), or time is over.
  void Wait(TimeNs timeout_ns);
  void Wake();  // any thread

 private:
  bool empty() const {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_relaxed);
  }

  const uint32_t mask_;
  const std::unique_ptr<CableSlot[]> slots_;
  alignas(64) std::atomic<uint64_t> head_{0};  // writer
  alignas(64) std::atomic<uint64_t> tail_{0};  // reader
  alignas(64) std::atomic<bool> sleeping_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
};

}  // namespace relay::port
