#include "relay/conductor/srtp_check.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

namespace relay::conductor {
namespace {

using abi::SrtpKey;
using abi::SrtpPlan;
using abi::SrtpRoc;
using abi::SrtpSuite;

SrtpKey KeyOf(SrtpSuite suite, uint8_t seed, uint8_t mki_length = 0, uint64_t mki = 0) {
  SrtpKey key{};
  std::memset(key.key, seed, abi::FactsOf(suite).key_length);
  std::memset(key.salt, seed + 1, abi::FactsOf(suite).salt_length);
  key.mki_length = mki_length;
  key.mki = mki;
  return key;
}

SrtpPlan PlanOf(SrtpSuite suite) {
  SrtpPlan plan{};
  plan.suite = suite;
  plan.send_key_count = 1;
  plan.receive_key_count = 1;
  plan.overlap_ms = 1000;
  plan.send = KeyOf(suite, 1);
  plan.receive[0] = KeyOf(suite, 3);
  return plan;
}

SrtpPlan TwoKeys() {
  SrtpPlan plan = PlanOf(SrtpSuite::kAesCm128HmacSha1_80);
  plan.receive_key_count = 2;
  plan.receive[0] = KeyOf(plan.suite, 3, 4, 1);
  plan.receive[1] = KeyOf(plan.suite, 5, 4, 2);
  return plan;
}

TEST(SrtpCheckTest, GoodPlansPass) {
  EXPECT_TRUE(CheckSrtp(SrtpPlan{}).ok());
  for (uint8_t suite = 1; suite < abi::kSrtpSuiteCount; ++suite) {
    SrtpPlan plan = PlanOf(static_cast<SrtpSuite>(suite));
    EXPECT_TRUE(CheckSrtp(plan).ok()) << int{suite};
    plan.receive_roc = SrtpRoc::kEither;
    plan.send_roc = SrtpRoc::kRestarts;
    EXPECT_TRUE(CheckSrtp(plan).ok()) << int{suite};
    // Neither key is agreed yet.
    plan.send_key_count = plan.receive_key_count = 0;
    plan.send = plan.receive[0] = {};
    EXPECT_TRUE(CheckSrtp(plan).ok()) << int{suite};
  }
  EXPECT_TRUE(CheckSrtp(TwoKeys()).ok());
  SrtpPlan long_mki = PlanOf(SrtpSuite::kAesCm128HmacSha1_80);
  long_mki.receive[0] = KeyOf(long_mki.suite, 3, 128, ~uint64_t{0});
  EXPECT_TRUE(CheckSrtp(long_mki).ok());
}

struct Case {
  const char* name;
  std::function<void(SrtpPlan&)> bend;
  size_t offset;
};

TEST(SrtpCheckTest, WhatIsWrongIsRefusedWithItsPlace) {
  constexpr size_t kSecond = offsetof(SrtpPlan, receive) + sizeof(SrtpKey);
  const Case cases[] = {
      {"a suite that is none", [](SrtpPlan& p) { p.suite = SrtpSuite{7}; }, 0},
      {"keys without a suite", [](SrtpPlan& p) { p.suite = SrtpSuite::kNone; }, 0},
      {"two send keys", [](SrtpPlan& p) { p.send_key_count = 2; }, 1},
      {"three receive keys", [](SrtpPlan& p) { p.receive_key_count = 3; }, 2},
      {"sending either way", [](SrtpPlan& p) { p.send_roc = SrtpRoc::kEither; }, 3},
      {"a policy that is none", [](SrtpPlan& p) { p.receive_roc = SrtpRoc{3}; }, 4},
      {"a reserved byte", [](SrtpPlan& p) { p.reserved = 1; }, 5},
      {"an hour's overlap", [](SrtpPlan& p) { p.overlap_ms = 10'001; }, 6},
      {"a key that nobody counts", [](SrtpPlan& p) { p.send_key_count = 0; },
       offsetof(SrtpPlan, send)},
      {"a key of zeros", [](SrtpPlan& p) { std::memset(p.send.key, 0, sizeof p.send.key); },
       offsetof(SrtpPlan, send)},
      {"a key that is too long", [](SrtpPlan& p) { p.send.key[16] = 1; }, offsetof(SrtpPlan, send)},
      {"a salt of 14 bytes for GCM",
       [](SrtpPlan& p) {
         p = PlanOf(SrtpSuite::kAeadAes128Gcm);
         p.receive[0].salt[13] = 1;
       },
       offsetof(SrtpPlan, receive) + offsetof(SrtpKey, salt)},
      {"an MKI of 129 bytes", [](SrtpPlan& p) { p.send.mki_length = 129; },
       offsetof(SrtpPlan, send) + offsetof(SrtpKey, mki_length)},
      {"an MKI without length", [](SrtpPlan& p) { p.send.mki = 1; },
       offsetof(SrtpPlan, send) + offsetof(SrtpKey, mki)},
      {"an MKI too large for its length",
       [](SrtpPlan& p) { p.send.mki_length = 1, p.send.mki = 256; },
       offsetof(SrtpPlan, send) + offsetof(SrtpKey, mki)},
      {"a reserved byte of a key", [](SrtpPlan& p) { p.receive[0].reserved = 1; },
       offsetof(SrtpPlan, receive) + offsetof(SrtpKey, reserved)},
      {"an unused key that is not zero", [](SrtpPlan& p) { p.receive[1].key[0] = 1; }, kSecond},
      {"two keys without MKI",
       [](SrtpPlan& p) {
         p.receive_key_count = 2;
         p.receive[1] = KeyOf(p.suite, 5);
       },
       kSecond + offsetof(SrtpKey, mki)},
      {"two keys of one MKI", [](SrtpPlan& p) { p = TwoKeys(), p.receive[1].mki = 1; },
       kSecond + offsetof(SrtpKey, mki)},
      {"MKIs of different lengths", [](SrtpPlan& p) { p = TwoKeys(), p.receive[1].mki_length = 2; },
       kSecond + offsetof(SrtpKey, mki)},
      {"one key both ways", [](SrtpPlan& p) { p.receive[0] = p.send; },
       offsetof(SrtpPlan, receive)},
  };
  for (const Case& one : cases) {
    SrtpPlan plan = PlanOf(SrtpSuite::kAesCm128HmacSha1_80);
    one.bend(plan);
    const Finding finding = CheckSrtp(plan);
    EXPECT_EQ(finding.refusal, abi::Refusal::kBadSrtp) << one.name;
    EXPECT_EQ(finding.field, kSrtpOffset + one.offset) << one.name;
  }
}

}  // namespace
}  // namespace relay::conductor
