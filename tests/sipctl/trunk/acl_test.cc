#include "sipctl/trunk/acl.h"

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

Config ConfigWith(const std::vector<std::vector<const char*>>& sources) {
  Config config;
  for (const auto& networks : sources) {
    Trunk trunk;
    std::string error;
    for (const char* text : networks) trunk.sources.push_back(*sdp::ParseIpNetwork(text, &error));
    config.trunks.push_back(trunk);
  }
  return config;
}

std::optional<size_t> Find(const Acl& acl, const char* address) {
  return acl.Find(*sdp::ParseIpAddress(address));
}

TEST(Acl, TheLongestPrefixWins) {
  const Acl acl(ConfigWith({{"10.0.0.0/8"}, {"10.1.0.0/16", "192.0.2.7/32"}, {"10.1.2.3"}}));
  EXPECT_EQ(Find(acl, "10.200.0.1"), 0u);
  EXPECT_EQ(Find(acl, "10.1.200.1"), 1u);
  EXPECT_EQ(Find(acl, "10.1.2.3"), 2u);
  EXPECT_EQ(Find(acl, "192.0.2.7"), 1u);
}

TEST(Acl, StrangersBelongToNobody) {
  const Acl acl(ConfigWith({{"192.0.2.0/24"}, {"2001:db8::/32"}}));
  EXPECT_EQ(Find(acl, "192.0.3.1"), std::nullopt);
  EXPECT_EQ(Find(acl, "2001:db9::1"), std::nullopt);
  EXPECT_EQ(Find(acl, "2001:db8:1::1"), 1u);
  EXPECT_EQ(Find(Acl(Config{}), "192.0.2.1"), std::nullopt);
}

TEST(Acl, AllOfIpv4IsNotIpv6) {
  const Acl acl(ConfigWith({{"0.0.0.0/0"}}));
  EXPECT_EQ(Find(acl, "8.8.8.8"), 0u);
  EXPECT_EQ(Find(acl, "::ffff:8.8.8.8"), 0u);
  EXPECT_EQ(Find(acl, "2001:db8::1"), std::nullopt);
}

}  // namespace
}  // namespace sipctl::trunk
