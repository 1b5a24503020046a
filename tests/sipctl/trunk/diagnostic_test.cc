#include "sipctl/trunk/diagnostic.h"

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

TEST(Diagnostic, IsOneLineACompilerCouldHaveWritten) {
  EXPECT_EQ(FormatDiagnostic({Severity::kError, "a.yaml", 7, "this is wrong", "that"}),
            "a.yaml:7: error: this is wrong; write that");
  EXPECT_EQ(FormatDiagnostic({Severity::kWarning, "a.yaml", 0, "odd", ""}), "a.yaml: warning: odd");
}

TEST(NearestName, FindsSlipsAndNothingElse) {
  const std::vector<std::string> known = {"listener", "learning", "sources", "dscp"};
  EXPECT_EQ(NearestName("listner", known), "listener");
  EXPECT_EQ(NearestName("source", known), "sources");
  EXPECT_EQ(NearestName("dcsp", known), "dscp");
  EXPECT_EQ(NearestName("codec", known), "");
  EXPECT_EQ(NearestName("", known), "");
  EXPECT_EQ(NearestName(std::string(100'000, 'a'), known), "");
}

}  // namespace
}  // namespace sipctl::trunk
