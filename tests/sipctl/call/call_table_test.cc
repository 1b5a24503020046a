// Who is let in, what is answered outside calls, and what the relay's fate means to them.
#include "sipctl/call/call_table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/call/admission.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Message;
using sip::Method;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class CallTableTest : public testing::Test {
 protected:
  // Answers to one request.
  const Message& Invite(const std::string& number, const std::function<void(Message*)>& edit = {}) {
    world_.carrier.Clear();
    world_.carrier.Invite(1, number, World::CarrierSdp(), edit);
    world_.Run(100);
    return world_.carrier.last();
  }
  const Message& Ask(Method method, const std::function<void(Message*)>& edit = {}) {
    world_.carrier.Clear();
    world_.carrier.Ask(1, method, edit);
    world_.Run(100);
    return world_.carrier.last();
  }

  World world_;
};

TEST_F(CallTableTest, OptionsSaysWhatWeCan) {
  const Message& answer = Ask(Method::kOptions);
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.allow,
              ElementsAre("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO"));
  EXPECT_THAT(answer.supported, ElementsAre("100rel", "timer"));
  EXPECT_THAT(answer.accept, ElementsAre("application/sdp", "multipart/mixed"));
}

TEST_F(CallTableTest, MethodsThatAreNotServed) {
  for (Method method : {Method::kRegister, Method::kSubscribe, Method::kMessage, Method::kRefer,
                        Method::kPublish}) {
    const Message& answer = Ask(method);
    EXPECT_EQ(answer.status, 405) << sip::MethodName(method);
    EXPECT_THAT(answer.allow, Contains("INVITE"));
  }
  const Message& unknown =
      Ask(Method::kUnknown, [](Message* request) { request->method_name = "DANCE"; });
  EXPECT_EQ(unknown.status, 501);
}

TEST_F(CallTableTest, RequestsOfNoDialog) {
  EXPECT_EQ(Ask(Method::kBye, [](Message* request) { request->to.set_tag("nobody"); }).status, 481);
  EXPECT_EQ(Invite("+911234", [](Message* m) { m->to.set_tag("nobody"); }).status, 481);
  for (Method method : {Method::kBye, Method::kUpdate, Method::kPrack}) {
    EXPECT_EQ(Ask(method).status, 481) << sip::MethodName(method);
  }
}

TEST_F(CallTableTest, WhatIsWrongWithAnInvite) {
  EXPECT_EQ(Invite("+811234").status, 404);
  EXPECT_EQ(Invite("+911234", [](Message* m) { m->max_forwards = 0; }).status, 483);
  EXPECT_EQ(Invite("+911234", [](Message* m) { m->request_uri.scheme = "sips"; }).status, 416);
  const Message& extension = Invite("+911234", [](Message* m) {
    m->require = {"100rel", "replaces"};
  });
  EXPECT_EQ(extension.status, 420);
  EXPECT_THAT(extension.unsupported, ElementsAre("replaces"));
  const Message& type = Invite("+911234", [](Message* m) { m->content_type = "text/plain"; });
  EXPECT_EQ(type.status, 415);
  EXPECT_THAT(type.accept, ElementsAre("application/sdp", "multipart/mixed"));
  EXPECT_EQ(Invite("+911234", [](Message* m) { m->content_encoding = "gzip"; }).status, 415);
  EXPECT_EQ(Invite("+911234", [](Message* m) { m->contact.clear(); }).status, 400);
  EXPECT_EQ(Invite("+911234", [](Message* m) { m->body = "nonsense"; }).status, 400);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  world_.ExpectNothingLeft();
}

