// Where a call's requests go, and what its INVITEs meet on the way: route sets, tags that change,
// CANCELs that cross, silence of 64*T1.
#include "sipctl/call/leg.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Message;
using sip::Method;
using sip::Protocol;
using testing::HasSubstr;

constexpr TimeMs kTimeoutMs = 64 * 500;

sip::NameAddr Address(const std::string& uri) {
  return {.display_name = {}, .uri = *sip::Uri::Parse(uri), .parameters = {}};
}

// ---- route sets ---------------------------------------------------------------------------------

// Exotel: the call and its Record-Route are TCP, the Contact says TLS, at a port where nobody is.
TEST(CallRouteTest, TheRouteIsFollowedAndNotTheContact) {
  World world({.carrier = Protocol::kTcp});
  world.pbx.Invite(1, "0914455", World::PbxSdp());
  world.Run(100);
  world.carrier.Respond(200, World::CarrierSdp(), {}, [](Message* response) {
    response->record_route = {Address("sip:10.0.0.2;transport=tcp;lr")};
    response->contact = {Address("sip:gw@172.16.0.9:5071;transport=tls")};
  });
  world.Run(100);
  ASSERT_EQ(world.pbx.status(), 200);
  EXPECT_EQ(world.carrier.acks.size(), 1u) << "the ACK arrives";
  EXPECT_EQ(world.carrier.acks[0].request_uri.ToString(), "sip:gw@172.16.0.9:5071;transport=tls");
  world.Run(600'000);
  world.network.BreakAllConnections();  // as a proxy does after 120 idle seconds
  world.pbx.Bye();
  world.Run(200);
  ASSERT_EQ(world.carrier.Count(Method::kBye), 1u);
  const support::SipPeer::Request& bye = world.carrier.requests.back();
  EXPECT_EQ(bye.flow.protocol, Protocol::kTcp);
  EXPECT_EQ(bye.message.route.at(0).ToString(), "<sip:10.0.0.2;transport=tcp;lr>");
  EXPECT_EQ(bye.message.request_uri.host, "172.16.0.9");
  world.ExpectNothingLeft();
}

// The call is over before its re-INVITE has an answer: the 2xx gets its ACK, by the route, and the
// dialog, which has had its BYE, nothing else. Least of all an answer to who we are: they called
// us.
TEST(CallRouteTest, AnAnswerToAReinviteAfterTheEndIsAcknowledgedByTheRoute) {
  World world({.logs_in_at_carrier = true});
  world.carrier.Invite(1, "+911234", World::CarrierSdp(), [](Message* invite) {
    invite->record_route = {Address("sip:10.0.0.2;lr")};
    invite->contact = {Address("sip:gw@172.16.0.9:5071")};
  });
  world.Run(100);
  world.pbx.Respond(200, World::PbxSdp());
  world.Run(100);
  ASSERT_EQ(world.carrier.status(), 200);
  world.carrier.busy_with_reinvites = true;
  world.carrier.Clear();
  world.pbx.Reinvite(World::PbxSdp("sendonly", 2));
  world.Run(100);
  ASSERT_EQ(world.carrier.Count(Method::kInvite), 1u);
  world.pbx.Bye();
  world.Run(100);
  ASSERT_EQ(world.carrier.Count(Method::kBye), 1u);
  world.carrier.Respond(200, World::CarrierSdp("recvonly", 2));
  world.Run(100);
  ASSERT_EQ(world.carrier.acks.size(), 1u);
  const Message& ack = world.carrier.acks[0];
  EXPECT_EQ(ack.request_uri.host, "172.16.0.9");
  ASSERT_EQ(ack.route.size(), 1u);
  EXPECT_EQ(ack.route[0].uri.host, "10.0.0.2");
  EXPECT_EQ(ack.cseq.number, world.carrier.Got(Method::kInvite)->cseq.number);
  EXPECT_EQ(world.carrier.Count(Method::kBye), 1u);
  EXPECT_TRUE(world.sipctl->context.farewells.empty());
  world.ExpectNothingLeft();
}

// RFC 6141 section 5: the Contact of a re-INVITE counts from our 2xx on.
TEST(CallRouteTest, ARefusedReinviteMovesNothing) {
  World world;
  world.Establish();
  int version = 1;
  const auto reinvite = [&](const std::string& contact, const std::string& direction) {
    world.carrier.Send(Method::kInvite, [&](Message* invite) {
      invite->contact = {Address(contact)};
      invite->content_type = "application/sdp";
      invite->body = World::CarrierSdp(direction, ++version);
    });
    world.Run(200);
  };
  reinvite("sip:moved@10.0.0.2", "sendonly");  // which the PBX does not want
  ASSERT_EQ(world.carrier.status(), 488);
  world.pbx.reinvite_answer = World::PbxSdp();
  reinvite("sip:again@10.0.0.2", "inactive");
  ASSERT_EQ(world.carrier.status(), 200);
  world.pbx.reinvite_answer.clear();
  reinvite("sip:refused@10.0.0.2", "sendrecv");
  ASSERT_EQ(world.carrier.status(), 488);
  world.pbx.Bye();
  world.Run(200);
  ASSERT_EQ(world.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world.carrier.Got(Method::kBye)->request_uri.user, "again");
}

// A proxy between two transports puts itself in twice (r2=on): each side sees its own half first.
TEST(CallRouteTest, ADoubleRecordRouteIsUsedInTheRightOrder) {
  World world;
  const std::vector<sip::NameAddr> routes = {Address("sip:10.0.0.2;transport=udp;r2=on;lr"),
                                             Address("sip:10.9.9.9;transport=tcp;r2=on;lr")};
  world.carrier.Invite(1, "+911234", World::CarrierSdp(),
                       [&](Message* invite) { invite->record_route = routes; });
  world.Run(100);
  world.pbx.Respond(200, World::PbxSdp(), {}, [&](Message* response) {
    response->record_route = {Address("sip:10.9.9.8;transport=tcp;r2=on;lr"),
                              Address("sip:10.0.0.3;transport=udp;r2=on;lr")};
  });
  world.Run(100);
  ASSERT_EQ(world.carrier.status(), 200);
  EXPECT_EQ(world.carrier.last().record_route.size(), 2u) << "mirrored";
  world.pbx.Clear();
  world.carrier.reinvite_answer = World::CarrierSdp();
  world.pbx.Reinvite(World::PbxSdp("sendonly", 2));
  world.Run(100);
  ASSERT_NE(world.carrier.Got(Method::kInvite), nullptr);
  EXPECT_EQ(world.carrier.Got(Method::kInvite)->route, routes) << "as server: as they came";
  world.carrier.Bye();
  world.Run(100);
  ASSERT_NE(world.pbx.Got(Method::kBye), nullptr);
  const auto& route = world.pbx.Got(Method::kBye)->route;
  ASSERT_EQ(route.size(), 2u);
  EXPECT_EQ(route[0].uri.host, "10.0.0.3") << "as client: reversed";
  EXPECT_EQ(route[1].uri.host, "10.9.9.8");
  world.ExpectNothingLeft();
}

TEST(CallRouteTest, LaterRecordRoutesChangeNothing) {
  World world;
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(100);
  world.pbx.Respond(200, World::PbxSdp(), {}, [](Message* response) {
    response->record_route = {Address("sip:10.0.0.3;one;lr")};
  });
  world.Run(100);
  world.pbx.busy_with_reinvites = true;
  world.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world.Run(50);
  world.pbx.Respond(200, World::PbxSdp("recvonly", 2), {}, [](Message* response) {
    response->record_route = {Address("sip:10.0.0.99;two;lr")};
  });
  world.Run(100);
  EXPECT_EQ(world.carrier.status(), 200);
  world.carrier.Bye();
  world.Run(100);
  ASSERT_EQ(world.pbx.Count(Method::kBye), 1u);
  EXPECT_THAT(world.pbx.Got(Method::kBye)->route.at(0).ToString(), HasSubstr(";one"));
  world.ExpectNothingLeft();
}

// Oracle's SBC and others: 183 from the announcement, 200 from the telephone, in two dialogs, with
// another route and another Contact.
TEST(CallRouteTest, TheTagMayChangeBetween183And200) {
  World world;
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(100);
  world.pbx.Respond(183, World::PbxSdp(), "announcement", [](Message* response) {
    response->record_route = {Address("sip:10.0.0.3;early;lr")};
    response->contact = {Address("sip:early@10.0.0.3")};
  });
  world.Run(100);
  const std::string early_tag(world.carrier.WithStatus(183)->to.tag());
  const std::string early_sdp = world.carrier.WithStatus(183)->body;
  world.pbx.Respond(200, support::SdpText{.host = "192.0.2.3", .port = 6100}.ToString(),
                    "telephone", [](Message* response) {
                      response->record_route = {Address("sip:10.0.0.3;final;lr")};
                      response->contact = {Address("sip:final@10.0.0.3")};
                    });
  world.Run(100);
  EXPECT_EQ(world.carrier.last().to.tag(), early_tag) << "the caller has one dialog";
  EXPECT_EQ(world.carrier.last().body, early_sdp) << "and one description";
  EXPECT_EQ(world.RelayLeg(1).plan.remote_rtp.port, 6100);
  world.carrier.Bye();
  world.Run(100);
  ASSERT_EQ(world.pbx.Count(Method::kBye), 1u);
  const Message& bye = *world.pbx.Got(Method::kBye);
  EXPECT_EQ(bye.to.tag(), "telephone");
  EXPECT_EQ(bye.request_uri.user, "final");
  EXPECT_THAT(bye.route.at(0).ToString(), HasSubstr(";final"));
  world.ExpectNothingLeft();
}

// ---- CANCEL and silence -------------------------------------------------------------------------

class CallCancelTest : public testing::Test {
 protected:
  void Call() {
    world_.carrier.Invite(1, "+911234", World::CarrierSdp());
    world_.Run(100);
  }
  // The PBX hears everything and cannot say a word.
  void MutePbx(bool mute) {
    world_.network.drop = [this, mute](const sip::SipHost& from, std::string_view) {
      return mute && &from == world_.network.host(3);
    };
  }

  World world_;
};

// RFC 3261 section 9.1: a CANCEL before the first provisional answer might overtake its INVITE.
TEST_F(CallCancelTest, WaitsForTheFirstProvisionalAnswer) {
  MutePbx(true);
  Call();
  world_.carrier.Cancel();
  world_.Run(300);
  EXPECT_EQ(world_.carrier.status(), 487) << "the caller does not wait";
  EXPECT_EQ(world_.table().size(), 0u);
  EXPECT_EQ(world_.pbx.cancels.size(), 0u);
  MutePbx(false);
  world_.Run(2000);
  EXPECT_EQ(world_.pbx.cancels.size(), 1u) << "after the 100 that the repeated INVITE got";
  world_.Run(1000);
  world_.ExpectNothingLeft();
}

// Section 9.1: 64*T1 after CANCEL the INVITE counts as ended, answer or not.
TEST_F(CallCancelTest, APbxThatFallsSilentIsWaitedForNoLongerThan64T1) {
  Call();
  world_.pbx.Respond(180);
  world_.Run(100);
  MutePbx(true);
  world_.carrier.Cancel();
  world_.Run(kTimeoutMs - 1000);
  EXPECT_GT(world_.sipctl->layer->size(), 0u);
  world_.Run(6000);
  EXPECT_EQ(world_.sipctl->layer->size(), 0u);
  EXPECT_EQ(world_.carrier.status(), 487);
  MutePbx(false);
  world_.pbx.Respond(487);
  world_.Run(40'000);
  world_.ExpectNothingLeft();
}

// The answer is on its way when the caller gives up, and its own 200 is lost for a while.
TEST_F(CallCancelTest, AnAnswerThatCrossesIsAcknowledgedAndHungUpAlsoWhenRepeated) {
  Call();
  world_.pbx.Respond(180);
  world_.Run(100);
  MutePbx(true);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(50);
  world_.carrier.Cancel();
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 487);
  MutePbx(false);
  world_.Run(3000);
  EXPECT_EQ(world_.pbx.acks.size(), 1u);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  ASSERT_EQ(world_.cdrs().size(), 1u);
  EXPECT_FALSE(world_.cdrs()[0].answered);
  world_.ExpectNothingLeft();
}

TEST_F(CallCancelTest, ItsReasonCrossesAndSoDoesTheOneOfAnAnswer) {
  Call();
  world_.pbx.Respond(180);
  world_.Run(100);
  world_.carrier.Cancel("SIP;cause=200;text=\"Call completed elsewhere\"");
  world_.Run(200);
  ASSERT_EQ(world_.pbx.cancels.size(), 1u);
  EXPECT_EQ(*world_.pbx.cancels[0].Other("Reason"),
            "SIP;cause=200;text=\"Call completed elsewhere\"");
  Call();
  world_.pbx.Respond(486, {}, {}, [](Message* response) {
    response->others.push_back({"Reason", "Q.850;cause=17;text=\"user busy\""});
    response->others.push_back({"Reason", "X.own;cause=9;host=10.0.0.3"});
  });
  world_.Run(200);
  EXPECT_EQ(*world_.carrier.last().Other("Reason"),
            "SIP;cause=486;text=\"Busy Here\", Q.850;cause=17;text=\"user busy\"");
  Call();
  world_.pbx.Respond(404);
  world_.Run(200);
  EXPECT_EQ(*world_.carrier.last().Other("Reason"),
            "SIP;cause=404;text=\"Not Found\", Q.850;cause=1");
  world_.ExpectNothingLeft();
}

// A peer that died in the middle of a call: the BYE to it ends after 64*T1, the call at once.
TEST_F(CallCancelTest, ByeToADeadPeerLeavesNothing) {
  world_.Establish();
  world_.network.host(3)->set_up(false);
  world_.carrier.Bye();
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.table().size(), 0u);
  world_.ExpectNothingLeft();
}

