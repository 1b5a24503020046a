// Every variant against the scalar specification, over all codes, lengths and alignments; the
// specification against the properties that the Recommendation states.
#include "kernels/g711.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "kernels/g711_law.h"

namespace kernels {
namespace {

std::array<uint8_t, 256> AllCodes() {
  std::array<uint8_t, 256> codes;
  for (int i = 0; i < 256; ++i) codes[i] = static_cast<uint8_t>(i);
  return codes;
}

class G711Variant : public testing::TestWithParam<Isa> {};

INSTANTIATE_TEST_SUITE_P(All, G711Variant, testing::ValuesIn([] {
                           std::vector<Isa> isas;
                           for (Isa isa : kAllIsas) {
                             if (IsSupported(isa)) isas.push_back(isa);
                           }
                           return isas;
                         }()),
                         [](const auto& isa) { return IsaName(isa.param); });

TEST_P(G711Variant, MapsEveryCodeAsTheRecommendationSays) {
  const G711& g711 = G711For(GetParam());
  EXPECT_EQ(g711.isa, GetParam());
  std::array<uint8_t, 256> in = AllCodes();
  std::array<uint8_t, 256> ulaw;
  std::array<uint8_t, 256> alaw;
  g711.alaw_to_ulaw(ulaw.data(), in.data(), in.size());
  g711.ulaw_to_alaw(alaw.data(), in.data(), in.size());
  for (int code = 0; code < 256; ++code) {
    EXPECT_EQ(ulaw[code], law::UlawOfAlawCode(static_cast<uint8_t>(code))) << "A-law " << code;
    EXPECT_EQ(alaw[code], law::AlawOfUlawCode(static_cast<uint8_t>(code))) << "mu-law " << code;
  }
}

// Every length 0-500 at every alignment to a line, both maps, apart and in place; the bytes around
// stay untouched. What is expected comes from a map of the whole, so nothing else is computed
// twice.
TEST_P(G711Variant, KeepsToItsLength) {
  constexpr size_t kBefore = 64;
  constexpr size_t kRoom = kBefore + 64 + 500 + 64;
  const G711& g711 = G711For(GetParam());
  std::mt19937 random(1);
  alignas(64) std::array<uint8_t, kRoom> in;
  for (uint8_t& byte : in) byte = static_cast<uint8_t>(random());
  using Map = void (*)(uint8_t*, const uint8_t*, size_t);
  const struct {
    const char* name;
    Map map;
    Map scalar;
  } maps[] = {{"A-law", g711.alaw_to_ulaw, G711For(Isa::kScalar).alaw_to_ulaw},
              {"mu-law", g711.ulaw_to_alaw, G711For(Isa::kScalar).ulaw_to_alaw}};
  for (const auto& one : maps) {
    alignas(64) std::array<uint8_t, kRoom> mapped;
    one.scalar(mapped.data(), in.data(), in.size());
    for (size_t length = 0; length <= 500; ++length) {
      for (size_t offset = 0; offset < 64; ++offset) {
        const size_t at = kBefore + offset;
        const size_t from = kBefore + (64 - offset) % 64;
        alignas(64) std::array<uint8_t, kRoom> out;
        alignas(64) std::array<uint8_t, kRoom> expected;
        out.fill(0xee);
        expected.fill(0xee);
        std::memcpy(&expected[at], &mapped[from], length);
        one.map(&out[at], &in[from], length);
        ASSERT_EQ(std::memcmp(out.data(), expected.data(), kRoom), 0)
            << one.name << " apart, length " << length << " offset " << offset;

        out = in;
        expected = in;
        std::memcpy(&expected[at], &mapped[at], length);
        one.map(&out[at], &out[at], length);
        ASSERT_EQ(std::memcmp(out.data(), expected.data(), kRoom), 0)
            << one.name << " in place, length " << length << " offset " << offset;
      }
    }
  }
}

// The Recommendation's transparency: going there and back changes only these values, and those only
// in the last bit of the code.
TEST(G711Law, ThereAndBackChangesOnlyTheListedValues) {
  const std::vector<int> alaw_changed = {26, 28, 30, 32, 45, 47, 63, 80};
  const std::vector<int> ulaw_changed = {0, 2, 4, 6, 8, 10, 12, 14};
  for (bool negative : {false, true}) {
    std::vector<int> changed;
    for (int a = 1; a <= 128; ++a) {
      const uint8_t code = law::AlawCode(negative, a);
      const uint8_t back = law::AlawOfUlawCode(law::UlawOfAlawCode(code));
      EXPECT_EQ(law::IsNegative(back), negative);
      if (back == code) continue;
      changed.push_back(a);
      EXPECT_EQ(back ^ code, 1) << "A-law " << a;
    }
    EXPECT_EQ(changed, alaw_changed);

    changed.clear();
    for (int mu = 0; mu <= 127; ++mu) {
      const uint8_t code = law::UlawCode(negative, mu);
      const uint8_t back = law::UlawOfAlawCode(law::AlawOfUlawCode(code));
      EXPECT_EQ(law::IsNegative(back), negative);
      if (back == code) continue;
      changed.push_back(mu);
      EXPECT_EQ(back ^ code, 1) << "mu-law " << mu;
    }
    EXPECT_EQ(changed, ulaw_changed);
  }
}

TEST(G711Law, AmendedPairs) {
  EXPECT_EQ(law::AlawOfUlaw(80), 81);
  EXPECT_EQ(law::UlawOfAlaw(80), 79);
}

// Values of tables 1a and 2a, in 16 bits.
TEST(G711Law, DecodesTheTablesEnds) {
  EXPECT_EQ(law::AlawMagnitude(1), 8);
  EXPECT_EQ(law::AlawMagnitude(128), 32256);
  EXPECT_EQ(law::UlawMagnitude(0), 0);
  EXPECT_EQ(law::UlawMagnitude(127), 32124);
}

// ---- linear ------------------------------------------------------------------------------------

std::vector<int16_t> AllSamples() {
  std::vector<int16_t> samples(65536);
  for (int i = 0; i < 65536; ++i) samples[i] = static_cast<int16_t>(i - 32768);
  return samples;
}

TEST_P(G711Variant, LinearEqualsTheScalarOverAllCodesAndSamples) {
  const G711& g711 = G711For(GetParam());
  const G711& scalar = G711For(Isa::kScalar);
  const std::array<uint8_t, 256> codes = AllCodes();
  std::array<int16_t, 256> linear;
  std::array<int16_t, 256> expected;
  g711.alaw_to_linear(linear.data(), codes.data(), codes.size());
  scalar.alaw_to_linear(expected.data(), codes.data(), codes.size());
  EXPECT_EQ(linear, expected) << "A-law";
  g711.ulaw_to_linear(linear.data(), codes.data(), codes.size());
  scalar.ulaw_to_linear(expected.data(), codes.data(), codes.size());
  EXPECT_EQ(linear, expected) << "mu-law";

  const std::vector<int16_t> samples = AllSamples();
  std::vector<uint8_t> out(samples.size());
  std::vector<uint8_t> out_expected(samples.size());
  g711.linear_to_alaw(out.data(), samples.data(), samples.size());
  scalar.linear_to_alaw(out_expected.data(), samples.data(), samples.size());
  EXPECT_EQ(out, out_expected) << "A-law";
  g711.linear_to_ulaw(out.data(), samples.data(), samples.size());
  scalar.linear_to_ulaw(out_expected.data(), samples.data(), samples.size());
  EXPECT_EQ(out, out_expected) << "mu-law";
}

// Every length 0-500 at every alignment to a line, with nothing beside it touched.
TEST_P(G711Variant, LinearAndEnergyKeepToTheirLength) {
  const G711& g711 = G711For(GetParam());
  const G711& scalar = G711For(Isa::kScalar);
  constexpr size_t kRoom = 600;
  std::mt19937 random(2);
  alignas(64) std::array<uint8_t, kRoom> codes;
  alignas(64) std::array<int16_t, kRoom> samples;
  for (uint8_t& code : codes) code = static_cast<uint8_t>(random());
  for (int16_t& sample : samples) sample = static_cast<int16_t>(random());
  const struct {
    const char* name;
    void (*decode)(int16_t*, const uint8_t*, size_t);
    void (*decode_scalar)(int16_t*, const uint8_t*, size_t);
    void (*encode)(uint8_t*, const int16_t*, size_t);
    void (*encode_scalar)(uint8_t*, const int16_t*, size_t);
    uint64_t (*energy)(const uint8_t*, size_t);
    uint64_t (*energy_scalar)(const uint8_t*, size_t);
  } laws[] = {{"A-law", g711.alaw_to_linear, scalar.alaw_to_linear, g711.linear_to_alaw,
               scalar.linear_to_alaw, g711.alaw_energy, scalar.alaw_energy},
              {"mu-law", g711.ulaw_to_linear, scalar.ulaw_to_linear, g711.linear_to_ulaw,
               scalar.linear_to_ulaw, g711.ulaw_energy, scalar.ulaw_energy}};
  for (const auto& law : laws) {
    std::array<int16_t, kRoom> decoded;
    std::array<uint8_t, kRoom> encoded;
    law.decode_scalar(decoded.data(), codes.data(), kRoom);
    law.encode_scalar(encoded.data(), samples.data(), kRoom);
    for (size_t at = 0; at < 64; ++at) {
      uint64_t energy = 0;  // of the first `length` codes
      for (size_t length = 0; length <= 500; ++length) {
        alignas(64) std::array<int16_t, kRoom> linear;
        alignas(64) std::array<int16_t, kRoom> linear_expected;
        linear.fill(0x1234);
        linear_expected.fill(0x1234);
        std::memcpy(&linear_expected[at], &decoded[at], length * sizeof(int16_t));
        law.decode(&linear[at], &codes[at], length);
        ASSERT_EQ(std::memcmp(linear.data(), linear_expected.data(), sizeof linear), 0)
            << law.name << ", length " << length << " offset " << at;

        alignas(64) std::array<uint8_t, kRoom> out;
        alignas(64) std::array<uint8_t, kRoom> out_expected;
        out.fill(0xee);
        out_expected.fill(0xee);
        std::memcpy(&out_expected[at], &encoded[at], length);
        law.encode(&out[at], &samples[at], length);
        ASSERT_EQ(std::memcmp(out.data(), out_expected.data(), kRoom), 0)
            << "to " << law.name << ", length " << length << " offset " << at;

        ASSERT_EQ(law.energy(&codes[at], length), energy) << law.name << ", length " << length;
        energy += law.energy_scalar(&codes[at + length], 1);
      }
    }
  }
}

// Encoding what was decoded gives the code again (but for mu-law's negative zero), and encoding is
// monotonic over all 65,536 samples.
TEST(G711Linear, EncodesTheNearestInterval) {
  const G711& g711 = G711For(Isa::kScalar);
  const std::array<uint8_t, 256> codes = AllCodes();
  std::array<int16_t, 256> linear;
  std::array<uint8_t, 256> back;
  g711.alaw_to_linear(linear.data(), codes.data(), codes.size());
  g711.linear_to_alaw(back.data(), linear.data(), linear.size());
  EXPECT_EQ(back, codes);
  g711.ulaw_to_linear(linear.data(), codes.data(), codes.size());
  g711.linear_to_ulaw(back.data(), linear.data(), linear.size());
  EXPECT_EQ(back[0x7f], 0xff);
  back[0x7f] = 0x7f;
  EXPECT_EQ(back, codes);

  const std::vector<int16_t> samples = AllSamples();
  std::vector<uint8_t> coded(samples.size());
  std::vector<int16_t> decoded(samples.size());
  g711.linear_to_alaw(coded.data(), samples.data(), samples.size());
  g711.alaw_to_linear(decoded.data(), coded.data(), coded.size());
  EXPECT_TRUE(std::is_sorted(decoded.begin(), decoded.end())) << "A-law";
  g711.linear_to_ulaw(coded.data(), samples.data(), samples.size());
  g711.ulaw_to_linear(decoded.data(), coded.data(), coded.size());
  EXPECT_TRUE(std::is_sorted(decoded.begin(), decoded.end())) << "mu-law";
}

// The vectors of no other program could be wrong in the same way as ours: sox decodes and encodes
// both laws by code of its own.
class Sox : public testing::TestWithParam<const char*> {
 protected:
  static std::string Path(const std::string& name) {
    return testing::TempDir() + "g711_" + GetParam() + "_" + name;
  }
  template <typename Value>
  static void Write(const std::string& name, const std::vector<Value>& values) {
    std::ofstream file(Path(name), std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(Value)));
  }
  template <typename Value>
  static std::vector<Value> Read(const std::string& name) {
    std::ifstream file(Path(name), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    std::vector<Value> values(bytes.size() / sizeof(Value));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(Value));
    return values;
  }
  // No dither: `sox -D`.
  static void Convert(const std::string& from, const std::string& to) {
    const std::string command = "sox -D -r 8000 -c 1 " + Path(from) + " -r 8000 -c 1 " + Path(to);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
};

INSTANTIATE_TEST_SUITE_P(Both, Sox, testing::Values("al", "ul"));

TEST_P(Sox, DecodesTheSame) {
  const std::string law = GetParam();
  const std::array<uint8_t, 256> codes = AllCodes();
  Write("codes." + law, std::vector<uint8_t>(codes.begin(), codes.end()));
  ASSERT_NO_FATAL_FAILURE(Convert("codes." + law, "linear.s16"));
  const G711& g711 = G711For(BestIsa());
  std::vector<int16_t> linear(256);
  (law == "al" ? g711.alaw_to_linear : g711.ulaw_to_linear)(linear.data(), codes.data(), 256);
  EXPECT_EQ(Read<int16_t>("linear.s16"), linear);
}

// The Recommendation's laws take 13 and 14 bits. Of 16 we drop the rest (as ITU-T G.191 does), sox
// rounds it: so a sample may be coded as one that is half a step away.
TEST_P(Sox, EncodesTheSame) {
  const std::string law = GetParam();
  const std::vector<int16_t> samples = AllSamples();
  Write("samples.s16", samples);
  ASSERT_NO_FATAL_FAILURE(Convert("samples.s16", "coded." + law));
  const std::vector<uint8_t> theirs = Read<uint8_t>("coded." + law);
  const G711& g711 = G711For(BestIsa());
  std::vector<uint8_t> ours(samples.size());
  (law == "al" ? g711.linear_to_alaw : g711.linear_to_ulaw)(ours.data(), samples.data(),
                                                            samples.size());
  ASSERT_EQ(theirs.size(), ours.size());
  const size_t half_step = law == "al" ? 4 : 2;
  size_t equal = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    equal += theirs[i] == ours[i];
    const size_t below = i < half_step ? 0 : i - half_step;
    const size_t above = std::min(i + half_step, ours.size() - 1);
    ASSERT_TRUE(theirs[i] == ours[i] || theirs[i] == ours[below] || theirs[i] == ours[above])
        << "sample " << samples[i];
  }
  EXPECT_GT(equal, size_t{64000});
}

// ---- silence and level -------------------------------------------------------------------------

TEST(G711Silence, IsTheSmallestValue) {
  std::array<uint8_t, 5> codes = {1, 1, 1, 1, 1};
  FillAlawSilence(&codes[1], 3);
  EXPECT_EQ(codes, (std::array<uint8_t, 5>{1, kAlawSilence, kAlawSilence, kAlawSilence, 1}));
  FillUlawSilence(&codes[1], 3);
  EXPECT_EQ(codes, (std::array<uint8_t, 5>{1, kUlawSilence, kUlawSilence, kUlawSilence, 1}));
  EXPECT_EQ(law::AlawNumber(kAlawSilence), 1);
  EXPECT_EQ(law::UlawNumber(kUlawSilence), 0);
}

// A sine's level is 3.01 dB below a square wave's of the same height.
TEST(G711Level, OfASineAndOfSilence) {
  const G711& g711 = G711For(BestIsa());
  for (const int decibels : {0, 10, 20, 40}) {
    std::vector<int16_t> samples(800);
    for (size_t i = 0; i < samples.size(); ++i) {
      const double phase = 2 * std::numbers::pi * 400 * static_cast<double>(i) / 8000;
      samples[i] = static_cast<int16_t>(32000 * std::pow(10, -decibels / 20.0) * std::sin(phase));
    }
    std::vector<uint8_t> codes(samples.size());
    g711.linear_to_alaw(codes.data(), samples.data(), samples.size());
    EXPECT_EQ(LevelOf(g711.alaw_energy(codes.data(), codes.size()), codes.size()), decibels + 3);
    g711.linear_to_ulaw(codes.data(), samples.data(), samples.size());
    EXPECT_EQ(LevelOf(g711.ulaw_energy(codes.data(), codes.size()), codes.size()), decibels + 3);
  }
  std::vector<uint8_t> codes(160);
  FillUlawSilence(codes.data(), codes.size());
  EXPECT_EQ(LevelOf(g711.ulaw_energy(codes.data(), codes.size()), codes.size()), 127);
  FillAlawSilence(codes.data(), codes.size());  // A-law has no zero: 8 of 32768
  EXPECT_EQ(LevelOf(g711.alaw_energy(codes.data(), codes.size()), codes.size()), 72);
  EXPECT_EQ(LevelOf(0, 0), 127);
  EXPECT_EQ(LevelOf(uint64_t{160} * 32768 * 32768, 160), 0);
}

// The loudest code over more than the longest packet: no sum overflows.
TEST_P(G711Variant, EnergyOfTheLoudest) {
  const G711& g711 = G711For(GetParam());
  const std::vector<uint8_t> codes(1'000'000, 0x2a);  // A-law: the most negative
  EXPECT_EQ(g711.alaw_energy(codes.data(), codes.size()), uint64_t{32256} * 32256 * 1'000'000);
  const std::vector<uint8_t> mu(1'000'000, 0x00);
  EXPECT_EQ(g711.ulaw_energy(mu.data(), mu.size()), uint64_t{32124} * 32124 * 1'000'000);
}

TEST(G711Isa, IsForcedByName) {
  for (const Isa isa : kAllIsas) {
    EXPECT_EQ(IsaOf(IsaName(isa)), isa);
    if (IsSupported(isa)) {
      EXPECT_EQ(G711For(isa).isa, isa);
    }
  }
  EXPECT_FALSE(IsaOf("avx"));
  EXPECT_TRUE(IsSupported(BestIsa()));
}

}  // namespace
}  // namespace kernels