// RFC 3261 section 16.3. A proxy in the PBX sends the call back to us; it may forward it elsewhere.
TEST_F(CallTableTest, AnInviteThatComesBackIsALoopAndToAnotherNumberASpiral) {
  trunk::Route back;
  back.from = 1;
  back.prefix = "+91";
  back.to = 1;
  world_.config->routes.push_back(back);
  world_.RestartSipctl();
  world_.Run(100);
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  ASSERT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  const sip::Via ours = world_.pbx.Got(Method::kInvite)->via.front();
  const auto passed_on = [&](Message* invite) { invite->via.push_back(ours); };
  std::vector<int> answers;  // they are the proxy's, by their two Vias
  world_.network.on_arrival = [&](const sip::SipHost&, const Message& message, const sip::Flow&) {
    if (!message.is_request && message.via.size() == 2) answers.push_back(message.status);
  };
  world_.pbx.Invite(1, "+911234", World::PbxSdp(), passed_on);
  world_.Run(100);
  EXPECT_THAT(answers, ElementsAre(100, 482));
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  world_.pbx.Invite(1, "0914455", World::PbxSdp(), passed_on);
  world_.Run(100);
  EXPECT_EQ(world_.carrier.Count(Method::kInvite), 1u);
  EXPECT_EQ(world_.table().size(), 2u);
  // The same Via with a branch that we never made says nothing.
  world_.pbx.Invite(1, "+911234", World::PbxSdp(), [&](Message* invite) {
    invite->via.push_back(ours);
    sip::Set(&invite->via.back().parameters, "branch", "z9hG4bKt0other");
  });
  world_.Run(100);
  EXPECT_EQ(world_.table().size(), 3u);
}

TEST_F(CallTableTest, TelUris) {
  Invite("+911234", [](Message* m) {
    m->request_uri = {};
    m->request_uri.scheme = "tel";
    m->request_uri.user = "+911234";
  });
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
}

TEST_F(CallTableTest, TheTrunkIsFull) {
  world_.config->trunks[1].calls_max = 1;
  world_.RestartSipctl();
  world_.Run(600);
  world_.Establish();
  const Message& refused = Invite("+911234");
  EXPECT_EQ(refused.status, 503);
  EXPECT_GE(refused.retry_after.value_or(0), 1u);
}

TEST_F(CallTableTest, CallsPerMinute) {
  world_.config->trunks[1].calls_per_minute = 60;
  world_.config->trunks[1].call_burst = 2;
  world_.RestartSipctl();
  world_.Run(600);
  for (int i = 0; i < 3; ++i) Invite("+911234");
  EXPECT_EQ(world_.carrier.status(), 503);
  EXPECT_TRUE(world_.carrier.last().retry_after.has_value());
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 2u);
}

TEST_F(CallTableTest, Draining) {
  world_.Establish();
  world_.table().Drain();
  EXPECT_EQ(Ask(Method::kOptions).status, 503);
  EXPECT_EQ(Invite("+911234").status, 503);
  EXPECT_EQ(world_.table().size(), 1u) << "the call goes on";
  world_.pbx.Bye();
  world_.Run(100);
  EXPECT_EQ(world_.table().size(), 0u);
}

TEST_F(CallTableTest, SilenceEndsTheCall) {
  world_.Establish();
  world_.fake_relay.ReportSilence(world_.fake_relay.OnlyId(), 1);
  world_.Run(200);
  for (const support::SipPeer* peer : {&world_.carrier, &world_.pbx}) {
    ASSERT_EQ(peer->Count(Method::kBye), 1u);
    EXPECT_THAT(*peer->Got(Method::kBye)->Other("Reason"), HasSubstr("no media"));
  }
  EXPECT_EQ(world_.cdrs().at(0).ended_by, "sipctl");
  world_.ExpectNothingLeft();
}

TEST_F(CallTableTest, TheGreatestLengthEndsTheCall) {
  world_.Establish();
  world_.fake_relay.EndSession(world_.fake_relay.OnlyId(), relay::abi::EndReason::kLengthReached);
  world_.Run(200);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  world_.ExpectNothingLeft();
}

