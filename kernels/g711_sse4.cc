// 16 codes at a time. SSE4.1 alone (its shuffle is SSSE3), so that processors of 2008 can run it.
#include <immintrin.h>

#include "kernels/g711_lanes.h"
#include "kernels/g711_variants.h"

namespace kernels {
namespace {

struct Lanes {
  using Vector = __m128i;

  static Vector Load(const void* from) { return _mm_loadu_si128(static_cast<const Vector*>(from)); }
  static void Store(void* to, Vector v) { _mm_storeu_si128(static_cast<Vector*>(to), v); }
  static Vector LoadWiden(const uint8_t* from) {
    return _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const Vector*>(from)));
  }
  static void StoreNarrow(uint8_t* to, Vector v) {
    _mm_storel_epi64(reinterpret_cast<Vector*>(to), _mm_packus_epi16(v, v));
  }

  static Vector Zero() { return _mm_setzero_si128(); }
  static Vector Set8(int byte) { return _mm_set1_epi8(static_cast<char>(byte)); }
  static Vector Set16(int word) { return _mm_set1_epi16(static_cast<int16_t>(word)); }
  // One byte for each segment; a shuffle looks at 16.
  static Vector Table(int t0, int t1, int t2, int t3, int t4, int t5, int t6, int t7) {
    const auto byte = [](int value) { return static_cast<char>(value); };
    return _mm_setr_epi8(byte(t0), byte(t1), byte(t2), byte(t3), byte(t4), byte(t5), byte(t6),
                         byte(t7), 0, 0, 0, 0, 0, 0, 0, 0);
  }
  static Vector Lookup(Vector table, Vector index) { return _mm_shuffle_epi8(table, index); }
  // Squares of 16 bits added to two sums of 64.
  static Vector AddSquares(Vector sums, Vector v) {
    const Vector pairs = _mm_madd_epi16(v, v);  // positive: at most 2 * 32256^2 < 2^31
    const Vector low = _mm_unpacklo_epi32(pairs, Zero());
    return _mm_add_epi64(sums, _mm_add_epi64(low, _mm_unpackhi_epi32(pairs, Zero())));
  }
  static Vector And(Vector a, Vector b) { return _mm_and_si128(a, b); }
  static Vector AndNot(Vector a, Vector b) { return _mm_andnot_si128(a, b); }  // ~a & b
  static Vector Or(Vector a, Vector b) { return _mm_or_si128(a, b); }
  static Vector Xor(Vector a, Vector b) { return _mm_xor_si128(a, b); }
  static Vector Add8(Vector a, Vector b) { return _mm_add_epi8(a, b); }
  static Vector Subtract8(Vector a, Vector b) { return _mm_sub_epi8(a, b); }
  static Vector SubtractDown8(Vector a, Vector b) { return _mm_subs_epu8(a, b); }  // at least 0
  static Vector Average8(Vector a, Vector b) { return _mm_avg_epu8(a, b); }
  static Vector Max8(Vector a, Vector b) { return _mm_max_epu8(a, b); }
  static Vector Add16(Vector a, Vector b) { return _mm_add_epi16(a, b); }
  static Vector Subtract16(Vector a, Vector b) { return _mm_sub_epi16(a, b); }
  static Vector Min16(Vector a, Vector b) { return _mm_min_epi16(a, b); }
  static Vector Multiply16(Vector a, Vector b) { return _mm_mullo_epi16(a, b); }
  static Vector MultiplyHigh16(Vector a, Vector b) { return _mm_mulhi_epu16(a, b); }
  static Vector Equal16(Vector a, Vector b) { return _mm_cmpeq_epi16(a, b); }
  static Vector Greater16(Vector a, Vector b) { return _mm_cmpgt_epi16(a, b); }
  static Vector SignMask16(Vector v) { return _mm_srai_epi16(v, 15); }
  template <int kBits>
  static Vector ShiftRight(Vector v) {
    return _mm_srli_epi16(v, kBits);
  }
  template <int kBits>
  static Vector ShiftLeft(Vector v) {
    return _mm_slli_epi16(v, kBits);
  }
};

using Laws = Law<Lanes>;

}  // namespace

void AlawToUlawSse4(uint8_t* out, const uint8_t* in, size_t length) {
  Laws::Map<Laws::AlawToUlaw>(out, in, length);
}

void UlawToAlawSse4(uint8_t* out, const uint8_t* in, size_t length) {
  Laws::Map<Laws::UlawToAlaw>(out, in, length);
}

void AlawToLinearSse4(int16_t* out, const uint8_t* in, size_t length) {
  Laws::Decode<Laws::AlawToLinear>(out, in, length);
}

void UlawToLinearSse4(int16_t* out, const uint8_t* in, size_t length) {
  Laws::Decode<Laws::UlawToLinear>(out, in, length);
}

void LinearToAlawSse4(uint8_t* out, const int16_t* in, size_t length) {
  Laws::Encode<Laws::LinearToAlaw>(out, in, length);
}

void LinearToUlawSse4(uint8_t* out, const int16_t* in, size_t length) {
  Laws::Encode<Laws::LinearToUlaw>(out, in, length);
}

uint64_t AlawEnergySse4(const uint8_t* in, size_t length) {
  return Laws::Energy<Laws::AlawToLinear>(in, length);
}

uint64_t UlawEnergySse4(const uint8_t* in, size_t length) {
  return Laws::Energy<Laws::UlawToLinear>(in, length);
}

}  // namespace kernels
