#include "sipctl/secrecy.h"

#include <malloc.h>
#include <string.h>
#include <sys/resource.h>

#include <cstdlib>
#include <new>

namespace sipctl {

bool RefuseCores() {
  // 1 and not 0: with 0 the kernel still feeds a program that collects cores.
  const rlimit limit{.rlim_cur = 1, .rlim_max = 1};
  return setrlimit(RLIMIT_CORE, &limit) == 0;
}

namespace {

void* Take(size_t bytes) {
  while (true) {
    if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void GiveBack(void* memory, size_t bytes) noexcept {
  if (memory == nullptr) return;
  explicit_bzero(memory, bytes);
  std::free(memory);
}

}  // namespace
}  // namespace sipctl

// Those for more than the usual alignment stay the library's: no text lies in such memory.
void* operator new(size_t bytes) {
  return sipctl::Take(bytes);
}
void* operator new[](size_t bytes) {
  return sipctl::Take(bytes);
}
void operator delete(void* memory) noexcept {
  sipctl::GiveBack(memory, malloc_usable_size(memory));
}
void operator delete[](void* memory) noexcept {
  sipctl::GiveBack(memory, malloc_usable_size(memory));
}
void operator delete(void* memory, size_t bytes) noexcept {
  sipctl::GiveBack(memory, bytes);
}
void operator delete[](void* memory, size_t bytes) noexcept {
  sipctl::GiveBack(memory, bytes);
}
