#include "sipctl/sip/token.h"

#include <gtest/gtest.h>

#include <set>

namespace sipctl::sip {
namespace {

// The vectors of the SipHash paper: key 00 01 .. 0f, message 00 01 .. of rising length.
TEST(TokenTest, SipHashGivesThePublishedVectors) {
  const TokenKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string message;
  EXPECT_EQ(SipHash(key, message), 0x726fdb47dd0e0e31u);
  for (int i = 0; i < 15; ++i) message.push_back(static_cast<char>(i));
  EXPECT_EQ(SipHash(key, message), 0xa129ca6149be45e5u);
}

TEST(TokenTest, TextIsThirteenCharactersOfATokenAndKeepsAllBits) {
  EXPECT_EQ(TokenText(0), "0000000000000");
  EXPECT_EQ(TokenText(31), "000000000000v");
  EXPECT_EQ(TokenText(UINT64_MAX), "fvvvvvvvvvvvv");
}

TEST(TokenTest, RepeatsFromItsKeyAndNeverWithin) {
  Tokens one({1, 2});
  Tokens same({1, 2});
  Tokens other({1, 3});
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = one.Next();
    EXPECT_EQ(value, same.Next());
    EXPECT_NE(value, other.Next());
    EXPECT_TRUE(seen.insert(value).second);
  }
}

}  // namespace
}  // namespace sipctl::sip
