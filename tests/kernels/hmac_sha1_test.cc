#include "kernels/hmac_sha1.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <random>
#include <span>
#include <vector>

namespace kernels {
namespace {

using Bytes = std::vector<uint8_t>;
using Tag = std::array<uint8_t, kSha1Length>;

// FIPS 180-4, one message after the other, as it is written there.
Tag Sha1(Bytes message) {
  const uint64_t bits = 8 * message.size();
  message.push_back(0x80);
  while (message.size() % 64 != 56) message.push_back(0);
  for (int shift = 56; shift >= 0; shift -= 8) {
    message.push_back(static_cast<uint8_t>(bits >> shift));
  }
  std::array<uint32_t, 5> h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (size_t block = 0; block < message.size(); block += 64) {
    std::array<uint32_t, 80> w;
    for (size_t t = 0; t < 16; ++t) {
      const uint8_t* const at = &message[block + 4 * t];
      w[t] = uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
    }
    for (size_t t = 16; t < 80; ++t) {
      w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    auto [a, b, c, d, e] = h;
    for (size_t t = 0; t < 80; ++t) {
      constexpr uint32_t kConstants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
      const uint32_t mixed = t < 20        ? (b & c) ^ (~b & d)
                             : t / 20 == 2 ? (b & c) ^ (b & d) ^ (c & d)
                                           : b ^ c ^ d;
      const uint32_t next = std::rotl(a, 5) + mixed + e + kConstants[t / 20] + w[t];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    h = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
  }
  Tag tag;
  for (size_t i = 0; i < tag.size(); ++i) {
    tag[i] = static_cast<uint8_t>(h[i / 4] >> (24 - 8 * (i % 4)));
  }
  return tag;
}

// RFC 2104, with a key of 20 bytes.
Tag HmacSha1(const Bytes& key, std::span<const uint8_t> message) {
  Bytes inner(64, 0x36);
  Bytes outer(64, 0x5c);
  for (size_t i = 0; i < key.size(); ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  inner.insert(inner.end(), message.begin(), message.end());
  const Tag hash = Sha1(inner);
  outer.insert(outer.end(), hash.begin(), hash.end());
  return Sha1(outer);
}

// Buffers of their own keys, lengths and alignments, and jobs for them.
class Batch {
 public:
  Batch(BatchCrypto* crypto, std::span<const uint32_t> lengths) : contexts_(lengths.size()) {
    std::mt19937 random(static_cast<uint32_t>(lengths.size()));
    const auto byte = [&random] { return static_cast<uint8_t>(random()); };
    for (size_t i = 0; i < lengths.size(); ++i) {
      Bytes key(kSha1Length);
      std::generate(key.begin(), key.end(), byte);
      crypto->SetKeys(&contexts_[i], Bytes(16, 1).data(), 16, key.data());
      // What follows the message must not be looked at.
      Bytes buffer(random() % 64 + lengths[i] + 1);
      std::generate(buffer.begin(), buffer.end(), byte);
      keys_.push_back(key);
      buffers_.push_back(buffer);
      tags_.push_back(Bytes(kSha1Length + 1, 0xee));
    }
    for (size_t i = 0; i < lengths.size(); ++i) {
      const size_t start = buffers_[i].size() - lengths[i] - 1;
      jobs_.push_back({.context = &contexts_[i],
                       .data = &buffers_[i][start],
                       .cipher_offset = 0,
                       .cipher_length = 0,
                       .hash_length = lengths[i],
                       .iv = {},
                       .tag = tags_[i].data()});
    }
  }
  void ExpectHashed(BatchCrypto* crypto) {
    crypto->Hash(jobs_.data(), jobs_.size());
    for (size_t i = 0; i < jobs_.size(); ++i) {
      const Tag expected = HmacSha1(keys_[i], {jobs_[i].data, jobs_[i].hash_length});
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), tags_[i].begin()))
          << jobs_[i].hash_length << " bytes, " << i << " of " << jobs_.size();
      ASSERT_EQ(tags_[i].back(), 0xee);
    }
  }

 private:
  std::vector<CmContext> contexts_;
  std::vector<Bytes> keys_;
  std::vector<Bytes> buffers_;
  std::vector<Bytes> tags_;
  std::vector<CmJob> jobs_;
};

class HmacSha1Test : public testing::TestWithParam<BatchCrypto::Hashes> {
 protected:
  AesKeySchedule schedules_[BatchCrypto::kSchedules];
  const std::unique_ptr<BatchCrypto> crypto_ = BatchCrypto::Make(schedules_, GetParam());
};

TEST_P(HmacSha1Test, EveryLength) {
  if (crypto_ == nullptr) return;  // batch_crypto_test.cc says why
  for (uint32_t length = 1; length <= 300; ++length) {
    const size_t count = 1 + length % kBatchMax;
    Batch(crypto_.get(), std::vector<uint32_t>(count, length)).ExpectHashed(crypto_.get());
  }
}

TEST_P(HmacSha1Test, LengthsMayDifferInABurst) {
  if (crypto_ == nullptr) return;
  std::mt19937 random(5);
  for (size_t count = 1; count <= kBatchMax; ++count) {
    std::vector<uint32_t> lengths(count);
    for (uint32_t& length : lengths) length = 1 + static_cast<uint32_t>(random() % 1400);
    Batch(crypto_.get(), lengths).ExpectHashed(crypto_.get());
    // All lanes end in the same block, some of them at its edges.
    for (uint32_t& length : lengths) length = 120 + static_cast<uint32_t>(random() % 64);
    Batch(crypto_.get(), lengths).ExpectHashed(crypto_.get());
  }
}

INSTANTIATE_TEST_SUITE_P(By, HmacSha1Test,
                         testing::Values(BatchCrypto::Hashes::kBest, BatchCrypto::Hashes::kLibrary),
                         [](const auto& one) {
                           return one.param == BatchCrypto::Hashes::kBest ? "Best" : "Library";
                         });

}  // namespace
}  // namespace kernels
