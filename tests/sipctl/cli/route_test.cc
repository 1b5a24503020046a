#include "sipctl/cli/route.h"

#include <sstream>

#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

TEST(Route, SaysWhichIsTakenAndWhyTheOthersAreNot) {
  std::ostringstream out, err;
  EXPECT_EQ(RunRoute({"+918012345678", "pbx", CONFIG}, out, err), 0) << err.str();
  EXPECT_EQ(out.str(),
            "'+918012345678' from pbx goes to carrier as '+918012345678' (line 20, prefix +91)\n"
            "  line 19 to carrier: line 20 has a longer prefix\n"
            "  line 20 to carrier: taken\n"
            "  line 21 to carrier: line 20 has the same prefix and names the trunk\n"
            "  line 22 to carrier: the number does not begin with 0\n"
            "  line 23 to pbx: is for calls from carrier\n"
            "  line 24 to carrier: the number is none of its numbers\n"
            "  line 25 to carrier: the number is none of its numbers\n"
            "  line 26 to carrier: is for calls from 127.0.0.3/32; --source says from where\n");
}

TEST(Route, AWholeNumberBeatsEveryPrefixAndASourceBeatsNone) {
  std::ostringstream out, err;
  EXPECT_EQ(RunRoute({"+9122", "pbx", CONFIG, "127.0.0.3"}, out, err), 0) << err.str();
  EXPECT_EQ(out.str(),
            "'+9122' from pbx goes to carrier as '+9122' (line 25, by its whole number)\n"
            "  line 19 to carrier: line 25 names the whole number\n"
            "  line 20 to carrier: line 25 names the whole number\n"
            "  line 21 to carrier: line 25 names the whole number\n"
            "  line 22 to carrier: the number does not begin with 0\n"
            "  line 23 to pbx: is for calls from carrier\n"
            "  line 24 to carrier: line 25 names the source\n"
            "  line 25 to carrier: taken\n"
            "  line 26 to carrier: line 25 names the whole number\n");
  EXPECT_EQ(RunRoute({"+9122", "pbx", CONFIG, "nowhere"}, out, err), 1);
  EXPECT_EQ(err.str(), "'nowhere' is no IP address\n");
}

TEST(Route, ANumberWithoutOneIsAnErrorStatus) {
  std::ostringstream out, err;
  EXPECT_EQ(RunRoute({"100", "pbx", CONFIG}, out, err), 1);
  EXPECT_TRUE(out.str().starts_with("no route for '100' from pbx\n")) << out.str();
  EXPECT_NE(out.str().find("line 22 to carrier: the number does not begin with 0\n"),
            std::string::npos);
}

TEST(Route, TheTrunkMustExistAndTheFileBeRead) {
  std::ostringstream out, err;
  EXPECT_EQ(RunRoute({"100", "pbks", CONFIG}, out, err), 1);
  EXPECT_EQ(err.str(),
            std::string("there is no trunk 'pbks' in ") + CONFIG + "; there are carrier, pbx\n");
  EXPECT_EQ(RunRoute({"100", "pbx", "/nonexistent/x"}, out, err), 1);
  EXPECT_NE(err.str().find("/nonexistent/x: error: the file cannot be read"), std::string::npos);
}

}  // namespace
}  // namespace sipctl::cli
