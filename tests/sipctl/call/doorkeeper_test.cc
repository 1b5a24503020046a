// Who comes in by an access listener, with a PBX that logs in over UDP or TCP.
#include "sipctl/call/doorkeeper.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Message;
using sip::Method;
using sip::Protocol;
using ::testing::Contains;
using ::testing::HasSubstr;

class DoorkeeperTest : public testing::TestWithParam<Protocol> {
 protected:
  DoorkeeperTest()
      : world_({.carrier = GetParam() == Protocol::kUdp ? Protocol::kTcp : Protocol::kUdp,
                .pbx = GetParam(),
                .pbx_logs_in = true}) {}

  void LogInAs(const std::string& user, const std::string& password) {
    credentials_ = {.user = user, .password = password, .realm = "tandem"};
    client_ = {};
  }
  // With an answer to the last challenge, if there was one.
  void Authorize(Message* request) {
    if (world_.pbx.status() == 401) client_.Accept(world_.pbx.last(), credentials_);
    client_.Authorize(credentials_, "c", request);
    client_.Served();
  }
  void Register(const std::function<void(Message*)>& edit = {}) {
    world_.pbx.Ask(1, Method::kRegister, [&](Message* request) {
      request->request_uri.user.clear();
      request->to.uri.user = request->from.uri.user = credentials_.user;
      request->expires = 600;
      if (edit) edit(request);
      Authorize(request);
    });
    world_.Run(100);
  }
  void LogIn() {
    Register();
    ASSERT_EQ(world_.pbx.status(), 401);
    Register();
    ASSERT_EQ(world_.pbx.status(), 200);
  }
  const DoorCounters& counters() { return world_.sipctl->doorkeeper->counters(); }

  sip::Credentials credentials_{.user = "pbx1", .password = "secret", .realm = "tandem"};
  sip::DigestClient client_;
  World world_;
};

TEST_P(DoorkeeperTest, AStrangerIsChallengedWithoutStateAndLogsIn) {
  Register();
  ASSERT_EQ(world_.pbx.status(), 401);
  EXPECT_EQ(sip::ReadChallenges(world_.pbx.last()).size(), 2u);
  EXPECT_FALSE(world_.pbx.last().to.tag().empty());
  EXPECT_EQ(world_.sipctl->layer->size(), 0u);
  Register();
  ASSERT_EQ(world_.pbx.status(), 200);
  const Message& answer = world_.pbx.last();
  ASSERT_EQ(answer.contact.size(), 1u);
  EXPECT_EQ(answer.contact[0].uri.user, "peer3");
  EXPECT_EQ(sip::Find(answer.contact[0].parameters, "expires")->value, "600");
  EXPECT_EQ(counters().challenged, 1u);
  EXPECT_EQ(counters().admitted, 1u);
  EXPECT_THAT(world_.sipctl->notes.notices,
              Contains(HasSubstr("trunk pbx: pbx1 has logged in from 10.0.0.3:")));
}

TEST_P(DoorkeeperTest, CallsGoToWhereItHasLoggedIn) {
  LogIn();
  world_.Establish();
  const Message* invite = world_.pbx.Got(Method::kInvite);
  // Its contact, with the number that was called: the PBX knows who that is.
  EXPECT_EQ(invite->request_uri.user, "+911234");
  EXPECT_EQ(invite->request_uri.host, "10.0.0.3");
  EXPECT_EQ(invite->to.uri.user, "+911234");
  // In the dialog nobody is asked again.
  world_.pbx.Bye();
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 200);
  EXPECT_EQ(counters().challenged, 1u);
  world_.ExpectNothingLeft();
}

// Who is in a call with us knows a tag of ours.
TEST_P(DoorkeeperTest, ATagOfACallDoesNotLogAnybodyIn) {
  LogIn();
  world_.Establish();
  const std::string tag(world_.pbx.Got(Method::kInvite)->from.tag());
  ASSERT_FALSE(tag.empty());
  world_.pbx.Ask(1, Method::kRegister, [&](Message* request) {
    request->to.uri.user = request->from.uri.user = "pbx1";
    sip::Set(&request->to.parameters, "tag", tag);
    request->expires = 600;
  });
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 401);
}

