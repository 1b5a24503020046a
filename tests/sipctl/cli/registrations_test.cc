#include "sipctl/cli/registrations.h"

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<call::Registrar::View> One() {
  return {{.user = "pbx1",
           .trunk = "pbx",
           .contact = "sip:pbx1@10.0.0.3",
           .from = "192.0.2.7:40000 over UDP",
           .left_ms = 59'999}};
}

TEST(Registrations, AsText) {
  const std::string text = RegistrationsText(One(), {.challenged = 3});
  EXPECT_THAT(text, StartsWith("USER                 TRUNK            FROM"));
  EXPECT_THAT(text, HasSubstr("\npbx1                 pbx              192.0.2.7:40000 over UDP"));
  EXPECT_THAT(text, HasSubstr("    59s sip:pbx1@10.0.0.3\n1 registration\n"));
  EXPECT_THAT(text, HasSubstr("\nchallenged          3  requests answered with a challenge\n"));
  EXPECT_THAT(RegistrationsText({}, {}), HasSubstr("\n0 registrations\n"));
}

TEST(Registrations, AsJson) {
  const auto json = nlohmann::json::parse(RegistrationsJson(One(), {.silenced = 7}));
  EXPECT_EQ(json["registrations"][0]["user"], "pbx1");
  EXPECT_EQ(json["registrations"][0]["from"], "192.0.2.7:40000 over UDP");
  EXPECT_EQ(json["registrations"][0]["left_ms"], 59'999);
  EXPECT_EQ(json["counters"]["silenced"], 7);
  EXPECT_EQ(json["counters"]["challenged"], 0);
  EXPECT_TRUE(nlohmann::json::parse(RegistrationsJson({}, {}))["registrations"].empty());
}

}  // namespace
}  // namespace sipctl::cli
