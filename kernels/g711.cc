#include "kernels/g711.h"

#include <cassert>

#include "kernels/g711_variants.h"

namespace kernels {
namespace {

constexpr G711 kScalar = {
    .isa = Isa::kScalar, .alaw_to_ulaw = AlawToUlawScalar, .ulaw_to_alaw = UlawToAlawScalar};
#if defined(__x86_64__)
constexpr G711 kAvx2 = {
    .isa = Isa::kAvx2, .alaw_to_ulaw = AlawToUlawAvx2, .ulaw_to_alaw = UlawToAlawAvx2};
constexpr G711 kAvx512Vbmi = {.isa = Isa::kAvx512Vbmi,
                              .alaw_to_ulaw = AlawToUlawAvx512Vbmi,
                              .ulaw_to_alaw = UlawToAlawAvx512Vbmi};
#endif

}  // namespace

const G711& G711For(Isa isa) {
  assert(IsSupported(isa));
  switch (isa) {
    case Isa::kScalar:
      break;
#if defined(__x86_64__)
    case Isa::kAvx2:
      return kAvx2;
    case Isa::kAvx512Vbmi:
      return kAvx512Vbmi;
#else
    case Isa::kAvx2:
    case Isa::kAvx512Vbmi:
      break;
#endif
  }
  return kScalar;
}

}  // namespace kernels
