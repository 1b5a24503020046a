// What is in this process's memory, as a core dump or a debugger would see it: for tests that look
// for keys where there must be none.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/sanitized.h"

namespace support {

struct Mapping {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool writable = false;
  bool dumped = true;  // in a core dump: not MADV_DONTDUMP

  bool Holds(const void* address) const {
    const auto at = reinterpret_cast<uintptr_t>(address);
    return at >= begin && at < end;
  }
};

// From /proc/self/smaps (proc(5)); the flag "dd" is VM_DONTDUMP.
inline std::vector<Mapping> Mappings() {
  std::vector<Mapping> mappings;
  std::ifstream smaps("/proc/self/smaps");
  for (std::string line; std::getline(smaps, line);) {
    Mapping mapping;
    char dash = 0;
    std::string rights;
    std::istringstream head(line);
    if (head >> std::hex >> mapping.begin >> dash >> mapping.end >> rights && dash == '-') {
      mapping.writable = rights.starts_with("rw");
      mappings.push_back(mapping);
    } else if (line.starts_with("VmFlags:") && !mappings.empty()) {
      mappings.back().dumped = (line + " ").find(" dd ") == std::string::npos;
    }
  }
  return mappings;
}

// Whether a core dump holds the byte at `address`.
inline bool IsDumped(const void* address) {
  for (const Mapping& mapping : Mappings()) {
    if (mapping.Holds(address)) return mapping.dumped;
  }
  return false;
}

enum class Where : uint8_t { kAnywhere, kInDumps };

// How often a text lies in this process's memory, but its stack; `flipped` is that text with all
// bits turned over, so that what is looked for is not found because it is looked for.
inline size_t Count(Where where, std::string_view flipped) {
  // Longer than anything of ours. What sanitizers keep in smaller pieces takes a minute to read.
  constexpr uint64_t kSanitizersShadow = uint64_t{1} << (kSanitized ? 26 : 30);
  constexpr size_t kPart = 1 << 20;
  const size_t bytes = kPart + flipped.size() - 1;
  void* const mapped =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED || madvise(mapped, bytes, MADV_DONTDUMP) != 0) std::abort();
  auto* const part = static_cast<char*>(mapped);
  auto* const as_words = static_cast<uint64_t*>(mapped);
  const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  size_t count = 0;
  for (const Mapping& mapping : Mappings()) {
    if (!mapping.writable || mapping.end - mapping.begin > kSanitizersShadow) continue;
    if (mapping.Holds(&count) || mapping.Holds(part)) continue;
    if (where == Where::kInDumps && !mapping.dumped) continue;
    for (uint64_t at = mapping.begin; at < mapping.end; at += kPart) {
      const size_t wanted = std::min<uint64_t>(bytes, mapping.end - at);
      const ssize_t got = pread(memory, part, wanted, static_cast<off_t>(at));
      if (got <= 0) continue;
      // By words: a sanitizer looks at each access.
      const size_t words = (static_cast<size_t>(got) + 7) / 8;
      std::transform(as_words, as_words + words, as_words, std::bit_not<>());
      const std::string_view seen(part, static_cast<size_t>(got));
      for (size_t i = seen.find(flipped); i < kPart; i = seen.find(flipped, i + 1)) ++count;
    }
  }
  close(memory);
  munmap(mapped, bytes);
  return count;
}

}  // namespace support
