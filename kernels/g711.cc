#include "kernels/g711.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/g711_variants.h"

namespace kernels {
namespace {

constexpr G711 kScalar = {.isa = Isa::kScalar,
                          .alaw_to_ulaw = AlawToUlawScalar,
                          .ulaw_to_alaw = UlawToAlawScalar,
                          .alaw_to_linear = AlawToLinearScalar,
                          .ulaw_to_linear = UlawToLinearScalar,
                          .linear_to_alaw = LinearToAlawScalar,
                          .linear_to_ulaw = LinearToUlawScalar,
                          .alaw_energy = AlawEnergyScalar,
                          .ulaw_energy = UlawEnergyScalar};
#if defined(__x86_64__)
constexpr G711 kSse4 = {.isa = Isa::kSse4,
                        .alaw_to_ulaw = AlawToUlawSse4,
                        .ulaw_to_alaw = UlawToAlawSse4,
                        .alaw_to_linear = AlawToLinearSse4,
                        .ulaw_to_linear = UlawToLinearSse4,
                        .linear_to_alaw = LinearToAlawSse4,
                        .linear_to_ulaw = LinearToUlawSse4,
                        .alaw_energy = AlawEnergySse4,
                        .ulaw_energy = UlawEnergySse4};
constexpr G711 kAvx2 = {.isa = Isa::kAvx2,
                        .alaw_to_ulaw = AlawToUlawAvx2,
                        .ulaw_to_alaw = UlawToAlawAvx2,
                        .alaw_to_linear = AlawToLinearAvx2,
                        .ulaw_to_linear = UlawToLinearAvx2,
                        .linear_to_alaw = LinearToAlawAvx2,
                        .linear_to_ulaw = LinearToUlawAvx2,
                        .alaw_energy = AlawEnergyAvx2,
                        .ulaw_energy = UlawEnergyAvx2};
constexpr G711 kAvx512Vbmi = [] {
  G711 set = kAvx2;
  set.isa = Isa::kAvx512Vbmi;
  set.alaw_to_ulaw = AlawToUlawAvx512Vbmi;
  set.ulaw_to_alaw = UlawToAlawAvx512Vbmi;
  return set;
}();
#endif

}  // namespace

const G711& G711For(Isa isa) {
  assert(IsSupported(isa));
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kSse4:
      return kSse4;
    case Isa::kAvx2:
      return kAvx2;
    case Isa::kAvx512Vbmi:
      return kAvx512Vbmi;
#else
    case Isa::kSse4:
    case Isa::kAvx2:
    case Isa::kAvx512Vbmi:
      break;
#endif
    case Isa::kScalar:
      break;
  }
  return kScalar;
}

uint8_t LevelOf(uint64_t energy, size_t length) {
  constexpr int kSilent = 127;
  if (energy == 0) return kSilent;
  constexpr double kOverload = 32768.0 * 32768.0;
  const double mean = static_cast<double>(energy) / static_cast<double>(length);
  const double level = -10 * std::log10(mean / kOverload);
  return static_cast<uint8_t>(std::clamp(static_cast<int>(std::lround(level)), 0, kSilent));
}

}  // namespace kernels
