#include "sipctl/trunk/rules.h"

#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

TEST(Rules, EachIsWholeAndStandsOnceInOrder) {
  std::string_view last;
  for (const Rule& rule : Rules()) {
    EXPECT_LT(last, rule.id);
    last = rule.id;
    EXPECT_FALSE(rule.mistake.empty() || rule.why.empty() || rule.instead.empty()) << rule.id;
    EXPECT_EQ(FindRule(rule.id), &rule);
  }
  EXPECT_EQ(FindRule("CV-99"), nullptr);
  EXPECT_EQ(FindRule("cv-01"), &Rules()[0]);
}

TEST(Rules, AreExplained) {
  const std::string text = ExplainRule(*FindRule("CV-03"));
  EXPECT_TRUE(text.starts_with("CV-03 (warning): only port and protocol")) << text;
  EXPECT_NE(text.find("\nWhy: The address is still a media server."), std::string::npos);
  EXPECT_NE(text.find("confirmed: [CV-03] is not asked again"), std::string::npos);
  EXPECT_EQ(ExplainRule(*FindRule("CV-01")).find("asked again"), std::string::npos);
}

TEST(Rules, StandInTheManualAsPrinted) {
  std::ifstream file(MANUAL);
  std::ostringstream manual;
  manual << file.rdbuf();
  EXPECT_NE(manual.str().find("\n" + RulesMarkdown()), std::string::npos)
      << "put this into docs/configuration.md (sipctl check --print-rules-markdown):\n"
      << RulesMarkdown();
}

}  // namespace
}  // namespace sipctl::trunk
