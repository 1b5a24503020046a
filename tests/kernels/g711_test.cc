// Every variant against the scalar specification, over all codes, lengths and alignments; the
// specification against the properties that the Recommendation states.
#include "kernels/g711.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
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

// Any length 0-500 at any alignment, apart and in place; the bytes around stay untouched.
TEST_P(G711Variant, KeepsToItsLength) {
  const G711& g711 = G711For(GetParam());
  std::mt19937 random(1);
  std::vector<uint8_t> in(700);
  for (uint8_t& byte : in) byte = static_cast<uint8_t>(random());
  for (size_t length = 0; length <= 500; ++length) {
    const size_t alignment = length < 130 ? 0 : random() % 64;
    for (size_t offset = alignment; offset < 64;
         offset += alignment == 0 && length < 130 ? 1 : 64) {
      std::vector<uint8_t> out(700, 0xee);
      std::vector<uint8_t> expected = out;
      G711For(Isa::kScalar).alaw_to_ulaw(&expected[offset], &in[64 - offset], length);
      g711.alaw_to_ulaw(&out[offset], &in[64 - offset], length);
      ASSERT_EQ(out, expected) << "length " << length << " offset " << offset;

      std::vector<uint8_t> place = in;
      std::vector<uint8_t> place_expected = in;
      G711For(Isa::kScalar).ulaw_to_alaw(&place_expected[offset], &in[offset], length);
      g711.ulaw_to_alaw(&place[offset], &place[offset], length);
      ASSERT_EQ(place, place_expected) << "in place, length " << length << " offset " << offset;
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

// Encoding what was decoded gives the code again (but for mu-law's negative zero), and encoding is
// monotonic over all 65,536 samples.
TEST(G711Linear, EncodesTheNearestInterval) {
  for (int i = 0; i < 256; ++i) {
    const uint8_t code = static_cast<uint8_t>(i);
    int16_t linear;
    uint8_t back;
    AlawToLinear(&linear, &code, 1);
    LinearToAlaw(&back, &linear, 1);
    EXPECT_EQ(back, code) << "A-law";
    UlawToLinear(&linear, &code, 1);
    LinearToUlaw(&back, &linear, 1);
    EXPECT_EQ(back, code == 0x7f ? 0xff : code) << "mu-law";
  }
  int16_t alaw_before = INT16_MIN;
  int16_t ulaw_before = INT16_MIN;
  for (int i = INT16_MIN; i <= INT16_MAX; ++i) {
    const int16_t sample = static_cast<int16_t>(i);
    uint8_t code;
    int16_t decoded;
    LinearToAlaw(&code, &sample, 1);
    AlawToLinear(&decoded, &code, 1);
    ASSERT_GE(decoded, alaw_before) << "A-law sample " << i;
    alaw_before = decoded;
    LinearToUlaw(&code, &sample, 1);
    UlawToLinear(&decoded, &code, 1);
    ASSERT_GE(decoded, ulaw_before) << "mu-law sample " << i;
    ulaw_before = decoded;
  }
}

}  // namespace
}  // namespace kernels
