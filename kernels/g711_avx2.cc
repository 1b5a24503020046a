// The byte maps in 32 lanes, without a table: between the places where the two laws' steps differ,
// they run in parallel, so a code moves by a distance that is a sum of a few clamped ramps. Fifteen
// one-cycle operations for 32 codes, where table look-ups by shuffle would take eight shuffles and
// as many blends.
#include <immintrin.h>

#include "kernels/g711_variants.h"

namespace kernels {
namespace {

// All of it in an unnamed namespace: see g711_variants.h.
#define SET(byte) _mm256_set1_epi8(static_cast<char>(byte))
// How far x is beyond `from`, at most `limit`.
#define RAMP(x, from, limit) _mm256_min_epu8(_mm256_subs_epu8(x, SET(from)), SET(limit))
// Half of how far x is beyond `from`, rounded up, at most `limit`.
#define HALF_RAMP(x, from, limit)                                                          \
  _mm256_min_epu8(_mm256_avg_epu8(_mm256_subs_epu8(x, SET(from)), _mm256_setzero_si256()), \
                  SET(limit))

__m256i AlawToUlaw32(__m256i code) {
  const __m256i plain = _mm256_xor_si256(code, SET(0x55));
  const __m256i a = _mm256_and_si256(plain, SET(0x7f));  // A-law value number less 1
  // min(2a + 1, a + 8): the first 8 steps are twice as wide as mu-law's.
  __m256i mu =
      _mm256_min_epu8(_mm256_add_epi8(_mm256_add_epi8(a, a), SET(1)), _mm256_add_epi8(a, SET(8)));
  mu = _mm256_sub_epi8(mu, HALF_RAMP(a, 24, 4));
  mu = _mm256_sub_epi8(mu, HALF_RAMP(a, 44, 2));
  mu = _mm256_sub_epi8(mu, RAMP(a, 62, 1));
  mu = _mm256_sub_epi8(mu, RAMP(a, 78, 1));
  const __m256i sign = _mm256_and_si256(plain, SET(0x80));
  return _mm256_or_si256(sign, _mm256_sub_epi8(SET(0x7f), mu));
}

__m256i UlawToAlaw32(__m256i code) {
  const __m256i sign = _mm256_and_si256(code, SET(0x80));
  const __m256i mu = _mm256_andnot_si256(code, SET(0x7f));  // mu-law value number
  // max(mu / 2, mu - 8)
  __m256i a = _mm256_max_epu8(HALF_RAMP(mu, 1, 127), _mm256_subs_epu8(mu, SET(8)));
  a = _mm256_add_epi8(a, RAMP(mu, 32, 4));
  a = _mm256_add_epi8(a, RAMP(mu, 47, 2));
  a = _mm256_add_epi8(a, RAMP(mu, 63, 1));
  a = _mm256_add_epi8(a, RAMP(mu, 79, 1));
  return _mm256_xor_si256(_mm256_or_si256(sign, a), SET(0x55));
}

#undef HALF_RAMP
#undef RAMP
#undef SET

using Map32 = __m256i (*)(__m256i);

// Whole vectors, then the rest through a vector on the stack: at most 31 codes, never read or
// written beyond the end.
template <Map32 kMap>
void Map(uint8_t* out, const uint8_t* in, size_t length) {
  size_t i = 0;
  for (; i + 32 <= length; i += 32) {
    const __m256i code = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), kMap(code));
  }
  if (i == length) return;
  alignas(32) uint8_t rest[32] = {};
  __builtin_memcpy(rest, in + i, length - i);
  __m256i* vector = reinterpret_cast<__m256i*>(rest);
  _mm256_store_si256(vector, kMap(_mm256_load_si256(vector)));
  __builtin_memcpy(out + i, rest, length - i);
}

}  // namespace

void AlawToUlawAvx2(uint8_t* out, const uint8_t* in, size_t length) {
  Map<AlawToUlaw32>(out, in, length);
}

void UlawToAlawAvx2(uint8_t* out, const uint8_t* in, size_t length) {
  Map<UlawToAlaw32>(out, in, length);
}

}  // namespace kernels
