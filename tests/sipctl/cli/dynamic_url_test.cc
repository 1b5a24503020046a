#include "sipctl/cli/dynamic_url.h"

#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

std::string LintUrl(std::string_view text) {
  std::string found;
  for (const trunk::Diagnostic& each : LintDynamicUrl(text, "a", *trunk::FindProfile("exotel"))) {
    found += (found.empty() ? "" : "\n") + trunk::FormatDiagnostic(each);
  }
  return found;
}

std::string WithParameters(const std::string& parameters) {
  return R"({"destination": {"trunk": "t"}, "custom_params": ")" + parameters + "\"}";
}

TEST(DynamicUrl, TheGuidesExampleIsFine) {
  EXPECT_EQ(LintUrl(R"({"fetch_after_attempt": false, "destination": {"trunk": "trunk_2134"},
                     "custom_params": "param1=value1&param2=value2", "record": true,
                     "recording_channels": "dual"})"),
            "");
}

TEST(DynamicUrl, CustomHeadersHaveTheCarriersLimits) {
  EXPECT_EQ(LintUrl(WithParameters("a=1&b=2&c=3")), "");
  EXPECT_EQ(LintUrl(WithParameters("a=1&b=2&c=3&d=4")),
            "a: error: CV-15: 4 custom headers; the carrier passes 3; write the three that matter");
  EXPECT_EQ(LintUrl(WithParameters("a=" + std::string(198, 'x'))), "");
  EXPECT_EQ(
      LintUrl(WithParameters("a=" + std::string(199, 'x'))),
      "a: error: CV-15: custom_params has 201 bytes; the carrier passes 200; write a key that "
      "the PBX looks the rest up with");
  EXPECT_NE(LintUrl(WithParameters("a=1\\r\\nX: y")).find("CV-15: custom_params has a byte"),
            std::string::npos);
  EXPECT_NE(LintUrl(WithParameters("a")).find("'a' has no name=value"), std::string::npos);
  EXPECT_EQ(LintUrl(WithParameters("Veeno-x=1")),
            "a: error: CV-13: names like Veeno-x belong to Exotel; write another name");
}

TEST(DynamicUrl, MembersHaveTheirTypes) {
  EXPECT_NE(LintUrl("{}").find("there is no destination"), std::string::npos);
  EXPECT_NE(LintUrl("[").find("no JSON object"), std::string::npos);
  for (const char* member :
       {R"("record": "yes")", R"("fetch_after_attempt": 1)", R"("recording_channels": "mono")",
        R"("custom_params": 3)", R"("destinaton": {})"}) {
    EXPECT_NE(LintUrl(std::string(R"({"destination": {}, )") + member + "}").find("error"),
              std::string::npos)
        << member;
  }
}

}  // namespace
}  // namespace sipctl::cli