TEST_F(CallTableTest, AnotherRelayCarriesTheCallOn) {
  world_.Establish();
  const uint16_t port = world_.RelayLeg(0).plan.local.port;
  world_.fake_relay.Die();
  world_.Run(1500);
  world_.fake_relay.Restart();
  world_.Run(1000);
  ASSERT_NE(world_.fake_relay.Only(), nullptr);
  EXPECT_EQ(world_.RelayLeg(0).plan.local.port, port);
  EXPECT_EQ(world_.RelayLeg(0).plan.remote_rtp.port, 4000);
  EXPECT_TRUE(world_.fake_relay.Only()->Hears(0, 1));
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 0u);
  EXPECT_EQ(world_.sipctl->journal.in_use(), 1u) << "in the other relay's memory";
  world_.carrier.Bye();
  world_.Run(200);
  world_.ExpectNothingLeft();
}

TEST_F(CallTableTest, NoOtherRelayEndsTheCall) {
  world_.Establish();
  world_.fake_relay.Die();
  world_.Run(4000);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 0u);
  world_.Run(2000);
  for (const support::SipPeer* peer : {&world_.carrier, &world_.pbx}) {
    ASSERT_EQ(peer->Count(Method::kBye), 1u);
    EXPECT_THAT(*peer->Got(Method::kBye)->Other("Reason"), HasSubstr("Q.850;cause=41"));
  }
  world_.fake_relay.Restart();
  world_.Run(6000);
  world_.ExpectNothingLeft();
}

TEST_F(CallTableTest, InDialogRequestsThatAreNotServed) {
  world_.Establish();
  for (Method method : {Method::kSubscribe, Method::kRefer}) {
    world_.carrier.Send(method);
    world_.Run(50);
    EXPECT_EQ(world_.carrier.status(), 405);
  }
  world_.carrier.Send(Method::kOptions);
  world_.Run(50);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.table().size(), 1u);
}

// Whatever the network loses, doubles and reorders: calls come about, end, and leave nothing.
class CallsInBadWeather : public testing::TestWithParam<uint64_t> {};

TEST_P(CallsInBadWeather, LeaveNothingBehind) {
  World world({.seed = GetParam(),
               .weather = {.loss_percent = 20, .duplicate_percent = 5, .delay_ms_max = 60}});
  world.pbx.reinvite_answer = World::PbxSdp("recvonly", 2);
  int answered = 0;
  for (int i = 0; i < 6; ++i) {
    world.carrier.Clear();
    world.pbx.Clear();
    world.carrier.Invite(1, "+911234", World::CarrierSdp());
    world.Run(8000);
    if (world.pbx.Count(Method::kInvite) == 0) continue;
    world.pbx.Respond(180);
    world.Run(1000);
    if (i % 3 == 2) world.carrier.Cancel();
    world.pbx.Respond(200, World::PbxSdp());
    world.Run(10'000);
    // Whoever was answered hangs up: a CANCEL that came too late cancels nothing.
    if (world.carrier.dialog) {
      ++answered;
      world.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
      world.Run(10'000);
      world.carrier.Bye();
    }
    world.Run(70'000);
  }
  EXPECT_GE(answered, 2);
  world.Run(100'000);
  world.ExpectNothingLeft();
}

INSTANTIATE_TEST_SUITE_P(Seeds, CallsInBadWeather, testing::Range<uint64_t>(1, 13));

TEST_F(CallTableTest, SomethingThatRewritesSipIsNamedOnceForEachTrunk) {
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  ASSERT_NE(world_.pbx.Got(Method::kInvite), nullptr);
  Message response = MakeResponse(*world_.pbx.Got(Method::kInvite), 180, "pbx");
  response.via[0].host = "192.168.1.4";
  for (int i = 0; i < 3; ++i) world_.sipctl->layer->OnMessage(response, sip::SipHost::To(3, {}));
  EXPECT_THAT(world_.sipctl->notes.notices,
              testing::Contains(
                  testing::AllOf(testing::HasSubstr("trunk pbx: a response from 10.0.0.3:5060 "
                                                    "was for 192.168.1.4:5060 where"),
                                 testing::HasSubstr("we had written 10.0.0.1:5060")))
                  .Times(1));
  EXPECT_EQ(world_.carrier.CountStatus(180), 0u);
  world_.carrier.Cancel();
  world_.Run(1000);
  world_.ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
