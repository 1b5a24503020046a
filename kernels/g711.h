// G.711: A-law, mu-law and the direct way between them.
//
// Contract of every function: `out` and `in` may be the same memory or must not overlap; any length
// including 0, any alignment; exactly `length` bytes (samples) are read and written, nothing beside
// them. No state, no allocation, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

namespace kernels {

// What silence looks like: the code of the smallest positive value.
inline constexpr uint8_t kAlawSilence = 0xd5;
inline constexpr uint8_t kUlawSilence = 0xff;

// One set of variants. The scalar set is the specification; the others must equal it in every byte.
struct G711 {
  Isa isa;
  // ITU-T G.711 tables 3 and 4: a map from code to code, not a decoding and encoding (which would
  // differ in 32 and 44 codes and lose the transparency that the Recommendation promises).
  void (*alaw_to_ulaw)(uint8_t* out, const uint8_t* in, size_t length);
  void (*ulaw_to_alaw)(uint8_t* out, const uint8_t* in, size_t length);
};

// The set for `isa`, which must be supported by this processor.
const G711& G711For(Isa isa);

// 16-bit linear, left-justified as codecs exchange it: A-law values are multiples of 8, mu-law
// values are 14-bit values times 4. For what is made or measured, not for the packet path.
void AlawToLinear(int16_t* out, const uint8_t* in, size_t length);
void UlawToLinear(int16_t* out, const uint8_t* in, size_t length);
void LinearToAlaw(uint8_t* out, const int16_t* in, size_t length);
void LinearToUlaw(uint8_t* out, const int16_t* in, size_t length);

}  // namespace kernels
