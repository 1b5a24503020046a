// From INVITE to ACK, one script for each way it can go.
#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/text.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Method;
using testing::HasSubstr;
using testing::Not;

class CallSetupTest : public testing::Test {
 protected:
  // The carrier calls; the PBX has the INVITE.
  void Call(const std::string& sdp = World::CarrierSdp(),
            const std::function<void(sip::Message*)>& edit = {}) {
    world_.carrier.Invite(1, "+911234", sdp, edit);
    world_.Run(100);
  }
  void HangUp() {
    world_.carrier.Bye();
    world_.Run(100);
  }

  World world_;
};

// As RFC 5621 has it: the description beside what a switch adds.
std::string InParts(const std::string& sdp, const std::string& handling = "optional") {
  return Concat(
      "--b\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=", handling,
      "\r\n\r\nisup\r\n--b\r\nContent-Type: application/sdp\r\n\r\n", sdp, "\r\n--b--\r\n");
}
void MakeMultipart(sip::Message* message) {
  message->content_type = "multipart/mixed";
  message->content_type_parameters = ";boundary=b";
}

TEST_F(CallSetupTest, DescriptionsAmongOtherPartsAreTakenBothWays) {
  Call(InParts(World::CarrierSdp()), MakeMultipart);
  ASSERT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  const sip::Message& invite = *world_.pbx.Got(Method::kInvite);
  EXPECT_EQ(invite.content_type, "application/sdp");
  EXPECT_EQ(invite.content_type_parameters, "");
  EXPECT_THAT(invite.body, Not(HasSubstr("isup")));
  world_.pbx.Respond(183, InParts(World::PbxSdp()), {}, MakeMultipart);
  world_.Run(50);
  EXPECT_EQ(world_.carrier.last().content_type, "application/sdp");
  world_.pbx.Respond(200, InParts(World::PbxSdp()), {}, MakeMultipart);
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.RelayLeg(0).plan.remote_rtp.port, 4000);
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6000);
  HangUp();
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, APartThatMustBeUnderstoodIsRefused) {
  Call(InParts(World::CarrierSdp(), "required"), MakeMultipart);
  EXPECT_EQ(world_.carrier.status(), 415);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  Call("no parts at all", MakeMultipart);
  EXPECT_EQ(world_.carrier.status(), 400);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, CallIsAnsweredAndHungUpByTheCaller) {
  Call();
  ASSERT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  EXPECT_NE(world_.carrier.WithStatus(100), nullptr);
  world_.pbx.Respond(180);
  world_.Run(50);
  EXPECT_EQ(world_.carrier.status(), 180);
  EXPECT_TRUE(world_.carrier.last().body.empty());
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.pbx.acks.size(), 1u);
  const auto answer = *sdp::Parse(world_.carrier.last().body);
  EXPECT_EQ(answer.media[0].formats, (std::vector<std::string>{"8", "0", "101"}));
  EXPECT_EQ(answer.ConnectionOf(answer.media[0])->host, "203.0.113.1") << "the advertised address";

  ASSERT_NE(world_.fake_relay.Only(), nullptr);
  EXPECT_TRUE(world_.fake_relay.Only()->Hears(0, 1) && world_.fake_relay.Only()->Hears(1, 0));
  EXPECT_EQ(world_.RelayLeg(0).plan.remote_rtp.port, 4000);
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6000);
  EXPECT_EQ(world_.RelayLeg(0).plan.local.port, answer.media[0].port);
  world_.fake_relay.CountPackets(world_.fake_relay.OnlyId(), 1, 500, 499);

  world_.Run(10'000);
  HangUp();
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  ASSERT_EQ(world_.cdrs().size(), 1u);
  const Cdr& cdr = world_.cdrs()[0];
  EXPECT_TRUE(cdr.answered);
  EXPECT_EQ(cdr.ended_by, "caller");
  EXPECT_EQ(cdr.codec, "PCMA");
  EXPECT_NEAR(static_cast<double>(cdr.duration_ms), 10'100, 100);
  EXPECT_EQ(cdr.legs[1].received_packets, 500u);
  EXPECT_NE(cdr.legs[0].call_id, cdr.legs[1].call_id);
  EXPECT_THAT(ToJson(cdr), HasSubstr("\"from\":\"+15552\""));
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, TheOtherWayRoundWithTheNumberRewritten) {
  world_.pbx.Invite(1, "0914455", World::PbxSdp());
  world_.Run(100);
  ASSERT_NE(world_.carrier.Got(Method::kInvite), nullptr);
  EXPECT_EQ(world_.carrier.Got(Method::kInvite)->request_uri.user, "+914455");
  world_.carrier.Respond(200, World::CarrierSdp());
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 200);
  world_.carrier.Bye();
  world_.Run(100);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.cdrs().at(0).ended_by, "callee");
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, NothingOfOneSideIsSeenByTheOther) {
  Call(World::CarrierSdp(), [](sip::Message* invite) {
    invite->record_route.push_back({.display_name = {},
                                    .uri = *sip::Uri::Parse("sip:proxy.secret.example;lr"),
                                    .parameters = {}});
    invite->others.push_back({"X-Internal", "secret"});
    invite->others.push_back({"User-Agent", "secret"});
    invite->others.push_back({"P-Charging-Vector", "icid-value=secret"});
    invite->supported = {"timer", "secret"};
    invite->max_forwards = 20;
  });
  ASSERT_NE(world_.pbx.Got(Method::kInvite), nullptr);
  const sip::Message invite = *world_.pbx.Got(Method::kInvite);
  const std::string sent = sip::Encode(invite);
  EXPECT_THAT(sent, Not(HasSubstr("secret")));
  EXPECT_THAT(sent, Not(HasSubstr("callid-")));
  EXPECT_THAT(sent, Not(HasSubstr("tag-")));
  EXPECT_THAT(sent, Not(HasSubstr("10.0.0.2")));
  EXPECT_THAT(sent, Not(HasSubstr("192.0.2.2")));
  EXPECT_EQ(invite.via.size(), 1u);
  EXPECT_EQ(invite.from.uri.user, "+15552");
  EXPECT_EQ(invite.from.display_name, "Peer");
  EXPECT_EQ(invite.max_forwards, 19);
  EXPECT_EQ(*invite.Other("User-Agent"), "Tandem");

  const auto dress = [](sip::Message* response) {
    response->others.push_back({"Server", "hidden"});
    response->others.push_back({"X-Hidden", "hidden"});
    response->record_route.push_back(
        {.display_name = {}, .uri = *sip::Uri::Parse("sip:hidden.example;lr"), .parameters = {}});
  };
  world_.pbx.Respond(183, World::PbxSdp(), {}, dress);
  world_.Run(50);
  world_.pbx.Respond(200, World::PbxSdp(), {}, [](sip::Message* response) {
    response->others.push_back({"X-Hidden", "hidden"});
  });
  world_.Run(100);
  for (const sip::Message& response : world_.carrier.responses) {
    const std::string text = sip::Encode(response);
    EXPECT_THAT(text, Not(HasSubstr("hidden")));
    EXPECT_THAT(text, Not(HasSubstr("peer3")));
    EXPECT_THAT(text, Not(HasSubstr("10.0.0.3")));
    EXPECT_THAT(text, Not(HasSubstr("192.0.2.3")));
    EXPECT_THAT(text, Not(HasSubstr(invite.call_id)));
    EXPECT_THAT(text, Not(HasSubstr(std::string(invite.from.tag()))));
  }
}

