// The variants for vectors with a byte shuffle, written once over what a vector can do (`Lanes`,
// see g711_sse4.cc and g711_avx2.cc). Included by those files alone, and all of it in an unnamed
// namespace: see g711_variants.h.
//
// No table of 128 codes fits a shuffle of 16. But both laws are made of 8 segments, and inside one
// segment of the one law the other law's numbers run at one or two paces: so the segment chooses by
// a shuffle where the numbers lie and where the pace changes.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kernels {
namespace {

// Numbers count from 0 here in both laws: A-law's is the Recommendation's less 1.
template <typename Lanes>
struct Law {
  using Vector = typename Lanes::Vector;

  // ---- code to code, a byte a lane ----

  static Vector SegmentOf(Vector number) {  // `number` may have its sign bit
    return Lanes::template ShiftRight<4>(Lanes::And(number, Lanes::Set8(0x70)));
  }

  // mu = a + base - half - early, where A-law's pace is 1 from the segment's start;
  //   half: from some place on, two A-law numbers share a mu-law one;
  //   early: the first 8 A-law steps are twice as wide as mu-law's.
  // A mu-law code is 0x7f - mu below the sign bit, and sign - a is -(sign + a) in 8 bits.
  static Vector AlawToUlaw(Vector code) {
    const Vector plain = Lanes::Xor(code, Lanes::Set8(0x55));
    const Vector a = Lanes::And(plain, Lanes::Set8(0x7f));
    const Vector segment = SegmentOf(plain);
    const Vector base = Lanes::Lookup(
        Lanes::Table(0x7f - 8, 0x7f - 8, 0x7f - 4, 0x7f - 2, 0x7f - 1, 0x7f, 0x7f, 0x7f), segment);
    const Vector halves_from =
        Lanes::Lookup(Lanes::Table(127, 24, 44, 62, 78, 127, 127, 127), segment);
    const Vector half = Lanes::Average8(Lanes::SubtractDown8(a, halves_from), Lanes::Zero());
    const Vector early = Lanes::SubtractDown8(Lanes::Set8(7), a);
    return Lanes::Add8(Lanes::Add8(Lanes::Subtract8(base, plain), half), early);
  }

  // a = mu - base - late, where the segment's last steps have the same pace;
  //   late: up to some place mu-law's steps are half as wide as A-law's, so it still catches up.
  // In the first segment (and nowhere else) mu / 2 is greater.
  static Vector UlawToAlaw(Vector code) {
    const Vector mu = Lanes::AndNot(code, Lanes::Set8(0x7f));
    const Vector segment = SegmentOf(mu);
    const Vector base = Lanes::Lookup(Lanes::Table(8, 8, 4, 2, 1, 0, 0, 0), segment);
    const Vector even_from = Lanes::Lookup(Lanes::Table(0, 0, 36, 49, 0, 0, 0, 0), segment);
    const Vector late = Lanes::SubtractDown8(even_from, mu);
    const Vector later = Lanes::Subtract8(Lanes::SubtractDown8(mu, base), late);
    const Vector half = Lanes::template ShiftRight<1>(Lanes::And(mu, Lanes::Set8(0x7e)));
    const Vector sign = Lanes::And(code, Lanes::Set8(0x80));
    return Lanes::Xor(Lanes::Or(Lanes::Max8(half, later), sign), Lanes::Set8(0x55));
  }

  // ---- code to linear and back, 16 bits a lane; codes have been widened ----

  // A shuffle's index with the upper byte's bit 7 set puts 0 there.
  static Vector LookupLow(Vector table, Vector index) {
    return Lanes::Lookup(table, Lanes::Or(index, Lanes::Set16(0x8000)));
  }
  static Vector LookupHigh(Vector table, Vector index) {
    return Lanes::Lookup(table, Lanes::Or(Lanes::template ShiftLeft<8>(index), Lanes::Set16(0x80)));
  }
  // All ones where the code's sign bit is 0.
  static Vector NegativeMask(Vector code) {
    return Lanes::Equal16(Lanes::And(code, Lanes::Set16(0x80)), Lanes::Zero());
  }
  static Vector Signed(Vector magnitude, Vector negative) {
    return Lanes::Subtract16(Lanes::Xor(magnitude, negative), negative);
  }
  static Vector TwiceStep(Vector number) {
    return Lanes::template ShiftLeft<1>(Lanes::And(number, Lanes::Set16(15)));
  }

  static Vector AlawToLinear(Vector code) {
    const Vector plain = Lanes::Xor(code, Lanes::Set16(0x55));
    const Vector segment = SegmentOf(plain);
    const Vector lead = LookupLow(Lanes::Table(1, 33, 33, 33, 33, 33, 33, 33), segment);
    const Vector scale = LookupLow(Lanes::Table(1, 1, 2, 4, 8, 16, 32, 64), segment);
    const Vector value = Lanes::Multiply16(Lanes::Add16(TwiceStep(plain), lead), scale);
    return Signed(Lanes::template ShiftLeft<3>(value), NegativeMask(code));
  }

  static Vector UlawToLinear(Vector code) {
    const Vector number = Lanes::AndNot(code, Lanes::Set16(0x7f));
    const Vector scale = LookupLow(Lanes::Table(1, 2, 4, 8, 16, 32, 64, 128), SegmentOf(number));
    const Vector biased =
        Lanes::Multiply16(Lanes::Add16(TwiceStep(number), Lanes::Set16(33)), scale);
    const Vector value = Lanes::Subtract16(biased, Lanes::Set16(33));
    return Signed(Lanes::template ShiftLeft<2>(value), NegativeMask(code));
  }