// ---- delayed offer and glare --------------------------------------------------------------------

TEST(CallOfferTest, DelayedOffersWorkBothWays) {
  for (const bool from_carrier : {true, false}) {
    World world;
    support::SipPeer& caller = from_carrier ? world.carrier : world.pbx;
    support::SipPeer& callee = from_carrier ? world.pbx : world.carrier;
    caller.ack_body = from_carrier ? World::CarrierSdp() : World::PbxSdp();
    caller.Invite(1, from_carrier ? "+911234" : "0914455", "");
    world.Run(100);
    ASSERT_NE(callee.Got(Method::kInvite), nullptr);
    EXPECT_THAT(callee.Got(Method::kInvite)->body, HasSubstr("m=audio")) << "we offer";
    callee.Respond(200, from_carrier ? World::PbxSdp() : World::CarrierSdp());
    world.Run(100);
    EXPECT_THAT(caller.last().body, HasSubstr("m=audio")) << "and to the caller in the 200";
    EXPECT_TRUE(world.fake_relay.Only()->Hears(0, 1) && world.fake_relay.Only()->Hears(1, 0));
    // And once more in the dialog, from the other side.
    caller.reinvite_answer = caller.ack_body;
    callee.ack_body =
        from_carrier ? World::PbxSdp("sendonly", 2) : World::CarrierSdp("sendonly", 2);
    callee.Reinvite("");
    world.Run(300);
    EXPECT_EQ(world.RelayLeg(1).plan.direction, relay::abi::kLegReceives);
    caller.Bye();
    world.Run(100);
    world.ExpectNothingLeft();
  }
}

