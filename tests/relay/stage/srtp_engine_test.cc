// Known packets, for every engine: those of the RFCs and those by which libsrtp2 tests itself.
#include "relay/stage/srtp_engine.h"

#include <gtest/gtest.h>

#include "relay/stage/srtp_keys.h"
#include "tests/relay/stage/srtp_world.h"

namespace relay::stage {
namespace {

using abi::SrtpSuite;

// RFC 3711 appendix B.3.
TEST(SrtpKeys, AreDerivedAsInTheRfc) {
  const abi::SrtpKey master =
      KeyFrom(SrtpSuite::kAesCm128HmacSha1_80, FromHex("E1F97A0D3E018BE0D64FA32C06DE4139"),
              FromHex("0EC675AD498AFEEBB6960B3AABE6"));
  SrtpSessionKeys keys;
  DeriveSrtpKeys(SrtpSuite::kAesCm128HmacSha1_80, master, SrtpUse::kRtp, &keys);
  EXPECT_EQ(Bytes(keys.key, keys.key + 16), FromHex("C61E7A93744F39EE10734AFE3FF7A087"));
  EXPECT_EQ(Bytes(keys.salt, keys.salt + 14), FromHex("30CBBC08863D8C85D49DB34A9AE1"));
  EXPECT_EQ(Bytes(keys.auth, keys.auth + 20), FromHex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

struct Known {
  SrtpSuite suite;
  const char* key;
  const char* salt;
  const char* sealed;       // of kPlain
  const char* rtcp_sealed;  // of kPlainRtcp
};
const char kPlain[] = "800f1234decafbadcafebabeabababababababababababababababab";
const char kPlainRtcp[] = "81c8000bcafebabeabababababababababababababababab";
const Known kKnown[] = {
    {SrtpSuite::kAesCm128HmacSha1_80, "e1f97a0d3e018be0d64fa32c06de4139",
     "0ec675ad498afeebb6960b3aabe6",
     "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
     "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798"},
    {SrtpSuite::kAesCm256HmacSha1_80,
     "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
     "3b04803de51ee7c96423ab5b78d2",
     "800f1234decafbadcafebabef1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b", nullptr},
    {SrtpSuite::kAeadAes128Gcm, "000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaab",
     "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
     nullptr},
};

class SrtpEngineTest : public testing::TestWithParam<SrtpEngineKind> {};

TEST_P(SrtpEngineTest, GivesTheKnownPackets) {
  for (const Known& known : kKnown) {
    const abi::SrtpKey key = KeyFrom(known.suite, FromHex(known.key), FromHex(known.salt));
    SrtpEnd sender(GetParam());
    sender.Apply(PlanFor(known.suite, key, RandomKey(known.suite, 1)));
    SrtpEnd receiver(GetParam());
    receiver.Apply(PlanFor(known.suite, RandomKey(known.suite, 2), key));

    Bytes packet = FromHex(kPlain);
    ASSERT_EQ(sender.Protect(&packet), Verdict::kForwarded);
    EXPECT_EQ(packet, FromHex(known.sealed));
    ASSERT_EQ(receiver.Unprotect(&packet), Verdict::kForwarded);
    EXPECT_EQ(packet, FromHex(kPlain));

    Bytes report = FromHex(kPlainRtcp);
    ASSERT_EQ(sender.ProtectRtcp(&report), Verdict::kForwarded);
    if (known.rtcp_sealed != nullptr) {
      EXPECT_EQ(report, FromHex(known.rtcp_sealed));
    }
    ASSERT_EQ(receiver.Unprotect(&report), Verdict::kForwarded);
    EXPECT_EQ(report, FromHex(kPlainRtcp));
  }
}

// Each bit of header, payload and tag is authenticated.
TEST_P(SrtpEngineTest, NoBitCanBeFlipped) {
  for (const SrtpSuite suite : kAllSuites) {
    const abi::SrtpKey key = RandomKey(suite, 7);
    SrtpEnd sender(GetParam());
    sender.Apply(PlanFor(suite, key, RandomKey(suite, 1)));
    Bytes rtp = MakeRtp(5, 1000, 20);
    ASSERT_EQ(sender.Protect(&rtp), Verdict::kForwarded);
    Bytes rtcp = MakeRtcp(5, 1);
    ASSERT_EQ(sender.ProtectRtcp(&rtcp), Verdict::kForwarded);
    SrtpEnd receiver(GetParam());
    receiver.Apply(PlanFor(suite, RandomKey(suite, 2), key));
    for (const Bytes& good : {rtp, rtcp}) {
      for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
        Bytes bad = good;
        bad[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
        EXPECT_NE(receiver.Unprotect(&bad), Verdict::kForwarded) << bit;
      }
    }
    // Nothing of it has moved anything.
    EXPECT_EQ(receiver.leg().receive.streams[0].used, 0);
    EXPECT_EQ(receiver.leg().receive.rtcp[0].used, 0u);
    EXPECT_EQ(receiver.Unprotect(&rtp), Verdict::kForwarded);
    EXPECT_EQ(receiver.Unprotect(&rtcp), Verdict::kForwarded);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SrtpEngineTest, testing::ValuesIn(EnginesHere()),
                         [](const auto& one) { return EngineName(one.param); });

TEST(SrtpEngine, AutoIsTheBatchWhereThereIsOne) {
  const bool batch = MakeSrtpEngine(SrtpEngineKind::kBatch) != nullptr;
  EXPECT_EQ(MakeSrtpEngine(SrtpEngineKind::kAuto)->name(), batch ? "batch" : "portable");
  EXPECT_EQ(MakeSrtpEngine(SrtpEngineKind::kNone), nullptr);
}

}  // namespace
}  // namespace relay::stage
