// The grammar of RFC 4568, as it is written and as peers write it (trap T-15).
#include "sipctl/sdp/crypto.h"

#include <algorithm>
#include <array>
#include <set>

#include "gtest/gtest.h"

namespace sipctl::sdp {
namespace {

// 30 bytes: RFC 4568 section 9.1.
constexpr std::string_view kKey = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
// 28, 44 and 46 bytes, whose last group is not whole.
constexpr std::string_view kKey28 = "MTIzNDU2Nzg5QUJDREVGMDEyMzQ1Njc4OTAxMg==";
constexpr std::string_view kKey44 = "MTIzNDU2Nzg5QUJDREVGMDEyMzQ1Njc4OTAxMjM0NTY3ODlBQkNERUZHSEk=";
constexpr std::string_view kKey46 =
    "MTIzNDU2Nzg5QUJDREVGMDEyMzQ1Njc4OTAxMjM0NTY3ODlBQkNERUZHSElKSw==";

std::string Line(std::string_view suite, std::string_view keys, std::string_view rest = "") {
  return std::string("1 ").append(suite).append(" ").append(keys).append(rest);
}
std::string Sha80(std::string_view behind_key, std::string_view rest = "") {
  return Line("AES_CM_128_HMAC_SHA1_80", std::string("inline:").append(kKey).append(behind_key),
              rest);
}

TEST(Crypto, EverySuiteWithAndWithoutPadding) {
  const struct {
    Suite suite;
    const char* name;
    std::string_view key;
    size_t length;
  } kRows[] = {
      {Suite::kAesCm128HmacSha1_80, "AES_CM_128_HMAC_SHA1_80", kKey, 30},
      {Suite::kAesCm128HmacSha1_32, "AES_CM_128_HMAC_SHA1_32", kKey, 30},
      {Suite::kAesCm256HmacSha1_80, "AES_256_CM_HMAC_SHA1_80", kKey46, 46},
      {Suite::kAesCm256HmacSha1_32, "AES_256_CM_HMAC_SHA1_32", kKey46, 46},
      {Suite::kAeadAes128Gcm, "AEAD_AES_128_GCM", kKey28, 28},
      {Suite::kAeadAes256Gcm, "AEAD_AES_256_GCM", kKey44, 44},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    const std::string key = std::string("inline:").append(row.key);
    const auto line = ParseCrypto(Line(row.name, key));
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->suite, row.suite);
    ASSERT_EQ(line->keys.size(), 1u);
    EXPECT_EQ(line->keys[0].length, row.length);
    EXPECT_EQ(KeyLength(row.suite) + SaltLength(row.suite), row.length);
    EXPECT_EQ(FormatCrypto(*line), Line(row.name, key));

    const auto bare = ParseCrypto(Line(row.name, key.substr(0, key.find('='))));
    ASSERT_TRUE(bare.ok()) << bare.status();
    EXPECT_EQ(*bare, *line);
    EXPECT_FALSE(ParseCrypto(Line(row.name, key + "=")).ok());
    EXPECT_FALSE(ParseCrypto(Line(row.name, key.substr(0, key.size() - 4))).ok());
    EXPECT_FALSE(ParseCrypto(Line(row.name, key + "AAAA")).ok());
  }
}

TEST(Crypto, TheBytesAreThoseOfTheText) {
  const auto line = ParseCrypto(Line("AEAD_AES_128_GCM", std::string("inline:").append(kKey28)));
  ASSERT_TRUE(line.ok());
  const std::string_view bytes(reinterpret_cast<const char*>(line->keys[0].bytes.data()), 28);
  EXPECT_EQ(bytes, "123456789ABCDEF0123456789012");
}

TEST(Crypto, WhatMayStandBehindTheKey) {
  const std::string plain = Sha80("");
  for (const char* behind :
       {"", "|2^20", "|2^31", "|2^48", "|1048576", "|1:4", "|2^20|1:4", "|18446744073709551615:8",
        "|1:1", "|66051:128", "|0:4", "|", "|2^20|", "|1:4|"}) {
    const auto line = ParseCrypto(Sha80(behind));
    ASSERT_TRUE(line.ok()) << behind << ": " << line.status();
    EXPECT_EQ(FormatCrypto(*line), plain) << "ours has neither lifetime nor MKI";
  }
  const auto line = ParseCrypto(Sha80("|2^20|66051:128"));
  EXPECT_EQ(line->keys[0].mki, 66051u);
  EXPECT_EQ(line->keys[0].mki_length, 128);
  for (const char* behind :
       {"|2^", "|2^49", "|2^x", "|0", "|-1", "|+1", "|281474976710657", "|1:0", "|1:129", "|256:1",
        "|x:4", "|:4", "|1:", "|1:4|2^20", "|2^20|1:4|1:4", "|18446744073709551616:9", "|2^20|5"}) {
    EXPECT_FALSE(ParseCrypto(Sha80(behind)).ok()) << behind;
  }
}

TEST(Crypto, SeveralKeysAreToldApartByTheirMki) {
  const std::string other = ";inline:AAAAX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
  const auto line = ParseCrypto(Sha80("|2^20|1:4" + other + "|2^20|2:4"));
  ASSERT_TRUE(line.ok()) << line.status();
  ASSERT_EQ(line->keys.size(), 2u);
  EXPECT_EQ(line->keys[1].mki, 2u);
  EXPECT_NE(line->keys[0].bytes, line->keys[1].bytes);
  EXPECT_FALSE(ParseCrypto(Sha80(other)).ok()) << "no MKI";
  EXPECT_FALSE(ParseCrypto(Sha80("|1:4" + other + "|1:4")).ok()) << "the same MKI";
  EXPECT_FALSE(ParseCrypto(Sha80("|1:4" + other + "|2:2")).ok()) << "another length";
  EXPECT_FALSE(ParseCrypto(Sha80("|1:4" + other + "|2:4" + other + "|3:4")).ok()) << "three";
}

TEST(Crypto, SessionParameters) {
  for (const char* fine :
       {" WSH=64", " WSH=1024", " -X-vendor=1", " -whatever", "  -a  WSH=128 "}) {
    EXPECT_TRUE(ParseCrypto(Sha80("", fine)).ok()) << fine;
  }
  for (const char* bad :
       {" KDR=1", " UNENCRYPTED_SRTP", " UNENCRYPTED_SRTCP", " UNAUTHENTICATED_SRTP",
        " FEC_ORDER=FEC_SRTP", " FEC_KEY=inline:x", " WSH=63", " WSH=x", " WSH", " SOMETHING"}) {
    EXPECT_FALSE(ParseCrypto(Sha80("", bad)).ok()) << bad;
  }
}

TEST(Crypto, TagsAndOddLines) {
  const std::string rest = Sha80("").substr(1);
  EXPECT_EQ(ParseCrypto("999999999" + rest)->tag, "999999999");
  EXPECT_EQ(ParseCrypto("007" + rest)->tag, "007");
  EXPECT_TRUE(ParseCrypto("1 aes_cm_128_hmac_sha1_80 INLINE:" + std::string(kKey)).ok());
  for (const char* tag : {"", "x", "1000000000", "-1", "1.5"}) {
    EXPECT_FALSE(ParseCrypto(tag + rest).ok()) << tag;
  }
  for (const char* line :
       {"", "1", "1 AES_CM_128_HMAC_SHA1_80", "1 F8_128_HMAC_SHA1_80 inline:x",
        "1 AES_CM_128_HMAC_SHA1_80 outline:x", "1 AES_CM_128_HMAC_SHA1_80 inline:",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubG*z"}) {
    EXPECT_FALSE(ParseCrypto(line).ok()) << line;
  }
}

TEST(Crypto, KeysAreNewEachTime) {
  std::set<std::array<uint8_t, kKeyingBytesMax>> seen;
  for (int i = 0; i < 100; ++i) {
    const Keying keying = NewKeying(Suite::kAeadAes256Gcm, KernelRandom);
    EXPECT_EQ(keying.length, 44);
    EXPECT_EQ(keying.bytes[44], 0);
    EXPECT_TRUE(seen.insert(keying.bytes).second);
  }
}

TEST(Crypto, ErrorsAndTracesShowNoKey) {
  const std::string line = Sha80("|2^20|1:4", " KDR=1");
  EXPECT_EQ(std::string(ParseCrypto(line).status().message()).find(kKey.substr(0, 8)),
            std::string::npos);
  const std::string text = "a=crypto:" + line + "\r\na=crypto:2 X INLINE:secret;inline:two\r\nend";
  EXPECT_EQ(HideKeys(text),
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:*|2^20|1:4 KDR=1\r\n"
            "a=crypto:2 X inline:*;inline:*\r\nend");
  EXPECT_EQ(HideKeys("nothing in line"), "nothing in line");
}

}  // namespace
}  // namespace sipctl::sdp