  // How many of first, 2 first + 1, 4 first + 3, ... (seven of them) are below.
  static Vector SegmentAbove(Vector magnitude, int first) {
    Vector segment = Lanes::Zero();
    for (int i = 0; i < 7; ++i) {
      const int last = ((first + 1) << i) - 1;
      segment = Lanes::Subtract16(segment, Lanes::Greater16(magnitude, Lanes::Set16(last)));
    }
    return segment;
  }

  // A shift to the right that differs by lane is the upper half of a product.
  static Vector LinearToAlaw(Vector linear) {
    const Vector negative = Lanes::SignMask16(linear);
    const Vector magnitude = Lanes::template ShiftRight<3>(Lanes::Xor(linear, negative));
    const Vector segment = SegmentAbove(magnitude, 31);
    const Vector scale = LookupHigh(Lanes::Table(0x80, 0x80, 0x40, 0x20, 0x10, 8, 4, 2), segment);
    const Vector step = Lanes::And(Lanes::MultiplyHigh16(magnitude, scale), Lanes::Set16(15));
    const Vector number = Lanes::Or(Lanes::template ShiftLeft<4>(segment), step);
    const Vector sign = Lanes::AndNot(negative, Lanes::Set16(0x80));
    return Lanes::Xor(Lanes::Or(sign, number), Lanes::Set16(0x55));
  }

  static Vector LinearToUlaw(Vector linear) {
    const Vector negative = Lanes::SignMask16(linear);
    const Vector plain = Lanes::template ShiftRight<2>(Lanes::Xor(linear, negative));
    const Vector magnitude =
        Lanes::Min16(Lanes::Add16(plain, Lanes::Set16(33)), Lanes::Set16(8191));
    const Vector segment = SegmentAbove(magnitude, 63);
    const Vector scale = LookupHigh(Lanes::Table(0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1), segment);
    const Vector step = Lanes::And(Lanes::MultiplyHigh16(magnitude, scale), Lanes::Set16(15));
    const Vector number = Lanes::Or(Lanes::template ShiftLeft<4>(segment), step);
    const Vector sign = Lanes::AndNot(negative, Lanes::Set16(0x80));
    return Lanes::Or(sign, Lanes::Xor(number, Lanes::Set16(0x7f)));
  }

  // ---- whole vectors, then the rest through one on the stack ----

  static constexpr size_t kBytes = sizeof(Vector);
  static constexpr size_t kSamples = sizeof(Vector) / 2;
  using Step = Vector (*)(Vector);

  template <Step kStep>
  static void Map(uint8_t* out, const uint8_t* in, size_t length) {
    size_t i = 0;
    for (; i + kBytes <= length; i += kBytes) Lanes::Store(out + i, kStep(Lanes::Load(in + i)));
    if (i == length) return;
    uint8_t rest[kBytes] = {};
    __builtin_memcpy(rest, in + i, length - i);
    Lanes::Store(rest, kStep(Lanes::Load(rest)));
    __builtin_memcpy(out + i, rest, length - i);
  }

  template <Step kStep>
  static void Decode(int16_t* out, const uint8_t* in, size_t length) {
    size_t i = 0;
    for (; i + kSamples <= length; i += kSamples) {
      Lanes::Store(out + i, kStep(Lanes::LoadWiden(in + i)));
    }
    if (i == length) return;
    uint8_t codes[kSamples] = {};
    int16_t samples[kSamples];
    __builtin_memcpy(codes, in + i, length - i);
    Lanes::Store(samples, kStep(Lanes::LoadWiden(codes)));
    __builtin_memcpy(out + i, samples, (length - i) * sizeof(int16_t));
  }

  template <Step kStep>
  static void Encode(uint8_t* out, const int16_t* in, size_t length) {
    size_t i = 0;
    for (; i + kSamples <= length; i += kSamples) {
      Lanes::StoreNarrow(out + i, kStep(Lanes::Load(in + i)));
    }
    if (i == length) return;
    int16_t samples[kSamples] = {};
    uint8_t codes[kSamples];
    __builtin_memcpy(samples, in + i, (length - i) * sizeof(int16_t));
    Lanes::StoreNarrow(codes, kStep(Lanes::Load(samples)));
    __builtin_memcpy(out + i, codes, length - i);
  }

  template <Step kStep>
  static uint64_t Energy(const uint8_t* in, size_t length) {
    Vector sums = Lanes::Zero();
    size_t i = 0;
    for (; i + kSamples <= length; i += kSamples) {
      sums = Lanes::AddSquares(sums, kStep(Lanes::LoadWiden(in + i)));
    }
    uint64_t parts[sizeof(Vector) / sizeof(uint64_t)];
    Lanes::Store(parts, sums);
    uint64_t energy = 0;
    for (const uint64_t part : parts) energy += part;
    if (i == length) return energy;
    uint8_t codes[kSamples] = {};
    int16_t samples[kSamples];
    __builtin_memcpy(codes, in + i, length - i);
    Lanes::Store(samples, kStep(Lanes::LoadWiden(codes)));
    for (size_t k = 0; k < length - i; ++k) {
      energy += static_cast<uint32_t>(int32_t{samples[k]} * samples[k]);
    }
    return energy;
  }
};

}  // namespace
}  // namespace kernels
