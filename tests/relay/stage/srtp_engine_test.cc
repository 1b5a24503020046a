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

// RFC 7714 sections 16 and 17, whose keys are those of a session. libsrtp2 takes master keys alone;
// that it makes the same packets of them says srtp_differential_test.cc.
struct Rfc7714 {
  SrtpUse use;
  size_t key_length;
  const char* header;
  const char* text;
  const char* sealed;  // with its tag
  uint64_t index;
  uint32_t ssrc;
  uint32_t trailer;
};
const Rfc7714 kRfc7714[] = {
    {SrtpUse::kRtp, 16, "8040f17b8041f8d35501a0b2",
     "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
     "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
     "899d7f27beb16a9152cf765ee4390cce",
     0xf17b, 0x5501a0b2, 0},
    {SrtpUse::kRtp, 32, "8040f17b8041f8d35501a0b2",
     "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
     "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
     "7aa3db36dfffd6b0f9bb7878d7a76c13",
     0xf17b, 0x5501a0b2, 0},
    {SrtpUse::kRtcp, 16, "81c8000d4d617273",
     "4e5450314e545032525450200000042a0000e9304c756e61"
     "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
     "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b"
     "c84aa45896cf4d2fc5abf87245d9eade",
     0x5d4, 0x4d617273, 0x800005d4},
    {SrtpUse::kRtcp, 32, "81c8000d4d617273",
     "4e5450314e545032525450200000042a0000e9304c756e61"
     "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
     "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad"
     "1d1eb30c4446839f57ff6f6cb26ac3be",
     0x5d4, 0x4d617273, 0x800005d4},
};

class Rfc7714Context {
 public:
  Rfc7714Context(CipherEngine* engine, const Rfc7714& known, SrtpDirection direction)
      : engine_(engine),
        suite_(known.key_length == 16 ? SrtpSuite::kAeadAes128Gcm : SrtpSuite::kAeadAes256Gcm) {
    SrtpSessionKeys keys{};
    for (size_t i = 0; i < known.key_length; ++i) keys.key[i] = static_cast<uint8_t>(i);
    const Bytes salt = FromHex("517569642070726f2071756f");
    std::copy(salt.begin(), salt.end(), keys.salt);
    engine_->MakeSessionContext(memory_, suite_, direction, keys);
  }
  ~Rfc7714Context() { engine_->DropContext(memory_, suite_); }
  Rfc7714Context(const Rfc7714Context&) = delete;
  Rfc7714Context& operator=(const Rfc7714Context&) = delete;

  // `packet` is header and text.
  SrtpJob JobFor(const Rfc7714& known, Bytes* packet) {
    const auto length = static_cast<uint32_t>(packet->size());
    packet->resize(length + 4);
    return {.context = memory_,
            .data = packet->data(),
            .length = length,
            .header_length = static_cast<uint32_t>(FromHex(known.header).size()),
            .index = known.index,
            .ssrc = known.ssrc,
            .trailer = known.trailer,
            .suite = suite_,
            .use = known.use,
            .tag_length = 16};
  }

 private:
  CipherEngine* const engine_;
  const SrtpSuite suite_;
  alignas(64) uint8_t memory_[4096];
};

TEST_P(SrtpEngineTest, GivesThePacketsOfRfc7714) {
  const std::unique_ptr<SrtpEngine> engine = MakeSrtpEngine(GetParam());
  auto* const ciphers = dynamic_cast<CipherEngine*>(engine.get());
  ASSERT_EQ(ciphers == nullptr, GetParam() == SrtpEngineKind::kLibsrtp2);
  if (ciphers == nullptr) return;
  ASSERT_LE(engine->ContextSize(SrtpSuite::kAeadAes256Gcm), size_t{4096});
  for (const Rfc7714& known : kRfc7714) {
    const std::string header = known.header;
    Bytes packet = FromHex(header + known.text);
    Rfc7714Context sends(ciphers, known, SrtpDirection::kProtect);
    SrtpJob job = sends.JobFor(known, &packet);
    engine->Protect({&job, 1});
    packet.resize(job.length);
    packet.insert(packet.end(), job.tag, job.tag + 16);
    EXPECT_EQ(packet, FromHex(header + known.sealed));

    packet.resize(job.length);
    Rfc7714Context receives(ciphers, known, SrtpDirection::kUnprotect);
    SrtpJob back = receives.JobFor(known, &packet);
    std::copy(std::begin(job.tag), std::end(job.tag), back.tag);
    engine->Unprotect({&back, 1});
    EXPECT_EQ(back.result, SrtpResult::kOk);
    packet.resize(job.length);
    EXPECT_EQ(packet, FromHex(header + known.text));
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