TEST_P(DoorkeeperTest, WhoGoesWhileTheRelayPreparesHisCallIsNotCalled) {
  LogIn();
  world_.fake_relay.Mute(true);
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 100);
  Register([](Message* request) { request->expires = 0; });
  Register([](Message* request) { request->expires = 0; });
  ASSERT_EQ(world_.pbx.status(), 200);
  world_.fake_relay.Mute(false);
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 480);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  world_.ExpectNothingLeft();
}

TEST_P(DoorkeeperTest, ItsCallsAreCallsOfItsTrunk) {
  world_.pbx.Invite(1, "0991234", World::PbxSdp());
  world_.Run(100);
  ASSERT_EQ(world_.pbx.status(), 401);
  EXPECT_EQ(world_.carrier.Got(Method::kInvite), nullptr);
  EXPECT_EQ(world_.table().size(), 0u);
  world_.pbx.Invite(1, "0991234", World::PbxSdp(), [this](Message* invite) { Authorize(invite); });
  world_.Run(100);
  const Message* invite = world_.carrier.Got(Method::kInvite);
  ASSERT_NE(invite, nullptr);
  EXPECT_EQ(invite->request_uri.user, "+991234");
  EXPECT_EQ(invite->Other("Authorization"), nullptr);
  world_.carrier.Respond(200, World::CarrierSdp());
  world_.Run(100);
  ASSERT_EQ(world_.pbx.status(), 200);
  world_.carrier.Bye();
  world_.Run(100);
  ASSERT_NE(world_.pbx.Got(Method::kBye), nullptr);
  EXPECT_EQ(world_.cdrs().size(), 1u);
  world_.ExpectNothingLeft();
}

TEST_P(DoorkeeperTest, AnAnswerForOneNumberCallsNoOther) {
  world_.pbx.Invite(1, "0991234", World::PbxSdp());
  world_.Run(100);
  ASSERT_EQ(world_.pbx.status(), 401);
  world_.pbx.Invite(1, "0991234", World::PbxSdp(), [this](Message* invite) {
    Authorize(invite);
    invite->request_uri.user = "0991235";
  });
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 400);
  EXPECT_EQ(world_.carrier.Got(Method::kInvite), nullptr);
  EXPECT_EQ(counters().misused, 1u);
}

// What it says it is costs time: it is asked for when there is some.
TEST_P(DoorkeeperTest, UnderOverloadANewCallIsNotEvenChallengedAndALoginIs) {
  world_.network.host(1)->set_backlog({.age = 1000, .full_percent = 100});
  world_.pbx.Invite(1, "0991234", World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 503);
  EXPECT_EQ(counters().challenged, 0u);
  LogIn();
}

TEST_P(DoorkeeperTest, WhoIsToGetNothingGetsNothingUnderOverloadEither) {
  world_.network.host(1)->set_backlog({.age = 1000, .full_percent = 100});
  LogInAs("pbx1", "guess");
  for (int i = 0; i < 6; ++i) Register();
  world_.pbx.Clear();
  if (GetParam() == Protocol::kUdp) {  // a datagram is not even read
    EXPECT_FALSE(world_.sipctl->doorkeeper->MayKnock(world_.network.host(3)->address()));
    return;
  }
  world_.pbx.Invite(1, "0991234", World::PbxSdp());
  world_.Run(100);
  EXPECT_TRUE(world_.pbx.responses.empty());
  EXPECT_EQ(world_.sipctl->doorkeeper->overload_counters().shed, 0u);
}

TEST_P(DoorkeeperTest, ACallerThatHasLoggedInMayGiveUp) {
  LogIn();
  world_.pbx.Invite(1, "0991234", World::PbxSdp(), [this](Message* invite) { Authorize(invite); });
  world_.Run(100);
  world_.pbx.Cancel();
  world_.Run(200);
  EXPECT_EQ(world_.pbx.status(), 487);
  EXPECT_EQ(world_.carrier.cancels.size(), 1u);
}

TEST_P(DoorkeeperTest, NothingElseOfAStrangerIsAnswered) {
  for (const Method method : {Method::kOptions, Method::kBye, Method::kSubscribe, Method::kMessage,
                              Method::kInfo, Method::kUpdate, Method::kCancel}) {
    world_.pbx.Clear();
    world_.pbx.Ask(1, method);
    world_.Run(2000);
    EXPECT_TRUE(world_.pbx.responses.empty()) << sip::MethodName(method);
  }
  world_.pbx.Clear();
  world_.pbx.Ask(1, Method::kInvite, [](Message* invite) { invite->to.set_tag("guessed"); });
  world_.Run(2000);
  EXPECT_TRUE(world_.pbx.responses.empty());
  EXPECT_GE(counters().unserved, 8u);
  EXPECT_EQ(counters().challenged, 0u);
}

