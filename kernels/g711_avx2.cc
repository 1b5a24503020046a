// 32 codes at a time: 12 and 14 operations for them, none longer than a cycle.
#include <immintrin.h>

#include "kernels/g711_lanes.h"
#include "kernels/g711_variants.h"

namespace kernels {
namespace {

struct Lanes {
  using Vector = __m256i;

  static Vector Load(const void* from) {
    return _mm256_loadu_si256(static_cast<const Vector*>(from));
  }
  static void Store(void* to, Vector v) { _mm256_storeu_si256(static_cast<Vector*>(to), v); }
  static Vector LoadWiden(const uint8_t* from) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static void StoreNarrow(uint8_t* to, Vector v) {
    const __m128i low = _mm256_castsi256_si128(v);
    const __m128i high = _mm256_extracti128_si256(v, 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(low, high));
  }

  static Vector Zero() { return _mm256_setzero_si256(); }
  static Vector Set8(int byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }
  static Vector Set16(int word) { return _mm256_set1_epi16(static_cast<int16_t>(word)); }
  // One byte for each segment; a shuffle looks at 16, in each half alike.
  static Vector Table(int t0, int t1, int t2, int t3, int t4, int t5, int t6, int t7) {
    const auto byte = [](int value) { return static_cast<char>(value); };
    return _mm256_broadcastsi128_si256(_mm_setr_epi8(byte(t0), byte(t1), byte(t2), byte(t3),
                                                     byte(t4), byte(t5), byte(t6), byte(t7), 0, 0,
                                                     0, 0, 0, 0, 0, 0));
  }
  static Vector Lookup(Vector table, Vector index) { return _mm256_shuffle_epi8(table, index); }
  // Squares of 16 bits added to four sums of 64.
  static Vector AddSquares(Vector sums, Vector v) {
    const Vector pairs = _mm256_madd_epi16(v, v);  // positive: at most 2 * 32256^2 < 2^31
    const Vector low = _mm256_unpacklo_epi32(pairs, Zero());
    return _mm256_add_epi64(sums, _mm256_add_epi64(low, _mm256_unpackhi_epi32(pairs, Zero())));
  }
  static Vector And(Vector a, Vector b) { return _mm256_and_si256(a, b); }
  static Vector AndNot(Vector a, Vector b) { return _mm256_andnot_si256(a, b); }  // ~a & b
  static Vector Or(Vector a, Vector b) { return _mm256_or_si256(a, b); }
  static Vector Xor(Vector a, Vector b) { return _mm256_xor_si256(a, b); }
  static Vector Add8(Vector a, Vector b) { return _mm256_add_epi8(a, b); }
  static Vector Subtract8(Vector a, Vector b) { return _mm256_sub_epi8(a, b); }
  static Vector SubtractDown8(Vector a, Vector b) { return _mm256_subs_epu8(a, b); }  // at least 0
  static Vector Average8(Vector a, Vector b) { return _mm256_avg_epu8(a, b); }
  static Vector Max8(Vector a, Vector b) { return _mm256_max_epu8(a, b); }
  static Vector Add16(Vector a, Vector b) { return _mm256_add_epi16(a, b); }
  static Vector Subtract16(Vector a, Vector b) { return _mm256_sub_epi16(a, b); }
  static Vector Min16(Vector a, Vector b) { return _mm256_min_epi16(a, b); }
  static Vector Multiply16(Vector a, Vector b) { return _mm256_mullo_epi16(a, b); }
  static Vector MultiplyHigh16(Vector a, Vector b) { return _mm256_mulhi_epu16(a, b); }
  static Vector Equal16(Vector a, Vector b) { return _mm256_cmpeq_epi16(a, b); }
  static Vector Greater16(Vector a, Vector b) { return _mm256_cmpgt_epi16(a, b); }
  static Vector SignMask16(Vector v) { return _mm256_srai_epi16(v, 15); }
  template <int kBits>
  static Vector ShiftRight(Vector v) {
    return _mm256_srli_epi16(v, kBits);
  }
  template <int kBits>
  static Vector ShiftLeft(Vector v) {
    return _mm256_slli_epi16(v, kBits);
  }
};

using Laws = Law<Lanes>;

}  // namespace

void AlawToUlawAvx2(uint8_t* out, const uint8_t* in, size_t length) {
  Laws::Map<Laws::AlawToUlaw>(out, in, length);
}

void UlawToAlawAvx2(uint8_t* out, const uint8_t* in, size_t length) {
  Laws::Map<Laws::UlawToAlaw>(out, in, length);
}

void AlawToLinearAvx2(int16_t* out, const uint8_t* in, size_t length) {
  Laws::Decode<Laws::AlawToLinear>(out, in, length);
}

void UlawToLinearAvx2(int16_t* out, const uint8_t* in, size_t length) {
  Laws::Decode<Laws::UlawToLinear>(out, in, length);
}

void LinearToAlawAvx2(uint8_t* out, const int16_t* in, size_t length) {
  Laws::Encode<Laws::LinearToAlaw>(out, in, length);
}

void LinearToUlawAvx2(uint8_t* out, const int16_t* in, size_t length) {
  Laws::Encode<Laws::LinearToUlaw>(out, in, length);
}

uint64_t AlawEnergyAvx2(const uint8_t* in, size_t length) {
  return Laws::Energy<Laws::AlawToLinear>(in, length);
}

uint64_t UlawEnergyAvx2(const uint8_t* in, size_t length) {
  return Laws::Energy<Laws::UlawToLinear>(in, length);
}

}  // namespace kernels
