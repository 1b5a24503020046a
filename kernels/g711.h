// G.711: A-law, mu-law, the direct way between them, 16-bit linear, silence and level.
//
// Contract of every function: any length including 0, any alignment; exactly `length` codes
// (samples) are read and written, nothing beside them. `out` and `in` of a byte map may be the same
// memory, else they must not overlap. No state, no allocation, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

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
  // 16-bit linear, left-justified as codecs exchange it: A-law values are multiples of 8, mu-law
  // values are 14-bit values times 4.
  void (*alaw_to_linear)(int16_t* out, const uint8_t* in, size_t length);
  void (*ulaw_to_linear)(int16_t* out, const uint8_t* in, size_t length);
  void (*linear_to_alaw)(uint8_t* out, const int16_t* in, size_t length);
  void (*linear_to_ulaw)(uint8_t* out, const int16_t* in, size_t length);
  // Sum of the squares of the linear values, exact up to 2^33 codes. See LevelOf.
  uint64_t (*alaw_energy)(const uint8_t* in, size_t length);
  uint64_t (*ulaw_energy)(const uint8_t* in, size_t length);
};

// The set for `isa`, which must be supported by this processor.
const G711& G711For(Isa isa);

inline void FillAlawSilence(uint8_t* out, size_t length) {
  std::memset(out, kAlawSilence, length);
}
inline void FillUlawSilence(uint8_t* out, size_t length) {
  std::memset(out, kUlawSilence, length);
}

// Level of `length` codes whose energy is `energy`, in -dBov as RFC 6464 and 6465 write it: 0 is
// the overload point of 16 bits, 127 is silence (and no codes at all).
uint8_t LevelOf(uint64_t energy, size_t length);

}  // namespace kernels
