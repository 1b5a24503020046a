// Anonymous memory for keys: whole pages, zeroed, in no core dump. Reserved at once, taken page by
// page as it is touched; the kernel overwrites it when it is given back. Large ones ask for large
// pages: packets of many sessions touch it all over, and with small pages each of them would wait
// for the page table as well.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <new>

namespace relay::session {

class SecretMemory {
 public:
  explicit SecretMemory(size_t bytes) : bytes_((bytes + kPage - 1) / kPage * kPage) {
    if (bytes_ == 0) return;
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, kFlags, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();  // at start, as any other lack of memory
    madvise(memory_, bytes_, MADV_DONTDUMP);
    if (bytes_ >= kLargePage) madvise(memory_, bytes_, MADV_HUGEPAGE);
  }
  ~SecretMemory() {
    if (bytes_ != 0) munmap(memory_, bytes_);
  }
  SecretMemory(const SecretMemory&) = delete;
  SecretMemory& operator=(const SecretMemory&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(memory_); }
  size_t size() const { return bytes_; }

 private:
  static constexpr size_t kPage = 4096;
  static constexpr size_t kLargePage = 2 << 20;
  size_t bytes_;
  void* memory_ = nullptr;
};

}  // namespace relay::session