TEST_P(DoorkeeperTest, WhoHasLoggedInIsNoStranger) {
  LogIn();
  world_.pbx.Ask(1, Method::kOptions);
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 200);
  world_.pbx.Ask(1, Method::kBye, [](Message* bye) { bye->to.set_tag("unknown"); });
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 481);
}

TEST_P(DoorkeeperTest, AfterSomeWrongPasswordsThereIsSilence) {
  LogInAs("pbx1", "guess");
  Register();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(world_.pbx.status(), 401) << i;
    Register();
  }
  EXPECT_EQ(counters().wrong, 5u);
  EXPECT_THAT(world_.sipctl->notes.notices, Contains(HasSubstr("10.0.0.3 has guessed 5 wrong")));
  world_.pbx.Clear();
  LogInAs("pbx1", "secret");
  Register();
  EXPECT_TRUE(world_.pbx.responses.empty());
  EXPECT_GE(counters().silenced, 1u);
  EXPECT_FALSE(world_.sipctl->doorkeeper->MayKnock(world_.network.host(3)->address()));
  world_.Run(300'000);
  world_.pbx.Clear();
  LogIn();
}

// Behind one address there may be many: who guesses there is silent for himself alone.
TEST_P(DoorkeeperTest, AGuesserSilencesNobodyBehindTheSameNat) {
  LogIn();
  LogInAs("nobody", "guess");
  Register();
  for (int i = 0; i < 5; ++i) Register();
  world_.pbx.Clear();
  Register();
  EXPECT_TRUE(world_.pbx.responses.empty());
  LogInAs("pbx1", "secret");
  LogIn();
}

TEST_P(DoorkeeperTest, AnAnswerIsGoodOnce) {
  Register();
  std::string seen;
  Register([](Message*) {});
  ASSERT_EQ(world_.pbx.status(), 200);
  world_.pbx.Ask(1, Method::kRegister, [&](Message* request) {
    request->to.uri.user = "pbx1";
    Authorize(request);
    seen = *request->Other("Authorization");
  });
  world_.Run(100);
  ASSERT_EQ(world_.pbx.status(), 200);
  world_.pbx.Ask(1, Method::kRegister, [&](Message* request) {
    request->to.uri.user = "pbx1";
    request->others.push_back({"Authorization", seen});
  });
  world_.Run(100);
  ASSERT_EQ(world_.pbx.status(), 401);
  EXPECT_TRUE(sip::ReadChallenges(world_.pbx.last()).front().stale);
  EXPECT_EQ(counters().stale, 1u);
  EXPECT_EQ(counters().wrong, 0u);
}

TEST_P(DoorkeeperTest, NobodyRegistersAnotherOne) {
  Register();
  Register([](Message* request) { request->to.uri.user = "pbx2"; });
  EXPECT_EQ(world_.pbx.status(), 403);
  EXPECT_EQ(counters().misused, 1u);
}

TEST_P(DoorkeeperTest, AUserOfAnotherListenerIsNotHere) {
  trunk::Trunk& pbx = world_.config->trunks[1];
  pbx.any_access_listener = false;
  pbx.listener = 1 - pbx.listener;
  Register();
  Register();
  EXPECT_EQ(world_.pbx.status(), 403);
}

TEST_P(DoorkeeperTest, WhereNobodyHasLoggedInIs480) {
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 480);
  LogIn();
  world_.Run(600'000);  // and not again
  world_.carrier.Clear();
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 480);
}

TEST_P(DoorkeeperTest, AtAListenerOfTrunksNothingHasChanged) {
  world_.carrier.Ask(1, Method::kRegister);
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 405);
  EXPECT_EQ(counters().challenged, 0u);
}

TEST_P(DoorkeeperTest, ThereIsALimitForStrangers) {
  const sip::SocketAddress stranger = *sip::ParseSocketAddress("192.0.2.9:5060");
  int let_in = 0;
  for (int i = 0; i < 100; ++i) {
    let_in += world_.sipctl->doorkeeper->MayKnock(stranger) ? 1 : 0;
  }
  EXPECT_EQ(let_in, 20);
  EXPECT_EQ(counters().limited, 80u);
  LogIn();
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(world_.sipctl->doorkeeper->MayKnock(world_.network.host(3)->address()));
  }
}

