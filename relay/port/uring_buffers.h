// The buffers that io_uring fills: a ring of them in shared memory, refilled by us, emptied by the
// kernel. Part of the io_uring engine.
#pragma once

#include <errno.h>
#include <liburing.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "relay/limits.h"
#include "relay/port/buffer_pool.h"
#include "relay/port/socket.h"

namespace relay::port {

// A received buffer: recvmsg_out 16 | address 28 | control 48 | payload at kHeadroom.
inline constexpr size_t kBesidePayload =
    sizeof(io_uring_recvmsg_out) + sizeof(sockaddr_in6) + kControlLength;
inline constexpr size_t kReceiveOffset = kHeadroom - kBesidePayload;
static_assert(kBesidePayload <= kHeadroom);

class UringBuffers {
 public:
  static constexpr int kGroup = 0;

  // `window`: a power of two; so many buffers wait for arrivals at most.
  UringBuffers(BufferPool& pool, uint32_t window) : pool_(pool), window_(window) {}
  ~UringBuffers() {
    if (ring_ != nullptr) munmap(ring_, window_ * sizeof(io_uring_buf));
  }
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;

  absl::Status Register(io_uring* uring) {
    void* memory = mmap(nullptr, window_ * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return absl::ErrnoToStatus(errno, "io_uring: ring of buffers");
    ring_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uintptr_t>(memory);
    registration.ring_entries = window_;
    registration.bgid = kGroup;
    const int result = io_uring_register_buf_ring(uring, &registration, 0);
    if (result < 0) return absl::ErrnoToStatus(-result, "io_uring: ring of buffers");
    io_uring_buf_ring_init(ring_);
    return absl::OkStatus();
  }

  // Gives the kernel what the pool has, up to the window.
  void Refill() {
    const int mask = io_uring_buf_ring_mask(window_);
    uint32_t added = 0;
    uint32_t buffer;
    while (held_ + added < window_ && pool_.Take(&buffer)) {
      io_uring_buf_ring_add(ring_, pool_.At(buffer) + kReceiveOffset, kBesidePayload + kPayloadMax,
                            static_cast<uint16_t>(buffer), mask, static_cast<int>(added));
      ++added;
    }
    if (added != 0) io_uring_buf_ring_advance(ring_, static_cast<int>(added));
    held_ += added;
  }

  // A completion brought one back.
  void Returned() { --held_; }

  uint32_t held() const { return held_; }  // in the kernel's hands

 private:
  BufferPool& pool_;
  const uint32_t window_;
  io_uring_buf_ring* ring_ = nullptr;
  uint32_t held_ = 0;
};

}  // namespace relay::port