// RFC 3261 section 18.1.1: a datagram of this size might not arrive.
TEST_F(CallSetupTest, AnInviteTooLongForUdpGoesByTcp) {
  Call(World::CarrierSdp(),
       [](sip::Message* invite) { invite->from.display_name = std::string(900, 'x'); });
  ASSERT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  EXPECT_EQ(world_.pbx.requests[0].flow.protocol, sip::Protocol::kTcp);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  HangUp();
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, CallerCancels) {
  Call();
  world_.pbx.Respond(180);
  world_.Run(50);
  world_.carrier.Cancel();
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 487);
  EXPECT_EQ(world_.pbx.cancels.size(), 1u);
  EXPECT_FALSE(world_.cdrs().at(0).answered);
  EXPECT_EQ(world_.cdrs().at(0).status, 487);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, CancelCrossesTheAnswer) {
  Call();
  world_.pbx.Respond(180);
  world_.Run(50);
  world_.carrier.Cancel();
  world_.Run(7);  // it has reached us, and not the PBX
  ASSERT_EQ(world_.pbx.cancels.size(), 0u);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(200);
  EXPECT_NE(world_.carrier.WithStatus(487), nullptr);
  EXPECT_EQ(world_.pbx.acks.size(), 1u) << "the 200 is acknowledged";
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u) << "and hung up";
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, CancelBeforeTheRelayIsReady) {
  world_.fake_relay.Mute(true);
  Call();
  world_.carrier.Cancel();
  world_.Run(100);
  EXPECT_NE(world_.carrier.WithStatus(487), nullptr);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  world_.fake_relay.Mute(false);
  world_.Run(100);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, RefusalsAreMapped) {
  const struct {
    int far, near;
  } kCases[] = {{404, 404}, {486, 486}, {603, 603}, {302, 480}, {401, 502},
                {415, 500}, {503, 503}, {500, 500}, {480, 480}};
  for (const auto& row : kCases) {
    world_.carrier.Clear();
    Call();
    world_.pbx.Respond(row.far);
    world_.Run(100);
    EXPECT_EQ(world_.carrier.status(), row.near) << row.far;
    EXPECT_FALSE(world_.carrier.last().retry_after.has_value());
    EXPECT_THAT(*world_.carrier.last().Other("Reason"),
                HasSubstr("SIP;cause=" + std::to_string(row.far)));
  }
  EXPECT_EQ(world_.cdrs().size(), std::size(kCases));
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, NobodyAnswersInTime) {
  Call();
  world_.pbx.Respond(180);
  world_.Run(59'000);
  EXPECT_EQ(world_.carrier.status(), 180);
  world_.Run(2'000);
  EXPECT_EQ(world_.carrier.status(), 480);
  EXPECT_EQ(world_.pbx.cancels.size(), 1u);
  world_.ExpectNothingLeft();
}

// RFC 3261 section 13.3.1.1: proxies before the caller give up what says nothing for three minutes.
TEST_F(CallSetupTest, WhatRingsLongSaysSoEachMinute) {
  world_.config->trunks[1].ring_timeout_ns = 300'000'000'000;
  Call();
  world_.pbx.Respond(180);
  world_.Run(1'000);
  world_.network.drop = [](const sip::SipHost& from, std::string_view bytes) {
    return from.address().address.bytes[15] == 3 && bytes.starts_with("SIP/2.0 180");
  };
  EXPECT_EQ(world_.carrier.CountStatus(180), 1u);
  world_.Run(297'000);
  EXPECT_EQ(world_.carrier.CountStatus(180), 5u);
  EXPECT_TRUE(world_.pbx.cancels.empty());
  world_.Run(3'000);
  EXPECT_EQ(world_.carrier.status(), 480);
  EXPECT_EQ(world_.pbx.cancels.size(), 1u);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, TheFarSideIsDead) {
  world_.network.host(3)->set_up(false);
  Call();
  world_.Run(40'000);
  EXPECT_EQ(world_.carrier.status(), 504);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, EarlyMediaAndItsForks) {
  Call();
  world_.pbx.Respond(183, support::SdpText{.host = "192.0.2.31", .port = 6001}.ToString(), "fork1");
  world_.Run(50);
  EXPECT_EQ(world_.carrier.status(), 183);
  const std::string first = world_.carrier.last().body;
  EXPECT_FALSE(first.empty());
  const std::string tag(world_.carrier.last().to.tag());
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6001);
  EXPECT_TRUE(world_.fake_relay.Only()->Hears(0, 1));

  // The newest answer wins in the relay; the caller sees nothing of it.
  world_.pbx.Respond(183, support::SdpText{.host = "192.0.2.32", .port = 6002}.ToString(), "fork2");
  world_.Run(50);
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6002);
  EXPECT_TRUE(world_.carrier.last().body.empty());
  world_.pbx.Respond(180, {}, "fork1");
  world_.Run(50);
  EXPECT_EQ(world_.carrier.status(), 180);
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6002) << "180 closes no early media";

  // Another fork answers, without having rung.
  world_.pbx.Respond(200, support::SdpText{.host = "192.0.2.33", .port = 6003}.ToString(), "fork3");
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.carrier.last().body, first) << "the caller's session never changed";
  EXPECT_EQ(world_.carrier.last().to.tag(), tag);
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6003);
  EXPECT_EQ(world_.pbx.acks.back().to.tag(), "fork3");
  HangUp();
  EXPECT_EQ(world_.pbx.Got(Method::kBye)->to.tag(), "fork3");
  world_.ExpectNothingLeft();
}

// Behind NAT nobody's address is known: the relay has learned fork1's, or nobody's, when the phone
// that really answers begins to speak.
TEST_F(CallSetupTest, AnAnswerBehindNatIsLearnedAnewAfterEarlyMedia) {
  using relay::abi::Relearn;
  auto& trunk = world_.config->trunks[1];
  trunk.learning = trunk::Learning::kLatch;
  trunk.media.learn_remote = true;
  trunk.media.networks = {{.address = *sdp::ParseIpAddress("198.51.100.0"), .prefix_length = 120}};
  for (const char* answered : {"fork1", "fork2"}) {
    Call();
    world_.pbx.Respond(183, World::PbxSdp(), "fork1");
    world_.Run(5000);
    EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 0) << "unknown";
    EXPECT_EQ(world_.RelayLeg(1).plan.relearn, Relearn::kKeep);
    world_.pbx.Respond(200, World::PbxSdp(), answered);
    world_.Run(100);
    EXPECT_EQ(world_.RelayLeg(1).plan.relearn,
              answered == std::string("fork1") ? Relearn::kUnlessLearned : Relearn::kAnew);
    EXPECT_EQ(world_.RelayLeg(0).plan.relearn, Relearn::kUnlessLearned);
    HangUp();
    world_.Run(100);
  }
}

