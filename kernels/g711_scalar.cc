// The specification: tables made at compile time from the Recommendation's definition.
#include "kernels/g711.h"
#include "kernels/g711_law.h"
#include "kernels/g711_variants.h"

namespace kernels {
namespace {

constexpr auto kUlawOfAlaw = law::TableOf<uint8_t>(law::UlawOfAlawCode);
constexpr auto kAlawOfUlaw = law::TableOf<uint8_t>(law::AlawOfUlawCode);
constexpr auto kLinearOfAlaw = law::TableOf<int16_t>([](uint8_t code) {
  const int magnitude = law::AlawMagnitude(law::AlawNumber(code));
  return static_cast<int16_t>(law::IsNegative(code) ? -magnitude : magnitude);
});
constexpr auto kLinearOfUlaw = law::TableOf<int16_t>([](uint8_t code) {
  const int magnitude = law::UlawMagnitude(law::UlawNumber(code));
  return static_cast<int16_t>(law::IsNegative(code) ? -magnitude : magnitude);
});

static_assert(kUlawOfAlaw[kAlawSilence] == kUlawSilence - 1, "A-law 1 is mu-law 1");
static_assert(kAlawOfUlaw[kUlawSilence] == kAlawSilence);

// Position of the highest set bit of value >> shift, 0 .. 7.
int Segment(int value, int shift) {
  int segment = 0;
  for (value >>= shift; value > 1 && segment < 7; value >>= 1) ++segment;
  return segment;
}

uint32_t Square(int16_t value) {
  return static_cast<uint32_t>(int32_t{value} * value);
}

}  // namespace

void AlawToUlawScalar(uint8_t* out, const uint8_t* in, size_t length) {
  for (size_t i = 0; i < length; ++i) out[i] = kUlawOfAlaw[in[i]];
}

void UlawToAlawScalar(uint8_t* out, const uint8_t* in, size_t length) {
  for (size_t i = 0; i < length; ++i) out[i] = kAlawOfUlaw[in[i]];
}

void AlawToLinearScalar(int16_t* out, const uint8_t* in, size_t length) {
  for (size_t i = 0; i < length; ++i) out[i] = kLinearOfAlaw[in[i]];
}

void UlawToLinearScalar(int16_t* out, const uint8_t* in, size_t length) {
  for (size_t i = 0; i < length; ++i) out[i] = kLinearOfUlaw[in[i]];
}

// Table 1a: 13 bits of sign and magnitude; segments 0 and 1 have the same step. A negative value is
// its one's complement here, so that -1 .. -8 is the first negative interval.
void LinearToAlawScalar(uint8_t* out, const int16_t* in, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    const bool negative = in[i] < 0;
    const int magnitude = (negative ? ~in[i] : in[i]) >> 3;  // 0 .. 4095
    const int segment = Segment(magnitude, 4);
    const int step = (segment == 0 ? magnitude >> 1 : magnitude >> segment) & 15;
    out[i] = law::AlawCode(negative, 1 + 16 * segment + step);
  }
}

// Table 2a: 14 bits of sign and magnitude, biased by 33 so that each segment is twice the last.
void LinearToUlawScalar(uint8_t* out, const int16_t* in, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    const bool negative = in[i] < 0;
    int magnitude = ((negative ? ~in[i] : in[i]) >> 2) + 33;
    if (magnitude > 8191) magnitude = 8191;
    const int segment = Segment(magnitude, 5);
    out[i] = law::UlawCode(negative, 16 * segment + ((magnitude >> (segment + 1)) & 15));
  }
}

uint64_t AlawEnergyScalar(const uint8_t* in, size_t length) {
  uint64_t energy = 0;
  for (size_t i = 0; i < length; ++i) energy += Square(kLinearOfAlaw[in[i]]);
  return energy;
}

uint64_t UlawEnergyScalar(const uint8_t* in, size_t length) {
  uint64_t energy = 0;
  for (size_t i = 0; i < length; ++i) energy += Square(kLinearOfUlaw[in[i]]);
  return energy;
}

}  // namespace kernels
