#include "sipctl/sip/transport.h"

#include "gtest/gtest.h"

namespace sipctl::sip {
namespace {

TEST(SocketAddress, ParsesAndPrints) {
  for (std::string_view text :
       {"192.0.2.1:5060", "0.0.0.0:0", "[::1]:5060", "[2001:db8::10]:65535"}) {
    const auto address = ParseSocketAddress(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(ToString(*address), text);
  }
  EXPECT_TRUE(ParseSocketAddress("1.2.3.4:5")->address.IsIpv4());
  for (std::string_view text : {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "::1:5060",
                                "[::1:5060", "example.com:5060", "1.2.3:5", "1.2.3.4:-1"}) {
    EXPECT_FALSE(ParseSocketAddress(text).ok()) << text;
  }
}

std::string Filled(std::string_view host, bool with_rport, std::string_view source) {
  Via via{"UDP", std::string(host), 5062, {{"branch", "z9hG4bK1", true}}};
  if (with_rport) via.parameters.push_back({"rport", "", false});
  FillReceived(*ParseSocketAddress(source), &via);
  return via.ToString();
}

TEST(FillReceived, FollowsRfc3261AndRfc3581) {
  EXPECT_EQ(Filled("192.0.2.1", false, "192.0.2.1:999"),
            "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1");
  EXPECT_EQ(Filled("192.0.2.1", false, "192.0.2.2:999"),
            "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1;received=192.0.2.2");
  EXPECT_EQ(Filled("pbx.example.com", false, "192.0.2.2:999"),
            "SIP/2.0/UDP pbx.example.com:5062;branch=z9hG4bK1;received=192.0.2.2");
  EXPECT_EQ(Filled("192.0.2.1", true, "192.0.2.1:999"),
            "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1;rport=999;received=192.0.2.1");
  EXPECT_EQ(Filled("2001:db8::1", true, "[2001:db8::2]:7"),
            "SIP/2.0/UDP [2001:db8::1]:5062;branch=z9hG4bK1;rport=7;received=2001:db8::2");
}

}  // namespace
}  // namespace sipctl::sip