TEST_F(CallSetupTest, AForkThatCannotBeHeardIsIgnored) {
  Call();
  world_.pbx.Respond(183, support::SdpText{.port = 6001, .formats = "8"}.ToString(), "fork1");
  world_.Run(50);
  world_.pbx.Respond(183, support::SdpText{.port = 6002, .formats = "0"}.ToString(), "fork2");
  world_.Run(50);
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6001);
}

TEST_F(CallSetupTest, TheAnswerMayStandInThe183Alone) {
  Call();
  world_.pbx.Respond(183, World::PbxSdp());
  world_.Run(50);
  world_.pbx.Respond(200);
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_FALSE(world_.carrier.last().body.empty());
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6000);
}

TEST_F(CallSetupTest, ASecondForkThatAnswersIsHungUp) {
  Call();
  world_.pbx.Respond(200, World::PbxSdp(), "fork1");
  world_.pbx.Respond(200, World::PbxSdp(), "fork2");
  std::vector<std::string> acknowledged;
  world_.network.on_arrival = [&](const sip::SipHost&, const sip::Message& message,
                                  const sip::Flow&) {
    if (message.is_request && message.method == Method::kAck) {
      acknowledged.emplace_back(message.to.tag());
    }
  };
  world_.Run(100);
  EXPECT_THAT(acknowledged, testing::IsSupersetOf({"fork1", "fork2"}));
  ASSERT_EQ(world_.pbx.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.pbx.Got(Method::kBye)->to.tag(), "fork2");
  EXPECT_EQ(world_.table().size(), 1u);
}

