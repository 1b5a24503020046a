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

void Map(const Halves& halves, uint8_t* out, const uint8_t* in, size_t length) {
  const __m512i low = _mm512_load_si512(halves.low);
  const __m512i high = _mm512_load_si512(halves.high);
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
  for (size_t i = 0; i < length; i += 64) {
    const size_t count = length - i;
    const __mmask64 mask = count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
    const __m512i code = _mm512_maskz_loadu_epi8(mask, in + i);
    const __m512i mapped = _mm512_permutex2var_epi8(low, code, high);  // looks at 7 bits
    // The tables hold negative codes, whose sign bit is 0 in both laws: or the sign in.
    _mm512_mask_storeu_epi8(out + i, mask, _mm512_ternarylogic_epi64(mapped, code, sign, 0xf8));
  }
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
