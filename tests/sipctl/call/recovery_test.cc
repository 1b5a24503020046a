#include "sipctl/call/recovery.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Method;
using testing::HasSubstr;

TEST(RecoveryTest, AKilledProcessIsHungUpForByTheNext) {
  World world;
  world.Establish();
  const uint32_t cseq_to_pbx = world.pbx.Got(Method::kInvite)->cseq.number;
  world.RestartSipctl();
  world.Run(500);
  for (const support::SipPeer* peer : {&world.carrier, &world.pbx}) {
    ASSERT_EQ(peer->Count(Method::kBye), 1u);
    const sip::Message& bye = *peer->Got(Method::kBye);
    EXPECT_TRUE(peer->dialog->Matches(bye)) << "Call-ID and both tags";
    EXPECT_THAT(*bye.Other("Reason"), HasSubstr("Q.850;cause=41"));
  }
  EXPECT_EQ(world.pbx.Got(Method::kBye)->cseq.number, cseq_to_pbx + 1);
  EXPECT_TRUE(world.fake_relay.sessions().empty());
  world.ExpectNothingLeft();
}

TEST(RecoveryTest, RoutesAreFollowed) {
  World world;
  const auto route = [](sip::Message* response) {
    response->record_route.push_back({.display_name = {},
                                      .uri = *sip::Uri::Parse("sip:10.0.0.3;lr;here=yes"),
                                      .parameters = {}});
  };
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(100);
  world.pbx.Respond(200, World::PbxSdp(), {}, route);
  world.Run(100);
  world.RestartSipctl();
  world.Run(500);
  ASSERT_EQ(world.pbx.Count(Method::kBye), 1u);
  ASSERT_EQ(world.pbx.Got(Method::kBye)->route.size(), 1u);
  EXPECT_THAT(world.pbx.Got(Method::kBye)->route[0].ToString(), HasSubstr("here=yes"));
}

TEST(RecoveryTest, SessionsWithoutARecordAreClosed) {
  World world;
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(100);
  ASSERT_EQ(world.fake_relay.sessions().size(), 1u);
  world.RestartSipctl();
  world.Run(500);
  EXPECT_TRUE(world.fake_relay.sessions().empty());
}

// The caller hears an answer to the transaction it began, the callee a CANCEL of the one it has.
TEST(RecoveryTest, ACallThatRingsIsEndedOnBothSides) {
  for (const sip::Protocol protocol : {sip::Protocol::kUdp, sip::Protocol::kTcp}) {
    World world({.carrier = protocol, .pbx = protocol});
    world.carrier.Invite(1, "+911234", World::CarrierSdp());
    world.Run(100);
    world.pbx.Respond(183, World::PbxSdp());
    world.Run(100);
    const std::string tag(world.carrier.WithStatus(183)->to.tag());
    world.RestartSipctl();
    world.network.BreakAllConnections();
    world.Run(1000);
    ASSERT_NE(world.carrier.WithStatus(503), nullptr);
    EXPECT_EQ(world.carrier.WithStatus(503)->to.tag(), tag) << "one dialog, one tag";
    EXPECT_THAT(*world.carrier.last().Other("Reason"), HasSubstr("Q.850;cause=41"));
    ASSERT_EQ(world.pbx.cancels.size(), 1u);
    EXPECT_THAT(*world.pbx.cancels[0].Other("Reason"), HasSubstr("Q.850;cause=41"));
    EXPECT_TRUE(world.fake_relay.sessions().empty());
    world.Run(5000);
    world.ExpectNothingLeft();
    EXPECT_EQ(world.sipctl->layer->counters().stray_responses, 0u);
    EXPECT_EQ(world.carrier.layer().size() + world.pbx.layer().size(), 0u) << "the 487 has its ACK";
    EXPECT_TRUE(world.sipctl->notes.notices.size() >= 1);
  }
}

TEST(RecoveryTest, ACalleeThatAnswersTheLastMomentIsAcknowledgedAndHungUp) {
  World world;
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(100);
  world.pbx.Respond(180);
  world.Run(100);
  world.network.host(1)->set_up(false);
  world.pbx.Respond(200, World::PbxSdp());
  world.Run(100);
  world.network.host(1)->set_up(true);
  world.RestartSipctl();
  world.Run(5000);
  EXPECT_GE(world.pbx.acks.size(), 1u);
  EXPECT_EQ(world.pbx.Count(Method::kBye), 1u);
  EXPECT_NE(world.carrier.WithStatus(503), nullptr);
  world.ExpectNothingLeft();
}

