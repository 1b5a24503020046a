#include "sipctl/trunk/profile_age.h"

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

constexpr int64_t kDayS = 86'400;

TEST(ProfileAge, AnOldProfileIsToldOfOnceATrunk) {
  Profile profile;
  profile.name = "acme";
  profile.title = "Acme";
  profile.dated = "2024-02-29";
  profile.transports = {{"udp", 5060}};
  Config config;
  config.file = "f";
  config.trunks.resize(2);
  config.trunks[0].carrier = &profile;
  config.trunks[0].line = 7;
  const int64_t dated_s = 1709164800;  // that day, 00:00 UTC
  EXPECT_TRUE(CheckProfileAge(config, dated_s + kProfileAgeMaxDays * kDayS).empty());
  const auto found = CheckProfileAge(config, dated_s + (kProfileAgeMaxDays + 1) * kDayS + 5);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(FormatDiagnostic(found[0]),
            "f:7: warning: CV-23: profile 'acme' was last compared with Acme on 2024-02-29, 181 "
            "days ago; write confirmed: [CV-23] after comparing it, or use a newer sipctl");
  config.trunks[0].confirmed = {"CV-23"};
  EXPECT_TRUE(CheckProfileAge(config, dated_s * 2).empty());
}

TEST(ProfileAge, EveryProfileOfTheProgramHasADateThatIsOne) {
  for (const Profile& profile : Profiles()) {
    Config config;
    config.trunks.resize(1);
    config.trunks[0].carrier = &profile;
    EXPECT_TRUE(CheckProfileAge(config, 1609459200).empty()) << "2021: before all of them";
    EXPECT_EQ(CheckProfileAge(config, 7258118400).size(), profile.transports.empty() ? 0u : 1u)
        << "2200";
  }
}

}  // namespace
}  // namespace sipctl::trunk
