#include "sipctl/call/status.h"

#include "gtest/gtest.h"
#include "sipctl/call/cdr.h"

namespace sipctl::call {
namespace {

TEST(StatusTest, EveryFinalAnswerBecomesAFinalAnswer) {
  for (int far = 300; far < 700; ++far) {
    const int near = NearStatus(far);
    EXPECT_GE(near, 400) << far;
    EXPECT_LT(near, 700) << far;
    EXPECT_EQ(near >= 600, far >= 600) << "the callee's word stays final: " << far;
  }
}

TEST(StatusTest, TheCalleesWordIsPassedOn) {
  for (int status : {403, 404, 408, 410, 480, 484, 485, 486, 488, 500, 503, 504, 600, 603, 606}) {
    EXPECT_EQ(NearStatus(status), status);
  }
}

TEST(StatusTest, FaultsOfOurRequestAreOurs) {
  EXPECT_EQ(NearStatus(302), 480);
  EXPECT_EQ(NearStatus(401), 502);
  EXPECT_EQ(NearStatus(407), 502);
  EXPECT_EQ(NearStatus(400), 500);
  EXPECT_EQ(NearStatus(415), 500);
  EXPECT_EQ(NearStatus(420), 500);
  EXPECT_EQ(NearStatus(481), 500);
  EXPECT_EQ(NearStatus(487), 480);
  EXPECT_EQ(NearStatus(505), 502);
  EXPECT_EQ(NearStatus(699), 600);
}

TEST(StatusTest, ReasonsAreQuoted) {
  EXPECT_EQ(SipReason(480, "a \"b\"\r\n"), "SIP;cause=480;text=\"a \\\"b\\\"\"");
  EXPECT_EQ(Q850Reason(16, "x"), "Q.850;cause=16;text=\"x\"");
}

TEST(CdrTest, JsonOfAStrangeCaller) {
  Cdr cdr;
  cdr.call = 5;
  cdr.caller = "a\"b\n";
  cdr.media_counted = false;
  const std::string json = ToJson(cdr);
  EXPECT_NE(json.find("\"from\":\"a\\\"b\\u000a\""), std::string::npos) << json;
  EXPECT_EQ(json.find("received_packets"), std::string::npos);
  EXPECT_EQ(json.find('\n'), std::string::npos) << "one line";
}

}  // namespace
}  // namespace sipctl::call