INSTANTIATE_TEST_SUITE_P(Over, DoorkeeperTest, testing::Values(Protocol::kUdp, Protocol::kTcp),
                         [](const auto& each) {
                           return std::string(sip::ProtocolName(each.param));
                         });

// A 200 that is lost: the repeated REGISTER, whose answer to the challenge was used already, gets
// the same one.
TEST(Doorkeeper, ARepeatedRequestIsNoReplay) {
  World world({.carrier = Protocol::kTcp, .pbx = Protocol::kUdp, .pbx_logs_in = true});
  const sip::Credentials credentials{.user = "pbx1", .password = "secret", .realm = "tandem"};
  sip::DigestClient client;
  const auto ask = [&] {
    world.pbx.Ask(1, Method::kRegister, [&](Message* request) {
      request->to.uri.user = "pbx1";
      client.Authorize(credentials, "c", request);
    });
  };
  ask();
  world.Run(100);
  ASSERT_TRUE(client.Accept(world.pbx.last(), credentials));
  int lost = 0;
  world.network.drop = [&](const sip::SipHost&, std::string_view bytes) {
    return bytes.starts_with("SIP/2.0 200") && lost++ == 0;
  };
  ask();
  world.Run(1000);
  EXPECT_EQ(lost, 2);
  EXPECT_EQ(world.pbx.status(), 200);
  EXPECT_EQ(world.sipctl->doorkeeper->counters().admitted, 1u);
}

// A call outlives the connection that it began on: whoever comes again is where it is now.
TEST(Doorkeeper, ACallFollowsItsPartyToAnotherConnection) {
  World world({.carrier = Protocol::kUdp, .pbx = Protocol::kTcp, .pbx_logs_in = true});
  const sip::Credentials credentials{.user = "pbx1", .password = "secret", .realm = "tandem"};
  sip::DigestClient client;
  const auto log_in = [&] {
    world.pbx.Ask(1, Method::kRegister, [&](Message* request) {
      request->to.uri.user = "pbx1";
      client.Authorize(credentials, "c", request);
    });
    world.Run(100);
  };
  log_in();
  ASSERT_TRUE(client.Accept(world.pbx.last(), credentials));
  log_in();
  world.Establish();
  world.network.BreakAllConnections();
  world.Run(100);
  EXPECT_TRUE(world.sipctl->registrar.Find(1, "+911234").empty());
  log_in();
  ASSERT_EQ(world.pbx.status(), 200);
  world.carrier.Bye();
  world.Run(100);
  EXPECT_NE(world.pbx.Got(Method::kBye), nullptr);
  world.ExpectNothingLeft();
}

// Its connection broke: there is no way to it until it comes again.
TEST(Doorkeeper, AConnectionThatBreaksTakesItsContactAlong) {
  World world({.carrier = Protocol::kUdp, .pbx = Protocol::kTcp, .pbx_logs_in = true});
  const sip::Credentials credentials{.user = "pbx1", .password = "secret", .realm = "tandem"};
  sip::DigestClient client;
  for (int i = 0; i < 2; ++i) {
    world.pbx.Ask(1, Method::kRegister, [&](Message* request) {
      request->to.uri.user = "pbx1";
      client.Authorize(credentials, "c", request);
    });
    world.Run(100);
    if (i == 0) {
      ASSERT_TRUE(client.Accept(world.pbx.last(), credentials));
    }
  }
  ASSERT_EQ(world.pbx.status(), 200);
  sip::Flow broken;
  world.sipctl->registrar.ForEach([&](const Registrar::View& view) {
    EXPECT_EQ(view.user, "pbx1");
    EXPECT_EQ(view.trunk, "pbx");
    EXPECT_THAT(view.from, HasSubstr(" over TCP"));
  });
  const auto ways = world.sipctl->registrar.Find(1, "+911234");
  ASSERT_EQ(ways.size(), 1u);
  broken = ways[0].registration->flow;
  world.sipctl->doorkeeper->OnFlowBroken(broken, absl::UnavailableError("reset"));
  EXPECT_TRUE(world.sipctl->registrar.Find(1, "+911234").empty());
}

}  // namespace
}  // namespace sipctl::call
