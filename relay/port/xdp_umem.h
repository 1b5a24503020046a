// The memory of one worker's frames: a memfd, shared with the kernel by all of the worker's
// sockets. Frame numbers never leave the worker.
#pragma once

#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/abi/mapping.h"
#include "relay/limits.h"

namespace relay::port {

class XdpUmem {
 public:
  // What the kernel leaves free before a frame (XDP_PACKET_HEADROOM): more than kHeadroom, whatever
  // headers there were.
  static constexpr uint32_t kFrameHeadroom = 256;
  static constexpr uint32_t kFrameSize = kBufferSize;  // an aligned chunk: a power of two
  static_assert(kFrameHeadroom + 14 + 4 + 40 + 8 + kPayloadMax + kTailroom <= kFrameSize);

  // How far frames lie apart. A packet fills the same four or five lines of each frame: at a power
  // of two all frames share those sets of every cache, an eighth of it, and a queue of a thousand
  // has left the cache before it is read. A line more spreads them. Drivers that do not copy want
  // the power of two.
  enum class Layout : uint8_t { kAligned, kSpread };
  static constexpr uint32_t kSpreadSize = kFrameSize + 64;
  static constexpr uint32_t SizeOf(Layout layout) {
    return layout == Layout::kAligned ? kFrameSize : kSpreadSize;
  }

  XdpUmem() = default;  // without frames
  static absl::StatusOr<XdpUmem> Make(uint32_t frames, Layout layout) {
    XdpUmem umem;
    umem.layout_ = layout;
    umem.lent_.assign(frames, 0);
    umem.fd_ = abi::Descriptor(memfd_create("tandem-umem", MFD_CLOEXEC));
    if (!umem.fd_.valid() || ftruncate(umem.fd_.get(), static_cast<off_t>(umem.size())) != 0 ||
        !umem.mapping_.Map(umem.fd_.get(), umem.size(), PROT_READ | PROT_WRITE)) {
      return absl::ErrnoToStatus(errno, "memory for frames");
    }
    umem.free_.resize(frames);
    // Frame 0 is on top, so that a quiet port stays within few pages.
    for (uint32_t i = 0; i < frames; ++i) umem.free_[i] = frames - 1 - i;
    umem.free_count_ = frames;
    return umem;
  }

  Layout layout() const { return layout_; }
  // For the kernel: xdp_umem_reg.
  uint32_t flags() const { return layout_ == Layout::kAligned ? 0 : XDP_UMEM_UNALIGNED_CHUNK_FLAG; }
  uint8_t* At(uint64_t address) { return mapping_.At<uint8_t>(0) + OffsetOf(address); }
  void* memory() { return At(0); }
  uint64_t size() const { return lent_.size() * uint64_t{SizeOf(layout_)}; }
  uint32_t free() const { return free_count_; }

  // Last in, first out: the frame given back last is the one still in the cache.
  bool Take(uint32_t* frame) {
    if (free_count_ == 0) return false;
    *frame = free_[--free_count_];
    lent_[*frame] = 1;
    return true;
  }
  void Give(uint32_t frame) {
    assert(frame < lent_.size() && lent_[frame] != 0 && "a frame is given back exactly once");
    lent_[frame] = 0;
    free_[free_count_++] = frame;
  }
  // The frame that an address of the kernel's lies in.
  uint32_t FrameOf(uint64_t address) const {
    const uint64_t offset = OffsetOf(address);
    // Two constants to divide by, no variable.
    return static_cast<uint32_t>(layout_ == Layout::kAligned ? offset / kFrameSize
                                                             : offset / kSpreadSize);
  }
  uint64_t BeginOf(uint32_t frame) const { return uint64_t{frame} * SizeOf(layout_); }

 private:
  // Where frames need not be aligned, the kernel tells of one that has come by its begin and, in
  // the upper bits, how far in the packet begins.
  static constexpr uint64_t OffsetOf(uint64_t address) {
    return (address & XSK_UNALIGNED_BUF_ADDR_MASK) + (address >> XSK_UNALIGNED_BUF_OFFSET_SHIFT);
  }

  Layout layout_ = Layout::kAligned;
  abi::Descriptor fd_;
  abi::Mapping mapping_;
  std::vector<uint32_t> free_;  // the first free_count_ entries
  std::vector<uint8_t> lent_;
  uint32_t free_count_ = 0;
};

}  // namespace relay::port
