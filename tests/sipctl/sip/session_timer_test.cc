#include "sipctl/sip/session_timer.h"

#include "gtest/gtest.h"

namespace sipctl::sip {
namespace {

Message Asking(const std::string& expires, bool supported = true, const std::string& min_se = "") {
  Message message;
  if (supported) message.supported.emplace_back("timer");
  if (!expires.empty()) message.others.push_back({"Session-Expires", expires});
  if (!min_se.empty()) message.others.push_back({"Min-SE", min_se});
  return message;
}

TEST(SessionTermsTest, AreReadAsPeersWriteThem) {
  const struct {
    const char* value;
    uint32_t interval_s;
    std::optional<Refresher> refresher;
  } kRows[] = {{"1800", 1800, {}},
               {"1800;refresher=uac", 1800, Refresher::kUac},
               {" 300 ; Refresher = UAS ; x=y", 300, Refresher::kUas},
               {"300;refresher=nobody", 300, {}},
               {"soon", 0, {}},
               {"-5", 0, {}},
               {"99999999999999", 0, {}}};
  for (const auto& row : kRows) {
    const SessionTerms terms = SessionTermsOf(Asking(row.value));
    EXPECT_EQ(terms.interval_s, row.interval_s) << row.value;
    EXPECT_EQ(terms.refresher, row.refresher) << row.value;
    EXPECT_TRUE(terms.supported);
  }
  EXPECT_EQ(SessionTermsOf(Asking("", true, "120;x=1")).min_s, 120u);
  EXPECT_EQ(SessionTermsOf(Asking("", true, "5")).min_s, 90u) << "nobody may ask for less";
  Message required;
  required.require.emplace_back("TIMER");
  EXPECT_TRUE(SessionTermsOf(required).supported);
}

// RFC 4028 section 9, table 2, and what a proxy may have put in.
TEST(SessionTimerTest, AgreementAsServer) {
  const struct {
    const char* sentence;
    uint32_t policy_s;
    Message asked;
    std::optional<SessionTimer> agreed;
  } kRows[] = {
      {"a peer that knows no timer gets none", 1800, Asking("", false), {}},
      {"a proxy asks for one: we refresh", 1800, Asking("600", false), SessionTimer{600, true}},
      {"we are asked for nothing: our interval, and we refresh", 1800, Asking(""),
       SessionTimer{1800, true}},
      {"the peer leaves it to us", 1800, Asking("600"), SessionTimer{600, true}},
      {"the peer wants to refresh", 1800, Asking("600;refresher=uac"), SessionTimer{600, false}},
      {"the peer wants us to", 1800, Asking("600;refresher=uas"), SessionTimer{600, true}},
      {"ours is shorter", 300, Asking("1800;refresher=uac"), SessionTimer{300, false}},
      {"but not below its Min-SE", 300, Asking("1800", true, "900"), SessionTimer{900, true}},
      {"no timers on this trunk", 0, Asking("600;refresher=uac"), {}},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(AgreeAsServer({.interval_s = row.policy_s}, SessionTermsOf(row.asked)), row.agreed)
        << row.sentence;
  }
}

TEST(SessionTimerTest, TooShortIsRefusedWhereThePeerUnderstandsIt) {
  const SessionPolicy policy;
  EXPECT_TRUE(IsTooShort(policy, SessionTermsOf(Asking("89"))));
  EXPECT_FALSE(IsTooShort(policy, SessionTermsOf(Asking("90"))));
  EXPECT_FALSE(IsTooShort(policy, SessionTermsOf(Asking("89", false))));
  EXPECT_FALSE(IsTooShort(policy, SessionTermsOf(Asking(""))));
  EXPECT_FALSE(IsTooShort({.interval_s = 0}, SessionTermsOf(Asking("10"))));
}

TEST(SessionTimerTest, WhoeverRefreshesIsTold) {
  Message response;
  AddTerms({.interval_s = 600, .ours = false}, {.supported = true}, &response);
  EXPECT_EQ(*response.Other("Session-Expires"), "600;refresher=uac");
  EXPECT_EQ(response.require, std::vector<std::string>{"timer"});
  response = {};
  AddTerms({.interval_s = 600, .ours = true}, {.supported = true}, &response);
  EXPECT_EQ(*response.Other("Session-Expires"), "600;refresher=uas");
  EXPECT_TRUE(response.require.empty());
}

TEST(SessionTimerTest, RequestsKeepTheRoles) {
  Message first;
  AskFor({}, {}, &first);
  EXPECT_EQ(*first.Other("Session-Expires"), "1800");
  EXPECT_EQ(first.supported, std::vector<std::string>{"timer"});
  EXPECT_EQ(first.Other("Min-SE"), nullptr);
  Message refresh;
  AskFor({.min_s = 2000}, SessionTimer{.interval_s = 600, .ours = true}, &refresh);
  EXPECT_EQ(*refresh.Other("Session-Expires"), "2000;refresher=uac") << "after a 422";
  EXPECT_EQ(*refresh.Other("Min-SE"), "2000");
  Message hold;
  AskFor({}, SessionTimer{.interval_s = 600, .ours = false}, &hold);
  EXPECT_EQ(*hold.Other("Session-Expires"), "600;refresher=uas");
  Message none;
  AskFor({.interval_s = 0}, {}, &none);
  EXPECT_TRUE(none.others.empty() && none.supported.empty());
}

TEST(SessionTimerTest, AgreementAsClient) {
  EXPECT_EQ(AgreeAsClient(SessionTermsOf(Asking(""))), std::nullopt);
  EXPECT_EQ(AgreeAsClient(SessionTermsOf(Asking("600;refresher=uas"))), (SessionTimer{600, false}));
  EXPECT_EQ(AgreeAsClient(SessionTermsOf(Asking("600;refresher=uac"))), (SessionTimer{600, true}));
  EXPECT_EQ(AgreeAsClient(SessionTermsOf(Asking("600"))), (SessionTimer{600, true}));
  EXPECT_EQ(AgreeAsClient(SessionTermsOf(Asking("1")))->interval_s, 30u);
}

TEST(SessionTimerTest, RefreshAtHalfAndByeBeforeTheEnd) {
  const SessionTimer timer{.interval_s = 1800};
  EXPECT_EQ(timer.RefreshAfter(), 900'000);
  EXPECT_EQ(timer.ExpiresAfter(), 1'768'000);
  EXPECT_EQ((SessionTimer{.interval_s = 90}.ExpiresAfter()), 60'000);
}

}  // namespace
}  // namespace sipctl::sip
