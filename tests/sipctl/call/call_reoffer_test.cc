// Hold, resume, refresh, glare: a session that is offered again.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using relay::abi::kLegReceives;
using relay::abi::kLegSends;
using sip::Method;
using testing::HasSubstr;

class CallReofferTest : public testing::Test {
 protected:
  void SetUp() override {
    world_.Establish();
    world_.carrier.Clear();
    world_.pbx.Clear();
  }
  void TearDown() override {
    world_.carrier.Bye();
    world_.Run(200);
    world_.ExpectNothingLeft();
  }
  int Direction(uint8_t leg) { return world_.RelayLeg(leg).plan.direction; }

  World world_;
};

TEST_F(CallReofferTest, HoldAndResume) {
  const struct {
    const char* offered;
    const char* answered;
    int caller, callee;
  } kCases[] = {{"sendonly", "recvonly", kLegReceives, kLegSends},
                {"inactive", "inactive", 0, 0},
                {"sendrecv", "sendrecv", 3, 3}};
  int version = 1;
  for (const auto& row : kCases) {
    world_.pbx.reinvite_answer = World::PbxSdp(row.answered, ++version);
    world_.carrier.Reinvite(World::CarrierSdp(row.offered, version));
    world_.Run(200);
    EXPECT_EQ(world_.carrier.status(), 200);
    EXPECT_THAT(world_.carrier.last().body, HasSubstr(std::string("a=") + row.answered));
    ASSERT_NE(world_.pbx.Got(Method::kInvite), nullptr);
    EXPECT_THAT(world_.pbx.Got(Method::kInvite)->body, HasSubstr(std::string("a=") + row.offered));
    EXPECT_EQ(Direction(0), row.caller) << row.offered;
    EXPECT_EQ(Direction(1), row.callee) << row.offered;
    EXPECT_EQ(world_.RelayLeg(0).plan.media_timeout_ms, row.caller == 3 ? 30'000u : 0u);
  }
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 3u);
}

TEST_F(CallReofferTest, OldStyleHoldByZeroAddress) {
  world_.carrier.reinvite_answer = World::CarrierSdp("recvonly", 2);
  std::string hold = support::SdpText{.host = "0.0.0.0", .port = 6000, .version = 2}.ToString();
  world_.pbx.Reinvite(hold);
  world_.Run(200);
  EXPECT_EQ(world_.pbx.status(), 200);
  ASSERT_NE(world_.carrier.Got(Method::kInvite), nullptr);
  EXPECT_THAT(world_.carrier.Got(Method::kInvite)->body, testing::Not(HasSubstr("sendrecv")));
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 0) << "nothing is sent to 0.0.0.0";
}

TEST_F(CallReofferTest, RefreshIsAnsweredHere) {
  const std::string before = world_.RelayLeg(0).plan.label;
  world_.carrier.Reinvite(World::CarrierSdp());
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  EXPECT_EQ(world_.fake_relay.CountLogged(relay::abi::CommandKind::kLegUpdate), 2u)
      << "those of the answer";
}

TEST_F(CallReofferTest, AnotherAddressIsTheRelaysBusinessAlone) {
  world_.carrier.Reinvite(
      support::SdpText{.host = "192.0.2.22", .port = 4444, .version = 2}.ToString());
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  EXPECT_EQ(world_.RelayLeg(0).plan.remote_rtp.port, 4444);
  EXPECT_EQ(world_.RelayLeg(0).plan.relearn, relay::abi::Relearn::kAnew);
}

TEST_F(CallReofferTest, RefusalByTheFarSideKeepsTheSession) {
  world_.pbx.reinvite_status = 488;
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 488);
  EXPECT_EQ(Direction(0), 3);
  EXPECT_EQ(world_.table().size(), 1u);
}

TEST_F(CallReofferTest, GlareIsTriedAgain) {
  world_.pbx.reinvite_status = 491;
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 100) << "it waits";
  world_.pbx.reinvite_status = 0;
  world_.pbx.reinvite_answer = World::PbxSdp("recvonly", 2);
  world_.Run(5000);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 2u);
  EXPECT_EQ(Direction(1), kLegSends);
}

TEST_F(CallReofferTest, BothSidesOfferAtOnce) {
  world_.pbx.busy_with_reinvites = true;
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(12);  // our offer is on its way to the PBX
  world_.pbx.Reinvite(World::PbxSdp("inactive", 2));
  world_.Run(100);
  EXPECT_NE(world_.pbx.WithStatus(491), nullptr);
  world_.pbx.Respond(200, World::PbxSdp("recvonly", 2));
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
}

TEST_F(CallReofferTest, ASecondOfferBeforeTheAnswer) {
  world_.pbx.busy_with_reinvites = true;
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(50);
  world_.carrier.Reinvite(World::CarrierSdp("inactive", 3));
  world_.Run(50);
  ASSERT_NE(world_.carrier.WithStatus(500), nullptr);
  EXPECT_TRUE(world_.carrier.WithStatus(500)->retry_after.has_value());
  world_.pbx.Respond(200, World::PbxSdp("recvonly", 2));
  world_.Run(100);
}

TEST_F(CallReofferTest, ReinviteWithoutOffer) {
  world_.carrier.ack_body = World::CarrierSdp("sendonly", 2);
  world_.pbx.reinvite_answer = World::PbxSdp("recvonly", 2);
  world_.carrier.Reinvite("");
  world_.Run(300);
  EXPECT_THAT(world_.carrier.WithStatus(200)->body, HasSubstr("a=sendrecv"));
  ASSERT_NE(world_.pbx.Got(Method::kInvite), nullptr) << "the other side is brought in line";
  EXPECT_THAT(world_.pbx.Got(Method::kInvite)->body, HasSubstr("a=sendonly"));
  EXPECT_EQ(Direction(0), kLegReceives);
  EXPECT_EQ(Direction(1), kLegSends);
}

TEST_F(CallReofferTest, TheFarSideForgotTheCall) {
  world_.pbx.reinvite_status = 481;
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(200);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.table().size(), 0u);
  world_.carrier.dialog->remote_cseq = 0;
}

TEST_F(CallReofferTest, ByeWhileAnOfferIsOpen) {
  world_.pbx.busy_with_reinvites = true;
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(50);
  world_.pbx.Bye();
  world_.Run(200);
  EXPECT_NE(world_.carrier.WithStatus(487), nullptr);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.table().size(), 0u);
  world_.pbx.Respond(487);
}

// The simulation found it: the BYE got 481, and ours was sent behind it 32 s later.
TEST(ByeTest, OneThatComesWhileOursWaitsForTheAckIsServed) {
  World world;
  world.Establish();
  world.carrier.acknowledge = false;
  world.pbx.reinvite_answer = World::PbxSdp("recvonly", 2);
  world.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world.Run(200);
  ASSERT_EQ(world.carrier.status(), 200);
  world.pbx.Bye();
  world.Run(100);
  EXPECT_EQ(world.carrier.Count(sip::Method::kBye), 0u);
  world.carrier.Bye();
  world.Run(100);
  EXPECT_EQ(world.carrier.status(), 200);
  EXPECT_EQ(world.carrier.last().method, sip::Method::kBye);
  EXPECT_EQ(world.table().size(), 0u);
  world.Run(40'000);
  EXPECT_EQ(world.carrier.Count(sip::Method::kBye), 0u);
  world.ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
