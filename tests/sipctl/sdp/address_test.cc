#include "sipctl/sdp/address.h"

#include "gtest/gtest.h"

namespace sipctl::sdp {
namespace {

TEST(IpAddress, IsReadAndWrittenInBothFamilies) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "::1"}) {
    const std::optional<IpAddress> address = ParseIpAddress(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(FormatIpAddress(*address), text);
  }
  EXPECT_EQ(ParseIpAddress("[2001:db8::1]"), ParseIpAddress("2001:DB8:0::1"));
  EXPECT_EQ(ParseIpAddress("::ffff:192.0.2.1"), ParseIpAddress("192.0.2.1"));
}

TEST(IpAddress, NamesMasksZonesAndRubbishAreNone) {
  for (const char* text : {"", "example.com", "192.0.2", "192.0.2.1/24", "192.0.2.256",
                           "fe80::1%eth0", "[192.0.2.1]", "[]", "1.2.3.4 ", "2001:db8::1::2"}) {
    EXPECT_FALSE(ParseIpAddress(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseIpAddress(std::string_view("192.0.2.1\0", 10)).has_value());
}

TEST(IpAddress, KnowsTheSpecialOnes) {
  const auto is = [](bool (IpAddress::*predicate)() const, const char* text) {
    return (*ParseIpAddress(text).*predicate)();
  };
  EXPECT_TRUE(is(&IpAddress::IsUnspecified, "0.0.0.0"));
  EXPECT_TRUE(is(&IpAddress::IsUnspecified, "::"));
  EXPECT_FALSE(is(&IpAddress::IsUnspecified, "::1"));
  EXPECT_TRUE(is(&IpAddress::IsLoopback, "127.255.0.1"));
  EXPECT_TRUE(is(&IpAddress::IsLoopback, "::ffff:127.0.0.1"));
  EXPECT_TRUE(is(&IpAddress::IsLoopback, "::1"));
  EXPECT_FALSE(is(&IpAddress::IsLoopback, "128.0.0.1"));
  EXPECT_TRUE(is(&IpAddress::IsMulticast, "239.1.2.3"));
  EXPECT_TRUE(is(&IpAddress::IsMulticast, "ff02::1"));
  EXPECT_FALSE(is(&IpAddress::IsMulticast, "240.0.0.1"));
  EXPECT_TRUE(is(&IpAddress::IsBroadcast, "255.255.255.255"));
  EXPECT_FALSE(is(&IpAddress::IsBroadcast, "255.255.255.254"));
  EXPECT_TRUE(is(&IpAddress::IsLinkLocal, "169.254.0.1"));
  EXPECT_TRUE(is(&IpAddress::IsLinkLocal, "febf::1"));
  EXPECT_FALSE(is(&IpAddress::IsLinkLocal, "fec0::1"));
  for (const char* text : {"10.0.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "fd00::1"}) {
    EXPECT_TRUE(is(&IpAddress::IsPrivate, text)) << text;
  }
  for (const char* text : {"11.0.0.1", "172.32.0.0", "192.169.0.1", "100.128.0.1", "2001:db8::1"}) {
    EXPECT_FALSE(is(&IpAddress::IsPrivate, text)) << text;
  }
}

TEST(IpNetwork, ContainsWhatLiesUnderItsPrefix) {
  std::string error;
  const IpNetwork network = *ParseIpNetwork("192.0.2.128/25", &error);
  EXPECT_EQ(network.prefix_length, 121);
  EXPECT_TRUE(network.Contains(*ParseIpAddress("192.0.2.200")));
  EXPECT_FALSE(network.Contains(*ParseIpAddress("192.0.2.127")));
  EXPECT_EQ(FormatIpNetwork(network), "192.0.2.128/25");
  EXPECT_TRUE(ParseIpNetwork("0.0.0.0/0", &error)->Contains(*ParseIpAddress("8.8.8.8")));
  EXPECT_FALSE(ParseIpNetwork("0.0.0.0/0", &error)->Contains(*ParseIpAddress("2001:db8::1")));
  EXPECT_TRUE(
      ParseIpNetwork("2001:db8::/33", &error)->Contains(*ParseIpAddress("2001:db8:7fff::1")));
  EXPECT_FALSE(
      ParseIpNetwork("2001:db8::/33", &error)->Contains(*ParseIpAddress("2001:db8:8000::1")));
  EXPECT_EQ(FormatIpNetwork(*ParseIpNetwork("10.1.2.3", &error)), "10.1.2.3/32");
}

TEST(IpNetwork, SaysWhatToWriteInstead) {
  std::string error;
  EXPECT_FALSE(ParseIpNetwork("192.0.2.77/24", &error).has_value());
  EXPECT_EQ(error,
            "the address has bits behind the mask; write 192.0.2.0/24 for the network or "
            "192.0.2.77/32 for the one host");
  EXPECT_FALSE(ParseIpNetwork("192.0.2.0/33", &error).has_value());
  EXPECT_EQ(error, "the part after '/' must be a number from 0 to 32");
  EXPECT_FALSE(ParseIpNetwork("192.0.2.0/", &error).has_value());
  EXPECT_FALSE(ParseIpNetwork("carrier.example/24", &error).has_value());
}

TEST(IpEndpoint, WritesBracketsAroundIpv6) {
  EXPECT_EQ(FormatIpEndpoint({*ParseIpAddress("192.0.2.1"), 5060}), "192.0.2.1:5060");
  EXPECT_EQ(FormatIpEndpoint({*ParseIpAddress("2001:db8::1"), 5060}), "[2001:db8::1]:5060");
}

}  // namespace
}  // namespace sipctl::sdp
