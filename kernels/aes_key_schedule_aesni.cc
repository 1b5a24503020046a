#include <immintrin.h>

#include "kernels/aes_key_schedule.h"

namespace kernels {
namespace {

// So many keys make each step together: one alone would wait for every instruction's result.
constexpr size_t kTogether = 4;

constexpr int kRoundConstants[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};

__m128i Load(const uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
void Store(__m128i value, uint8_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value);
}

// Each word becomes the sum of itself and all words before it.
__m128i SumOfWords(__m128i words) {
  words = _mm_xor_si128(words, _mm_slli_si128(words, 4));
  return _mm_xor_si128(words, _mm_slli_si128(words, 8));
}

// SubWord(RotWord(w)) ^ constant in every word, w being the last word of `words`. AESKEYGENASSIST
// says the same in thirteen steps; the last round of the cipher has the same boxes, and its shift
// of rows changes nothing where all columns are equal.
__m128i SubRotLast(__m128i words, __m128i constant) {
  const __m128i rotated = _mm_shuffle_epi8(words, _mm_set1_epi32(0x0c0f0e0d));
  return _mm_aesenclast_si128(rotated, constant);
}
// SubWord(w) alone.
__m128i SubLast(__m128i words) {
  return _mm_aesenclast_si128(_mm_shuffle_epi32(words, 0xff), _mm_setzero_si128());
}

template <size_t kKeys>
void Expand128(const uint8_t* const* keys, AesKeySchedule* schedules) {
  __m128i last[kKeys];
  for (size_t i = 0; i < kKeys; ++i) {
    last[i] = Load(keys[i]);
    Store(last[i], schedules[i].round_keys);
  }
  for (size_t round = 1; round <= 10; ++round) {
    const __m128i constant = _mm_set1_epi32(kRoundConstants[round - 1]);
    for (size_t i = 0; i < kKeys; ++i) {
      last[i] = _mm_xor_si128(SumOfWords(last[i]), SubRotLast(last[i], constant));
      Store(last[i], schedules[i].round_keys + 16 * round);
    }
  }
}

// Two round keys a step, but for the last of them: fifteen in all.
template <size_t kKeys>
void Expand256(const uint8_t* const* keys, AesKeySchedule* schedules) {
  __m128i even[kKeys], odd[kKeys];
  for (size_t i = 0; i < kKeys; ++i) {
    even[i] = Load(keys[i]);
    odd[i] = Load(keys[i] + 16);
    Store(even[i], schedules[i].round_keys);
    Store(odd[i], schedules[i].round_keys + 16);
  }
  for (size_t round = 2; round <= 14; round += 2) {
    const __m128i constant = _mm_set1_epi32(kRoundConstants[round / 2 - 1]);
    for (size_t i = 0; i < kKeys; ++i) {
      even[i] = _mm_xor_si128(SumOfWords(even[i]), SubRotLast(odd[i], constant));
      Store(even[i], schedules[i].round_keys + 16 * round);
      if (round == 14) continue;
      odd[i] = _mm_xor_si128(SumOfWords(odd[i]), SubLast(even[i]));
      Store(odd[i], schedules[i].round_keys + 16 * (round + 1));
    }
  }
}

}  // namespace

void ExpandAes128(const uint8_t* const* keys, size_t count, AesKeySchedule* schedules) {
  size_t i = 0;
  for (; i + kTogether <= count; i += kTogether) Expand128<kTogether>(keys + i, schedules + i);
  for (; i < count; ++i) Expand128<1>(keys + i, schedules + i);
}

void ExpandAes256(const uint8_t* const* keys, size_t count, AesKeySchedule* schedules) {
  size_t i = 0;
  for (; i + kTogether <= count; i += kTogether) Expand256<kTogether>(keys + i, schedules + i);
  for (; i < count; ++i) Expand256<1>(keys + i, schedules + i);
}

}  // namespace kernels