TEST_F(CallSetupTest, WhoAnswersWithoutAContactIsWhereItWasCalled) {
  Call();
  const std::string called = world_.pbx.Got(Method::kInvite)->request_uri.ToString();
  world_.pbx.Respond(200, World::PbxSdp(), {},
                     [](sip::Message* response) { response->contact.clear(); });
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  ASSERT_EQ(world_.pbx.acks.size(), 1u);
  EXPECT_EQ(world_.pbx.acks[0].request_uri.ToString(), called);
  world_.carrier.Bye();
  world_.Run(100);
  ASSERT_EQ(world_.pbx.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.pbx.Got(Method::kBye)->request_uri.ToString(), called);
  world_.ExpectNothingLeft();
}

// As elements older than RFC 3261 answer; nothing above the socket would let a test do so.
class TaglessAnswerTest : public CallSetupTest {
 protected:
  void SetUp() override {
    world_.network.on_arrival = [this](const sip::SipHost& to, const sip::Message& message,
                                       const sip::Flow&) {
      if (&to == world_.network.host(3) && message.method == Method::kAck) ++acks_;
    };
  }
  void Answer() {
    sip::Message answer = sip::MakeResponse(*world_.pbx.Got(Method::kInvite), 200);
    answer.content_type = "application/sdp";
    answer.body = World::PbxSdp();
    ASSERT_TRUE(answer.to.tag().empty());
    ASSERT_TRUE(world_.network.host(3)
                    ->Send(sip::SipHost::To(1, sip::Protocol::kUdp), sip::Encode(answer))
                    .ok());
    world_.Run(100);
  }
  void ExpectEnd() {
    world_.Run(5000);
    EXPECT_EQ(acks_, 1);
    ASSERT_EQ(world_.pbx.Count(Method::kBye), 1u);
    EXPECT_EQ(world_.pbx.Got(Method::kBye)->to.tag(), "");
    world_.ExpectNothingLeft();
  }