// What a refresh has changed is in the journal: the number of an UPDATE that was challenged and
// sent again, and where the peer has moved to.
TEST(RecoveryTest, AfterARefreshTheByeHasANumberOfItsOwnAndFindsThePeer) {
  World world({.logs_in_at_carrier = true});
  world.pbx.Invite(1, "0991234", World::PbxSdp());
  world.Run(100);
  world.carrier.Respond(200, World::CarrierSdp(), {}, [](sip::Message* response) {
    response->allow = {"INVITE", "ACK", "BYE", "UPDATE"};
    response->require.emplace_back("timer");
    response->others.push_back({"Session-Expires", "300;refresher=uac"});
  });
  world.Run(100);
  world.carrier.dress = [&](sip::Message* response) {
    if (world.carrier.requests.back().message.Other("Authorization") == nullptr) {
      response->status = 401;
      response->others.push_back(
          {"WWW-Authenticate", "Digest realm=\"phone\", nonce=\"n\", qop=\"auth\""});
    } else {
      response->contact.at(0).uri.user = "moved";
    }
  };
  world.Run(151'000);
  ASSERT_EQ(world.carrier.Count(Method::kUpdate), 2u);
  const uint32_t cseq = world.carrier.Got(Method::kUpdate)->cseq.number;
  world.RestartSipctl();
  world.Run(500);
  ASSERT_EQ(world.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world.carrier.Got(Method::kBye)->cseq.number, cseq + 1);
  EXPECT_EQ(world.carrier.Got(Method::kBye)->request_uri.user, "moved");
  world.ExpectNothingLeft();
}

// The callee has answered, and the caller does not know it yet: its 200 waits for a PRACK.
class HeldAnswerTest : public testing::Test {
 protected:
  HeldAnswerTest() {
    world_.carrier.early_dialogs = true;
    world_.carrier.Invite(1, "+911234", World::CarrierSdp(),
                          [](sip::Message* invite) { invite->require.emplace_back("100rel"); });
    world_.Run(100);
    world_.pbx.Respond(183, World::PbxSdp());
    world_.Run(50);
    world_.pbx.Respond(200, World::PbxSdp());
    world_.Run(50);
    EXPECT_EQ(world_.carrier.WithStatus(200), nullptr);
    EXPECT_EQ(world_.pbx.acks.size(), 1u);
  }

  World world_;
};

TEST_F(HeldAnswerTest, BeforeThePrackTheCallerGetsAFinalAnswer) {
  const std::string tag(world_.carrier.WithStatus(183)->to.tag());
  world_.RestartSipctl();
  world_.Run(500);
  ASSERT_NE(world_.carrier.WithStatus(503), nullptr);
  EXPECT_EQ(world_.carrier.WithStatus(503)->to.tag(), tag);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 0u);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  world_.ExpectNothingLeft();
}

TEST_F(HeldAnswerTest, AfterItTheCallerGetsBye) {
  const sip::Message progress = *world_.carrier.WithStatus(183);
  world_.carrier.Send(Method::kPrack, [&](sip::Message* prack) {
    prack->rack = sip::RAck{.rseq = *progress.rseq, .cseq = progress.cseq};
  });
  world_.Run(100);
  ASSERT_EQ(world_.carrier.last().method, Method::kInvite);
  ASSERT_EQ(world_.carrier.status(), 200);
  world_.RestartSipctl();
  world_.Run(500);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.carrier.WithStatus(503), nullptr);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  world_.ExpectNothingLeft();
}

TEST(RecoveryTest, NewCallsAfterARestart) {
  World world;
  world.Establish();
  world.RestartSipctl();
  world.Run(500);
  world.carrier.Clear();
  world.pbx.Clear();
  world.Establish();
  world.carrier.Bye();
  world.Run(200);
  world.ExpectNothingLeft();
}

// Records that somebody else wrote, or half of one: refused, never a crash.
TEST(CallRecordTest, AnyBytesAreSafe) {
  World world;
  world.Establish();
  const sip::Dialog dialog = *world.pbx.dialog;
  bool whole = false;
  const std::string bytes = Serialize(
      {.call = 7, .trunks = {0, 1}, .dialogs = {dialog, dialog}, .invites = {"one", "two"}},
      &whole);
  EXPECT_TRUE(whole);
  const auto back = ParseRecord(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->call, 7u);
  EXPECT_EQ(*back->dialogs[1], dialog);
  EXPECT_EQ(back->invites[1], "two");
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(ParseRecord(bytes.substr(0, length)).ok());
  }
  sip::Dice dice(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = bytes;
    for (int i = 0; i < 3; ++i) {
      damaged[dice.Below(damaged.size())] = static_cast<char>(dice.Next());
    }
    const auto parsed = ParseRecord(damaged);
    if (parsed.ok() && parsed->dialogs[0]) {
      EXPECT_LE(parsed->dialogs[0]->call_id.size(), sip::kDialogBytesMax);
    }
  }
}

TEST(CallRecordTest, ADialogThatIsTooLongIsLeftOut) {
  World world;
  world.Establish();
  sip::Dialog dialog = *world.pbx.dialog;
  dialog.call_id.assign(5000, 'x');
  bool whole = true;
  const auto back = ParseRecord(Serialize(
      {.call = 7, .trunks = {0, 1}, .dialogs = {dialog, world.pbx.dialog}, .invites = {}}, &whole));
  EXPECT_FALSE(whole);
  ASSERT_TRUE(back.ok());
  EXPECT_FALSE(back->dialogs[0]);
  EXPECT_TRUE(back->dialogs[1]);
}

}  // namespace
}  // namespace sipctl::call
