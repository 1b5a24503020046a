// FIPS 180-4 section 6.1 and RFC 2104, each vector a word of 16 hashes. All of it but the entry is
// in an unnamed namespace, for the reason given in g711_variants.h.
#include <immintrin.h>

#include <utility>

#include "kernels/hmac_sha1.h"

namespace kernels {
namespace {

using Vector = __m512i;
constexpr size_t kLanes = kHmacSha1Lanes;
static_assert(sizeof(Vector) == kLanes * sizeof(uint32_t));

constexpr size_t kBlock = 64;
constexpr uint32_t kPadByte = 0x80;

Vector Set(uint32_t word) {
  return _mm512_set1_epi32(static_cast<int>(word));
}

// ---- SHA-1 --------------------------------------------------------------------------------------

// Section 4.1.1, as the truth tables of three inputs, and section 4.2.1.
template <size_t kRound>
[[gnu::always_inline]] inline Vector Mixed(Vector b, Vector c, Vector d) {
  constexpr int kChoose = 0xca, kParity = 0x96, kMajority = 0xe8;
  if constexpr (kRound < 20) return _mm512_ternarylogic_epi32(b, c, d, kChoose);
  if constexpr (kRound >= 40 && kRound < 60) return _mm512_ternarylogic_epi32(b, c, d, kMajority);
  return _mm512_ternarylogic_epi32(b, c, d, kParity);
}

// The five variables stay where they are, and change their names from round to round.
template <size_t kRound>
[[gnu::always_inline]] inline void Round(Vector (&v)[5], Vector (&w)[16]) {
  constexpr uint32_t kConstants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
  constexpr size_t a = (80 - kRound) % 5, b = (81 - kRound) % 5, c = (82 - kRound) % 5,
                   d = (83 - kRound) % 5, e = (84 - kRound) % 5;
  if constexpr (kRound >= 16) {
    const Vector three = _mm512_ternarylogic_epi32(w[(kRound + 13) % 16], w[(kRound + 8) % 16],
                                                   w[(kRound + 2) % 16], 0x96);
    w[kRound % 16] = _mm512_rol_epi32(_mm512_xor_si512(three, w[kRound % 16]), 1);
  }
  const Vector scheduled = _mm512_add_epi32(w[kRound % 16], Set(kConstants[kRound / 20]));
  const Vector rest =
      _mm512_add_epi32(_mm512_add_epi32(v[e], scheduled), Mixed<kRound>(v[b], v[c], v[d]));
  v[e] = _mm512_add_epi32(rest, _mm512_rol_epi32(v[a], 5));
  v[b] = _mm512_rol_epi32(v[b], 30);
}

template <size_t... kRounds>
[[gnu::always_inline]] inline void AllRounds(Vector (&v)[5], Vector (&w)[16],
                                             std::index_sequence<kRounds...>) {
  (Round<kRounds>(v, w), ...);
}

// Lanes that are not `active` keep their state.
[[gnu::always_inline]] inline void Compress(Vector (&state)[5], Vector (&w)[16], __mmask16 active) {
  Vector v[5] = {state[0], state[1], state[2], state[3], state[4]};
  AllRounds(v, w, std::make_index_sequence<80>{});
  for (size_t i = 0; i < 5; ++i) state[i] = _mm512_mask_add_epi32(state[i], active, state[i], v[i]);
}

// ---- lanes in and out ---------------------------------------------------------------------------

// Word j of vector i becomes word i of vector j.
[[gnu::always_inline]] inline void Transpose(Vector (&m)[16]) {
  Vector t[16];
#pragma GCC unroll 8
  for (size_t i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(m[i], m[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(m[i], m[i + 1]);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 16; i += 4) {
    m[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    m[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    m[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    m[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // m[4 q + c] has word 4 p + c of vectors 4 q ... 4 q + 3 in its quarter p.
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) {
    const Vector even_low = _mm512_shuffle_i32x4(m[c], m[4 + c], 0x88);
    const Vector odd_low = _mm512_shuffle_i32x4(m[c], m[4 + c], 0xdd);
    const Vector even_high = _mm512_shuffle_i32x4(m[8 + c], m[12 + c], 0x88);
    const Vector odd_high = _mm512_shuffle_i32x4(m[8 + c], m[12 + c], 0xdd);
    m[c] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
    m[4 + c] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    m[8 + c] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
    m[12 + c] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
  }
}

// SHA-1 counts bytes of a word from the highest.
Vector SwapBytes(Vector v) {
  const __m128i order = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
  return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
}

struct Lanes {
  const uint8_t* data[kLanes];
  alignas(64) uint32_t length[kLanes];
};

[[gnu::always_inline]] inline void LoadWhole(const Lanes& lanes, size_t offset, Vector (&w)[16]) {
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; ++i) {
    w[i] = SwapBytes(_mm512_loadu_si512(lanes.data[i] + offset));
  }
}

// A block in which some lane's message ends: what is behind the end is not read.
[[gnu::always_inline]] inline void LoadRest(const Lanes& lanes, size_t offset, Vector (&w)[16]) {
  const Vector pad = _mm512_set1_epi8(static_cast<char>(kPadByte));
  for (size_t i = 0; i < kLanes; ++i) {
    const size_t length = lanes.length[i];
    const bool begun = offset <= length;
    const size_t left = begun ? length - offset : 0;
    const __mmask64 there = left >= kBlock ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    const __mmask64 end = begun && left < kBlock ? __mmask64{1} << left : 0;
    const uint8_t* const at = lanes.data[i] + (begun ? offset : 0);
    w[i] = SwapBytes(_mm512_mask_mov_epi8(_mm512_maskz_loadu_epi8(there, at), end, pad));
  }
}

// Five words a lane, to where its tag belongs.
void StoreTags(const Vector (&state)[5], const CmJob* const* jobs, size_t count) {
  const Vector r0 = SwapBytes(state[0]), r1 = SwapBytes(state[1]), r2 = SwapBytes(state[2]),
               r3 = SwapBytes(state[3]);
  const Vector low01 = _mm512_unpacklo_epi32(r0, r1), high01 = _mm512_unpackhi_epi32(r0, r1);
  const Vector low23 = _mm512_unpacklo_epi32(r2, r3), high23 = _mm512_unpackhi_epi32(r2, r3);
  alignas(64) uint8_t four[4][64];  // of lane 4 p + c in row c, quarter p
  alignas(64) uint32_t fifth[kLanes];
  _mm512_store_si512(four[0], _mm512_unpacklo_epi64(low01, low23));
  _mm512_store_si512(four[1], _mm512_unpackhi_epi64(low01, low23));
  _mm512_store_si512(four[2], _mm512_unpacklo_epi64(high01, high23));
  _mm512_store_si512(four[3], _mm512_unpackhi_epi64(high01, high23));
  _mm512_store_si512(fifth, SwapBytes(state[4]));
  for (size_t i = 0; i < count; ++i) {
    __builtin_memcpy(jobs[i]->tag, &four[i % 4][16 * (i / 4)], 16);
    __builtin_memcpy(jobs[i]->tag + 16, &fifth[i], 4);
  }
}

}  // namespace

// Lanes that are not used do the first one's work again.
void HmacSha1Avx512(const CmJob* const* jobs, size_t count) {
  Lanes lanes;
  Vector w[16];
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; ++i) {
    const CmJob& job = *jobs[i < count ? i : 0];
    lanes.data[i] = job.data;
    lanes.length[i] = job.hash_length;
    w[i] = _mm512_load_si512(job.context);  // its first line: both states of the key
  }
  Transpose(w);
  Vector state[5] = {w[0], w[1], w[2], w[3], w[4]};
  Vector outer[5] = {w[5], w[6], w[7], w[8], w[9]};
  asm volatile("" : : "r"(&outer[0]) : "memory");  // in memory, where it can be wiped

  const Vector length = _mm512_load_si512(lanes.length);
  const Vector blocks =
      _mm512_add_epi32(_mm512_srli_epi32(_mm512_add_epi32(length, Set(8)), 6), Set(1));
  const size_t whole = _mm512_reduce_min_epu32(length) / kBlock;
  const uint32_t last = _mm512_reduce_max_epu32(blocks);
  for (uint32_t block = 0; block <= last; ++block) {
    __mmask16 active = 0xffff;
    if (block < last) {
      if (block < whole) {
        LoadWhole(lanes, block * kBlock, w);
      } else {
        LoadRest(lanes, block * kBlock, w);
      }
      Transpose(w);
      // In bits, with the block of the key before it.
      const Vector bits = _mm512_slli_epi32(_mm512_add_epi32(length, Set(kBlock)), 3);
      w[15] = _mm512_mask_mov_epi32(w[15], _mm512_cmpeq_epi32_mask(blocks, Set(block + 1)), bits);
      active = _mm512_cmpgt_epu32_mask(blocks, Set(block));
    } else {
      for (size_t i = 0; i < 5; ++i) w[i] = state[i];
      w[5] = Set(kPadByte << 24);
      for (size_t i = 6; i < 15; ++i) w[i] = _mm512_setzero_si512();
      w[15] = Set(8 * (kBlock + kSha1Length));
      for (size_t i = 0; i < 5; ++i) state[i] = outer[i];
    }
    Compress(state, w, active);
  }
  StoreTags(state, jobs, count);
  for (Vector& row : outer) row = _mm512_setzero_si512();
  asm volatile("" : : "r"(&outer[0]) : "memory");
}

}  // namespace kernels
