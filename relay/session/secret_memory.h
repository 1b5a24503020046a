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

// As any lack of memory, std::bad_alloc; also where the kernel would not leave it out of dumps.
inline void* MapSecret(size_t bytes) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (madvise(memory, bytes, MADV_DONTDUMP) == 0) return memory;
  munmap(memory, bytes);
  throw std::bad_alloc();
}

class SecretMemory {
 public:
  explicit SecretMemory(size_t bytes) : bytes_((bytes + kPage - 1) / kPage * kPage) {
    if (bytes_ == 0) return;
    memory_ = MapSecret(bytes_);
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

// The same for a container: whole pages for each piece, back at the kernel when it is freed. For
// what is rare: each piece is a system call or three.
template <typename T>
struct SecretAllocator {
  using value_type = T;

  SecretAllocator() = default;
  template <typename Other>
  SecretAllocator(const SecretAllocator<Other>&) {}  // NOLINT: allocators are turned into others

  T* allocate(size_t count) { return static_cast<T*>(MapSecret(count * sizeof(T))); }
  void deallocate(T* memory, size_t count) { munmap(memory, count * sizeof(T)); }

  bool operator==(const SecretAllocator&) const = default;
};

}  // namespace relay::session
