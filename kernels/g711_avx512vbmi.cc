// The byte maps by VPERMI2B: a table of 128 bytes in two registers, 64 codes in one instruction.
// The sign bit passes; the tables are filled once from the scalar specification.
#include <immintrin.h>

#include "kernels/g711_variants.h"

namespace kernels {
namespace {

struct Halves {
  alignas(64) uint8_t low[64];   // codes 0x00 - 0x3f, negative
  alignas(64) uint8_t high[64];  // codes 0x40 - 0x7f
};

using Scalar = void (*)(uint8_t*, const uint8_t*, size_t);

Halves HalvesOf(Scalar scalar) {
  uint8_t codes[128];
  for (int i = 0; i < 128; ++i) codes[i] = static_cast<uint8_t>(i);
  Halves halves;
  scalar(halves.low, codes, 64);
  scalar(halves.high, codes + 64, 64);
  return halves;
}

class Table {
 public:
  explicit Table(const Halves& halves)
      : low_(_mm512_load_si512(halves.low)), high_(_mm512_load_si512(halves.high)) {}
  __m512i operator()(__m512i code) const {
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    const __m512i mapped = _mm512_permutex2var_epi8(low_, code, high_);  // looks at 7 bits
    // The tables hold negative codes, whose sign bit is 0 in both laws: or the sign in.
    return _mm512_ternarylogic_epi64(mapped, code, sign, 0xf8);
  }

 private:
  const __m512i low_, high_;
};

// Masks for the last few alone: who reads a packet soon waits for a masked store to reach the
// cache, and 20 ms are 64 + 64 + 32 codes.
void Map(const Halves& halves, uint8_t* out, const uint8_t* in, size_t length) {
  const Table table(halves);
  size_t i = 0;
  for (; i + 64 <= length; i += 64) {
    _mm512_storeu_si512(out + i, table(_mm512_loadu_si512(in + i)));
  }
  if (i + 32 <= length) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
    const __m512i mapped = table(_mm512_zextsi256_si512(codes));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm512_castsi512_si256(mapped));
    i += 32;
  }
  if (i == length) return;
  const __mmask64 mask = (__mmask64{1} << (length - i)) - 1;
  _mm512_mask_storeu_epi8(out + i, mask, table(_mm512_maskz_loadu_epi8(mask, in + i)));
}

}  // namespace

void AlawToUlawAvx512Vbmi(uint8_t* out, const uint8_t* in, size_t length) {
  static const Halves kHalves = HalvesOf(AlawToUlawScalar);
  Map(kHalves, out, in, length);
}

void UlawToAlawAvx512Vbmi(uint8_t* out, const uint8_t* in, size_t length) {
  static const Halves kHalves = HalvesOf(UlawToAlawScalar);
  Map(kHalves, out, in, length);
}

}  // namespace kernels
