// The Recommendation's definitions as constant expressions: from these the scalar tables are made,
// and against these every variant is tested. Private to kernels/g711*.cc and the tests.
//
// The Recommendation numbers the values that a decoder can put out by magnitude: mu-law 0 .. 127,
// A-law 1 .. 128. On the wire the number stands below the sign bit, mu-law complemented, A-law with
// every other bit inverted.
#pragma once

#include <array>
#include <cstdint>

namespace kernels::law {

// Table 3: mu-law value number to A-law value number. Between the runs below the laws are parallel;
// the amendment's correction is the last run's start, mu-80 to A-81.
constexpr int AlawOfUlaw(int mu) {
  if (mu < 16) return 1 + mu / 2;          // mu-law steps are half as wide
  if (mu < 32) return mu - 7;              //
  if (mu < 36) return 25 + 2 * (mu - 32);  // twice as wide
  if (mu < 48) return mu - 3;              //
  if (mu < 50) return 46 + 2 * (mu - 48);  //
  if (mu < 64) return mu - 1;              //
  if (mu < 80) return mu;                  //
  return mu + 1;
}

// Table 4: A-law value number to mu-law value number; A-80 to mu-79 by the amendment.
constexpr int UlawOfAlaw(int a) {
  if (a < 9) return 2 * a - 1;
  if (a < 25) return a + 7;
  if (a < 33) return 32 + (a - 25) / 2;
  if (a < 45) return a + 3;
  if (a < 49) return 48 + (a - 45) / 2;
  if (a < 63) return a + 1;
  if (a < 65) return 64;
  if (a < 80) return a;
  return a - 1;
}

constexpr uint8_t AlawCode(bool negative, int number) {  // number 1 .. 128
  return static_cast<uint8_t>(((negative ? 0x00 : 0x80) | (number - 1)) ^ 0x55);
}
constexpr uint8_t UlawCode(bool negative, int number) {  // number 0 .. 127
  return static_cast<uint8_t>((negative ? 0x00 : 0x80) | (0x7f - number));
}
constexpr bool IsNegative(uint8_t code) {
  return (code & 0x80) == 0;
}  // both laws
constexpr int AlawNumber(uint8_t code) {
  return ((code ^ 0x55) & 0x7f) + 1;
}
constexpr int UlawNumber(uint8_t code) {
  return 0x7f - (code & 0x7f);
}

// Table 1a and 2a: the decoder's output of a value number, in 16-bit left-justified units.
constexpr int AlawMagnitude(int number) {
  const int segment = (number - 1) >> 4;
  const int step = (number - 1) & 15;
  const int value = 2 * step + 1;  // in units of half the smallest step
  return 8 * (segment == 0 ? value : (value + 32) << (segment - 1));
}
constexpr int UlawMagnitude(int number) {
  const int segment = number >> 4;
  const int step = number & 15;
  return 4 * (((2 * step + 33) << segment) - 33);
}

constexpr uint8_t UlawOfAlawCode(uint8_t code) {
  return UlawCode(IsNegative(code), UlawOfAlaw(AlawNumber(code)));
}
constexpr uint8_t AlawOfUlawCode(uint8_t code) {
  return AlawCode(IsNegative(code), AlawOfUlaw(UlawNumber(code)));
}

template <typename Value, typename Function>
constexpr std::array<Value, 256> TableOf(Function function) {
  std::array<Value, 256> table{};
  for (int code = 0; code < 256; ++code) table[code] = function(static_cast<uint8_t>(code));
  return table;
}

}  // namespace kernels::law