  int acks_ = 0;  // to the PBX
};

TEST_F(TaglessAnswerTest, IsACall) {
  Call();
  Answer();
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.table().size(), 1u);
  world_.carrier.Bye();
  world_.Run(100);
  ExpectEnd();
}

TEST_F(TaglessAnswerTest, IsHungUpWhereNobodyWaitsForIt) {
  Call();
  world_.network.drop = [](const sip::SipHost&, std::string_view bytes) {
    return bytes.starts_with("CANCEL ") && bytes.find("@10.0.0.3") != bytes.npos;
  };
  world_.carrier.Cancel();
  world_.Run(50);
  Answer();
  world_.network.drop = nullptr;
  ExpectEnd();
}

TEST_F(CallSetupTest, AForkBeyondThoseThatAreKeptMayAnswer) {
  Call();
  for (size_t i = 0; i < sip::kForksMax; ++i) {
    world_.pbx.Respond(180, {}, "fork" + std::to_string(i));
    world_.Run(20);
  }
  world_.pbx.Respond(200, World::PbxSdp(), "another");
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  ASSERT_EQ(world_.pbx.acks.size(), 1u);
  EXPECT_EQ(world_.pbx.acks[0].to.tag(), "another");
  EXPECT_EQ(world_.table().size(), 1u);
}

