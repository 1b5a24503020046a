// Digits in a call: from the relay into the record, from INFO to the other side.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Method;
using testing::ElementsAre;
using testing::HasSubstr;

class CallDigitsTest : public testing::Test {
 protected:
  void SetUp() override { world_.Establish(); }
  Cdr End() {
    world_.carrier.Bye();
    world_.Run(200);
    world_.ExpectNothingLeft();
    return world_.sipctl->notes.cdrs.empty() ? Cdr{} : world_.sipctl->notes.cdrs.back();
  }
  // The status of an INFO with this body from the carrier.
  int Info(const std::string& type, const std::string& body) {
    world_.carrier.Send(Method::kInfo, [&](sip::Message* info) {
      info->content_type = type;
      info->body = body;
    });
    world_.Run(100);
    return world_.carrier.status();
  }

  World world_;
};

TEST_F(CallDigitsTest, WhatTheRelayHeardIsInTheRecord) {
  const uint64_t session = world_.fake_relay.OnlyId();
  world_.fake_relay.ReportDigit(session, 0, 1, 120);
  world_.fake_relay.ReportDigit(session, 0, 11, 80);
  world_.fake_relay.ReportDigit(session, 1, 10, 100);
  world_.Run(50);
  std::string caller, callee;
  world_.table().ForEach([&](const Call::View& view) {
    caller = view.digits[0];
    callee = view.digits[1];
  });
  EXPECT_EQ(caller, "1#");
  EXPECT_EQ(callee, "*");
  const Cdr cdr = End();
  ASSERT_EQ(cdr.legs[0].digits.size(), 2u);
  EXPECT_EQ(cdr.legs[0].digits[1].duration_ms, 80u);
  EXPECT_THAT(ToJson(cdr),
              HasSubstr("\"digits\":[{\"digit\":\"1\",\"ms\":120},{\"digit\":\"#\",\"ms\":80}]"));
}

TEST_F(CallDigitsTest, ARecordHasAnEnd) {
  const uint64_t session = world_.fake_relay.OnlyId();
  for (int i = 0; i < 100; ++i) world_.fake_relay.ReportDigit(session, 1, 5, 40);
  world_.Run(50);
  EXPECT_EQ(End().legs[1].digits.size(), kCdrDigitsMax);
}

TEST_F(CallDigitsTest, InfoBecomesAnEventForTheOtherSide) {
  EXPECT_EQ(Info("application/dtmf-relay", "Signal=#\r\nDuration=200\r\n"), 200);
  EXPECT_EQ(Info("application/dtmf", "5"), 200);
  const auto& sent = world_.RelayLeg(1).digits;
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].event, 11);
  EXPECT_EQ(sent[0].duration_ms, 200);
  EXPECT_EQ(sent[1].event, 5);
  EXPECT_NE(sent[0].number, sent[1].number);
  EXPECT_TRUE(world_.RelayLeg(0).digits.empty());
  EXPECT_EQ(world_.pbx.Count(Method::kInfo), 0u) << "it ends here";
  const Cdr cdr = End();
  ASSERT_EQ(cdr.legs[0].digits.size(), 2u);
  EXPECT_EQ(cdr.legs[0].digits[0].name, '#');
}

TEST_F(CallDigitsTest, OtherInfoIsAnsweredByTheBook) {
  EXPECT_EQ(Info("", ""), 200);
  EXPECT_EQ(Info("text/plain", "hello"), 415);
  EXPECT_THAT(world_.carrier.last().accept,
              ElementsAre("application/dtmf-relay", "application/dtmf"));
  EXPECT_EQ(Info("application/dtmf-relay", "Signal=?"), 400);
  EXPECT_TRUE(world_.RelayLeg(1).digits.empty());
  End();
}

TEST_F(CallDigitsTest, ADigitThatTheRelayRefusesEndsNoCall) {
  world_.fake_relay.RefuseNext(relay::abi::CommandKind::kSendDigit,
                               relay::abi::Refusal::kUnknownLeg);
  EXPECT_EQ(Info("application/dtmf", "5"), 200);
  world_.Run(500);
  EXPECT_EQ(world_.table().size(), 1u);
  End();
}

TEST(CallDigits, APartyWithoutEventsCannotHearThem) {
  World world;
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(100);
  world.pbx.Respond(200,
                    support::SdpText{.host = "192.0.2.3", .port = 6000, .formats = "8"}.ToString());
  world.Run(100);
  ASSERT_EQ(world.carrier.status(), 200);
  world.carrier.Send(Method::kInfo, [](sip::Message* info) {
    info->content_type = "application/dtmf";
    info->body = "5";
  });
  world.Run(100);
  EXPECT_EQ(world.carrier.status(), 488);
  world.carrier.Bye();
  world.Run(200);
  world.ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
