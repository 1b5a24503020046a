#include "sipctl/trunk/profile.h"

#include "gtest/gtest.h"
#include "sipctl/trunk/config_profile.h"

namespace sipctl::trunk {
namespace {

sdp::IpNetwork Network(std::string_view text) {
  std::string error;
  return sdp::ParseIpNetwork(text, &error).value();
}

TEST(Profile, AllOfTheProgramCanBeRead) {
  EXPECT_EQ(ProfileNames(),
            (std::vector<std::string>{"exotel", "exotel-2025", "twilio", "generic"}));
  for (const ProfileText& text : ProfileTexts()) {
    std::vector<Diagnostic> diagnostics;
    EXPECT_TRUE(ParseProfile(text.yaml, std::string(text.file), &diagnostics).has_value());
    EXPECT_TRUE(diagnostics.empty()) << text.file;
  }
  EXPECT_EQ(FindProfile("none"), nullptr);
}

TEST(Profile, KnowsAMediaServerFromASignallingAddress) {
  const Profile& exotel = *FindProfile("exotel");
  EXPECT_EQ(exotel.FindMedia(Network("61.246.82.75"))->name, "karnataka");
  EXPECT_EQ(exotel.FindMedia(Network("122.15.8.184/32"))->name, "mumbai");
  EXPECT_EQ(exotel.FindMedia(Network("122.15.8.185")), nullptr);
  EXPECT_EQ(exotel.FindMedia(Network("122.15.8.0/24")), nullptr);  // not all of it is media
  EXPECT_EQ(FindProfile("twilio")->FindMedia(Network("168.86.130.0/24"))->name, "global");
  EXPECT_EQ(exotel.AllMedia().size(), 6u);
}

TEST(Profile, KnowsPortsPopsAndNames) {
  const Profile& exotel = *FindProfile("exotel");
  EXPECT_EQ(exotel.PortOf("tcp"), 5070);
  EXPECT_EQ(exotel.PortOf("tls"), 443);
  EXPECT_EQ(exotel.PortOf("udp"), std::nullopt);
  EXPECT_EQ(FindProfile("generic")->PortOf("udp"), 0);
  EXPECT_EQ(exotel.TransportsText(), "tcp/5070 or tls/443");
  EXPECT_EQ(exotel.FindPop("Mumbai")->edge, "pstn.in2.exotel.com");
  EXPECT_FALSE(exotel.FindPop("KSA")->live);
  EXPECT_EQ(exotel.FindPop("paris"), nullptr);
  EXPECT_TRUE(exotel.IsAccountName("acme1.pstn.exotel.com"));
  EXPECT_FALSE(exotel.IsAccountName("pstn.in2.exotel.com"));
  EXPECT_FALSE(exotel.IsAccountName("pstn.exotel.com"));
  EXPECT_TRUE(exotel.IsReserved("x-exotel-callsid"));
  EXPECT_FALSE(exotel.IsReserved("X-Exotel-AccountSid"));
  EXPECT_FALSE(exotel.IsReserved("X-Mine"));
}

TEST(Profile, ABrokenOneIsRefusedWithItsLine) {
  std::vector<Diagnostic> diagnostics;
  EXPECT_FALSE(ParseProfile("name: a\ntitle: A\ndated: today\nconfirmed: true\n", "p", &diagnostics)
                   .has_value());
  EXPECT_EQ(FormatDiagnostic(diagnostics.at(0)),
            "p:3: error: 'today' is no date; write \"2026-11-21\"");
  for (const char* text : {"", "[", "- a", "name: x"}) {
    diagnostics.clear();
    EXPECT_FALSE(ParseProfile(text, "p", &diagnostics).has_value()) << text;
    EXPECT_TRUE(HasError(diagnostics)) << text;
  }
}

}  // namespace
}  // namespace sipctl::trunk