TEST_F(CallSetupTest, DelayedOffer) {
  world_.carrier.ack_body = World::CarrierSdp();
  Call("");
  ASSERT_NE(world_.pbx.Got(Method::kInvite), nullptr);
  EXPECT_THAT(world_.pbx.Got(Method::kInvite)->body, HasSubstr("m=audio"));
  world_.pbx.Respond(183, World::PbxSdp());
  world_.Run(50);
  EXPECT_TRUE(world_.carrier.last().body.empty()) << "no offer in an unreliable 183";
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_THAT(world_.carrier.last().body, HasSubstr("m=audio"));
  EXPECT_EQ(world_.RelayLeg(0).plan.remote_rtp.port, 4000) << "from the ACK";
  EXPECT_TRUE(world_.fake_relay.Only()->Hears(0, 1));
  HangUp();
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, DelayedOfferWithoutAnAnswerEnds) {
  Call("");
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(200);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, NoSharedCodec) {
  Call(support::SdpText{.formats = "18"}.ToString());
  EXPECT_EQ(world_.carrier.status(), 488);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, AnAnswerThatIsNone) {
  Call();
  world_.pbx.Respond(200);
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 502);
  EXPECT_EQ(world_.pbx.acks.size(), 1u);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, TheCallerNeverAcknowledges) {
  world_.carrier.acknowledge = false;
  Call();
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(40'000);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  EXPECT_THAT(world_.cdrs().at(0).reason, HasSubstr("it was told sip:t0@10.0.0.1"));
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, TheCalleeHangsUpBeforeTheCallersAck) {
  world_.carrier.acknowledge = false;
  Call();
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  world_.pbx.Bye("Q.850;cause=16;text=\"normal\"");
  world_.Run(100);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 0u) << "no BYE before the ACK (section 15)";
  world_.carrier.Acknowledge();
  world_.Run(100);
  ASSERT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(*world_.carrier.Got(Method::kBye)->Other("Reason"), "Q.850;cause=16;text=\"normal\"");
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, TheRelayRefuses) {
  world_.fake_relay.RefuseNext(relay::abi::CommandKind::kLegOpen, relay::abi::Refusal::kNoRoom);
  Call();
  EXPECT_EQ(world_.carrier.status(), 503);
  EXPECT_TRUE(world_.carrier.last().retry_after.has_value());
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, TakenPortsAreSteppedAround) {
  for (int i = 0; i < 3; ++i) {
    world_.fake_relay.RefuseNext(relay::abi::CommandKind::kLegOpen,
                                 relay::abi::Refusal::kBindFailed);
  }
  world_.Establish();
  EXPECT_EQ(world_.sipctl->relay->ports().avoided(), 3u);
  const auto answer = *sdp::Parse(world_.carrier.last().body);
  EXPECT_EQ(answer.media[0].port, world_.RelayLeg(0).plan.local.port);
  const auto offer = *sdp::Parse(world_.pbx.Got(Method::kInvite)->body);
  EXPECT_EQ(offer.media[0].port, world_.RelayLeg(1).plan.local.port);
  EXPECT_TRUE(world_.fake_relay.Only()->Hears(0, 1) && world_.fake_relay.Only()->Hears(1, 0));
  HangUp();
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, TakenPortsAreSteppedAroundThreeTimes) {
  for (int i = 0; i < 8; ++i) {
    world_.fake_relay.RefuseNext(relay::abi::CommandKind::kLegOpen,
                                 relay::abi::Refusal::kPortInUse);
  }
  Call();
  EXPECT_EQ(world_.carrier.status(), 503);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  EXPECT_EQ(world_.sipctl->relay->ports().avoided(), 6u);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, TheRelaySleeps) {
  world_.fake_relay.Mute(true);
  Call();
  EXPECT_EQ(world_.carrier.status(), 100);
  world_.Run(400);
  EXPECT_EQ(world_.carrier.status(), 503) << "within 500 ms";
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  world_.fake_relay.Mute(false);
  world_.Run(100);
  world_.ExpectNothingLeft();
}

TEST_F(CallSetupTest, ThereIsNoRelay) {
  world_.fake_relay.Die();
  world_.Run(10);
  Call();
  EXPECT_EQ(world_.carrier.status(), 503);
  world_.fake_relay.Restart();
  world_.Run(1000);
  Call();
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
}

TEST_F(CallSetupTest, InviteIsRepeatedAndLost) {
  int seen = 0;
  world_.network.drop = [&](const sip::SipHost& from, std::string_view bytes) {
    return from.address() == world_.network.host(1)->address() && bytes.starts_with("INVITE") &&
           seen++ < 2;
  };
  Call();
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  world_.Run(2000);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
}

TEST(CallOverTcpTest, ContactAndTransportFollowTheTrunk) {
  World world({.weather = {}, .carrier = sip::Protocol::kTcp});
  world.Establish();
  EXPECT_EQ(world.carrier.WithStatus(200)->contact[0].ToString(),
            "<sip:t0@10.0.0.1:5060;transport=tcp>");
  world.pbx.Bye();
  world.Run(100);
  EXPECT_EQ(world.carrier.Count(Method::kBye), 1u);
  world.ExpectNothingLeft();
}

TEST(CallOverTcpTest, ByeAfterTheConnectionDied) {
  World world({.weather = {}, .carrier = sip::Protocol::kTcp});
  world.Establish();
  world.Run(600'000);
  world.network.BreakAllConnections();
  world.Run(1000);
  world.pbx.Bye();
  world.Run(10'000);
  EXPECT_EQ(world.carrier.Count(Method::kBye), 1u) << "on a new connection to its Contact";
  world.ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