// Our offer is in the 200, the answer will come with the ACK: until then there is nothing that the
// callee's offer could be held against.
TEST(CallOfferTest, AnOfferBeforeTheAckOfADelayedOneWaits) {
  World world;
  world.carrier.acknowledge = false;
  world.carrier.Invite(1, "+911234", "");
  world.Run(100);
  world.pbx.Respond(200, World::PbxSdp());
  world.Run(100);
  ASSERT_EQ(world.carrier.status(), 200);
  world.pbx.Reinvite(World::PbxSdp("sendonly", 2));
  world.Run(100);
  EXPECT_EQ(world.pbx.status(), 491);
  world.pbx.Reinvite("");
  world.Run(100);
  EXPECT_EQ(world.pbx.status(), 491);
  world.carrier.Acknowledge(World::CarrierSdp());
  world.Run(100);
  EXPECT_TRUE(world.fake_relay.Only()->Hears(0, 1) && world.fake_relay.Only()->Hears(1, 0));
  world.carrier.Bye();
  world.Run(200);
  world.ExpectNothingLeft();
}

// Both sides offer at the same moment, and neither knows of the other: 491 to both, and both are
// heard in the end.
TEST(CallOfferTest, GlareOfBothSidesComesToAnEnd) {
  World world;
  world.Establish();
  world.carrier.reinvite_answer = World::CarrierSdp("recvonly", 3);
  world.pbx.reinvite_answer = World::PbxSdp("recvonly", 3);
  world.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world.pbx.Reinvite(World::PbxSdp("sendonly", 2));
  world.Run(10'000);
  const size_t refused = world.carrier.CountStatus(491) + world.pbx.CountStatus(491);
  EXPECT_GE(refused, 1u);
  EXPECT_EQ(world.table().size(), 1u);
  world.carrier.Clear();
  world.carrier.Reinvite(World::CarrierSdp("sendrecv", 4));
  world.Run(5000);
  EXPECT_EQ(world.carrier.status(), 200) << "nobody is left waiting";
  world.carrier.Bye();
  world.Run(200);
  world.ExpectNothingLeft();
}

// ---- timers of a trunk --------------------------------------------------------------------------

TEST(CallTimerTest, EachTrunkHasItsOwnPatience) {
  World world;
  world.config->trunks[1].response_timeout_ns = 3'000'000'000;
  world.config->trunks[1].ring_timeout_ns = 20'000'000'000;
  world.config->trunks[0].ring_timeout_ns = 40'000'000'000;
  // Nobody says a word: given up after the response timeout.
  world.network.host(3)->set_up(false);
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(2900);
  EXPECT_LT(world.carrier.status(), 200);
  world.Run(300);
  EXPECT_EQ(world.carrier.status(), 504);
  world.Run(40'000);
  world.network.host(3)->set_up(true);
  // It rings: then the time to answer is what counts.
  world.carrier.Invite(1, "+911234", World::CarrierSdp());
  world.Run(1000);
  world.pbx.Respond(180);
  world.Run(18'500);
  EXPECT_EQ(world.carrier.status(), 180);
  world.Run(1000);
  EXPECT_EQ(world.carrier.status(), 480);
  EXPECT_EQ(world.pbx.cancels.size(), 1u);
  world.pbx.Invite(1, "0914455", World::PbxSdp());
  world.Run(39'000);
  EXPECT_LT(world.pbx.status(), 200);
  world.Run(1500);
  EXPECT_EQ(world.pbx.status(), 480);
  world.Run(40'000);
  world.ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
