// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//
// A *sum* here is the one's complement sum of 16-bit words, folded to 16 bits and not inverted, as
// the words lie in memory: it is stored with memcpy and needs no byte swapping (RFC 1071 section
// 2(B)). The checksum field of a header holds the inverted sum.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace relay::wire {

constexpr uint16_t FoldSum(uint64_t wide) {
  wide = (wide & 0xffffffff) + (wide >> 32);
  wide = (wide & 0xffff) + (wide >> 16 & 0xffff) + (wide >> 32);
  wide = (wide & 0xffff) + (wide >> 16);
  return static_cast<uint16_t>((wide & 0xffff) + (wide >> 16));
}

constexpr uint16_t AddSums(uint16_t a, uint16_t b) {
  return FoldSum(uint64_t{a} + b);
}
// Subtracting is adding the inverse (RFC 1624 section 3, equation 3).
constexpr uint16_t SubtractSums(uint16_t a, uint16_t b) {
  return AddSums(a, static_cast<uint16_t>(~b));
}

// Of any bytes; an odd last byte is followed by a zero that is not sent.
inline uint16_t SumOf(std::span<const uint8_t> bytes) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  uint64_t low[2] = {};  // four sums that do not wait for each other; 2^32 rounds fit
  uint64_t high[2] = {};
  for (; left >= 16; at += 16, left -= 16) {
    uint64_t words[2];
    std::memcpy(words, at, 16);
    for (int i = 0; i < 2; ++i) {
      low[i] += words[i] & 0xffffffff;
      high[i] += words[i] >> 32;
    }
  }
  uint64_t sum = low[0] + low[1] + high[0] + high[1];
  for (; left >= 4; at += 4, left -= 4) {
    uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
  }
  uint32_t rest = 0;
  if (left != 0) std::memcpy(&rest, at, left);  // no bytes may have no address
  return FoldSum(sum + rest);
}

// The sum of a buffer in which `before` became `after`. Both begin at an even offset and have the
// same, even length.
inline uint16_t ReplaceInSum(uint16_t sum, std::span<const uint8_t> before,
                             std::span<const uint8_t> after) {
  assert(before.size() == after.size() && before.size() % 2 == 0);
  return AddSums(SubtractSums(sum, SumOf(before)), SumOf(after));
}

}  // namespace relay::wire
