#include "kernels/batch_crypto.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace kernels {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes FromHex(const std::string& hex) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

// The only reason to have no batch engine.
void ExpectNoInstructions() {
#ifdef __x86_64__
  EXPECT_FALSE(__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"));
#endif
}

AesKeySchedule schedules[BatchCrypto::kSchedules];

// RFC 3711 appendix B.2: the key stream, as the encryption of zeros.
TEST(BatchCrypto, CounterModeGivesTheRfcsKeyStream) {
  const std::unique_ptr<BatchCrypto> crypto = BatchCrypto::Make(schedules);
  if (crypto == nullptr) return ExpectNoInstructions();
  CmContext context{};
  const Bytes key = FromHex("2B7E151628AED2A6ABF7158809CF4F3C");
  const Bytes auth(20, 0);
  crypto->SetKeys(&context, key.data(), 16, auth.data());
  Bytes text(48, 0);
  const Bytes salt = FromHex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
  CmJob job{.context = &context,
            .data = text.data(),
            .cipher_offset = 0,
            .cipher_length = 48,
            .hash_length = 0,
            .iv = {},
            .tag = nullptr};
  std::copy(salt.begin(), salt.end(), job.iv);
  crypto->Cipher(&job, 1, 16);
  EXPECT_EQ(text, FromHex("E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB"
                          "41E95B3BB0A2E8DD477901E4FCA894C0"));
}

// RFC 7714 sections 16.1.1 and 16.2.1, whose keys are those of a session.
TEST(BatchCrypto, GcmEncryptsAsInTheRfc) {
  const std::unique_ptr<BatchCrypto> crypto = BatchCrypto::Make(schedules);
  if (crypto == nullptr) return ExpectNoInstructions();
  const Bytes header = FromHex("8040f17b8041f8d35501a0b2");
  const std::string text = "Gallia est omnis divisa in partes tres";
  const struct {
    const char* key;
    const char* sealed;
  } cases[] = {{"000102030405060708090a0b0c0d0e0f",
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
                "899d7f27beb16a9152cf765ee4390cce"},
               {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
                "7aa3db36dfffd6b0f9bb7878d7a76c13"}};
  for (const auto& one : cases) {
    const Bytes key = FromHex(one.key);
    GcmContext context{};
    crypto->SetKey(&context, key.data(), key.size());
    Bytes sealed(text.begin(), text.end());
    uint8_t tag[16];
    const Bytes iv = FromHex("51753c6580c2726f20718414");
    GcmJob job{.context = &context,
               .text = sealed.data(),
               .text_length = static_cast<uint32_t>(sealed.size()),
               .associated = header.data(),
               .associated_length = static_cast<uint32_t>(header.size()),
               .iv = iv.data(),
               .tag = tag};
    crypto->Encrypt(job, key.size());
    sealed.insert(sealed.end(), tag, tag + 16);
    EXPECT_EQ(sealed, FromHex(one.sealed));
  }
}

// RFC 2202 section 3, test case 1: a key of 20 bytes, as SRTP's are.
TEST(BatchCrypto, HashesAsInTheRfcInEveryLane) {
  const std::unique_ptr<BatchCrypto> crypto = BatchCrypto::Make(schedules);
  if (crypto == nullptr) return ExpectNoInstructions();
  const Bytes auth(20, 0x0b);
  const Bytes key(16, 1);
  CmContext context{};
  crypto->SetKeys(&context, key.data(), 16, auth.data());
  for (size_t count = 1; count <= kBatchMax; ++count) {
    std::vector<std::string> texts(count, "Hi There");
    std::vector<Bytes> tags(count, Bytes(kSha1Length));
    std::vector<CmJob> jobs(count);
    for (size_t i = 0; i < count; ++i) {
      jobs[i] = {.context = &context,
                 .data = reinterpret_cast<uint8_t*>(texts[i].data()),
                 .cipher_offset = 0,
                 .cipher_length = 0,
                 .hash_length = 8,
                 .iv = {},
                 .tag = tags[i].data()};
    }
    crypto->Hash(jobs.data(), count);
    for (const Bytes& tag : tags) {
      ASSERT_EQ(tag, FromHex("b617318655057264e28bc0b6fb378c8ef146be00")) << count;
    }
  }
}

// A context may lie anywhere on a line's start: nothing is written behind it.
TEST(BatchCrypto, KeysStayInTheirContext) {
  const std::unique_ptr<BatchCrypto> crypto = BatchCrypto::Make(schedules);
  if (crypto == nullptr) return ExpectNoInstructions();
  struct alignas(64) Block {
    CmContext context;
    uint8_t behind[64];
  };
  const Bytes auth(20, 2);
  for (const size_t key_length : {16u, 32u}) {
    Block block;
    std::fill(std::begin(block.behind), std::end(block.behind), uint8_t{0xee});
    crypto->SetKeys(&block.context, Bytes(key_length, 1).data(), key_length, auth.data());
    EXPECT_TRUE(std::all_of(std::begin(block.behind), std::end(block.behind),
                            [](uint8_t byte) { return byte == 0xee; }));
  }
}

}  // namespace
}  // namespace kernels
