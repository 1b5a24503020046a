#include "relay/port/buffer_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace relay::port {

BufferPool::BufferPool(uint32_t count)
    : count_(count), free_count_(count), free_(count), lent_(count, Lent::kNo) {
  void* memory =
      mmap(nullptr, count * kStride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<uint8_t*>(memory);
  // Buffer 0 is on top, so that a quiet port stays within few pages.
  for (uint32_t i = 0; i < count; ++i) free_[i] = count - 1 - i;
}

BufferPool::~BufferPool() {
  munmap(memory_, count_ * kStride);
}

void BufferPool::Fault() {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t size = count_ * kStride;
  for (size_t offset = 0; offset < size; offset += page) {
    static_cast<volatile uint8_t*>(memory_)[offset] = 0;
  }
}

}  // namespace relay::port
