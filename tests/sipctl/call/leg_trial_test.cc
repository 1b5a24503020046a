// A call's INVITE on its way: the next address, and who we are.
#include <functional>
#include <map>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Method;
using ::testing::HasSubstr;

class LegTrialTest : public testing::Test {
 protected:
  // Where calls to the PBX go: 10.0.0.3 is there, 10.0.0.9 is nobody.
  void Destinations(const std::vector<std::string>& hosts) {
    trunk::Trunk& pbx = world_.config->trunks[1];
    pbx.destinations.clear();
    for (const std::string& host : hosts) {
      trunk::Destination destination;
      destination.host = host;
      destination.priority = static_cast<uint16_t>(pbx.destinations.size());
      pbx.destinations.push_back(destination);
    }
    world_.RestartSipctl();
    world_.Run(100);
  }
  void LogIn(const std::string& realm = "") {
    world_.sipctl->context.credentials = {nullptr, Credentials(realm)};
  }
  static std::shared_ptr<const sip::Credentials> Credentials(const std::string& realm) {
    return std::make_shared<const sip::Credentials>(
        sip::Credentials{.user = "u", .password = "p", .realm = realm});
  }
  void Call() {
    world_.carrier.Invite(1, "+911234", World::CarrierSdp());
    world_.Run(100);
  }
  size_t Invites() { return world_.pbx.Count(Method::kInvite); }
  const sip::Message& Invite() { return *world_.pbx.Got(Method::kInvite); }
  void Challenge(int status = 401, const std::string& more = "") {
    world_.pbx.Respond(status, {}, {}, [&](sip::Message* response) {
      response->others.push_back({status == 401 ? "WWW-Authenticate" : "Proxy-Authenticate",
                                  "Digest realm=\"r\", nonce=\"n1\", qop=\"auth\"" + more});
    });
    world_.Run(100);
  }
  static std::string Authorization(const sip::Message& message) {
    const std::string* value = message.Other("Authorization");
    return value == nullptr ? "(none)" : *value;
  }
  // An established call whose INVITE was challenged; `dress` is the 200's.
  void CallAndLogIn(const std::function<void(sip::Message*)>& dress = {}) {
    LogIn();
    Call();
    Challenge();
    world_.pbx.Respond(200, World::PbxSdp(), {}, dress);
    world_.Run(100);
  }
  static void RefreshByUpdate(sip::Message* response) {
    response->allow = {"INVITE", "ACK", "BYE", "UPDATE"};
    response->require.emplace_back("timer");
    response->others.push_back({"Session-Expires", "300;refresher=uac"});
  }
  void AnswerAndHangUp() {
    world_.pbx.Respond(200, World::PbxSdp());
    world_.Run(100);
    EXPECT_EQ(world_.carrier.status(), 200);
    EXPECT_EQ(world_.table().size(), 1u);
    world_.carrier.Bye();
    world_.Run(70'000);
    world_.ExpectNothingLeft();
  }

  World world_;
};

TEST_F(LegTrialTest, AfterFiveSecondsOfSilenceTheNextAddressIsTried) {
  Destinations({"10.0.0.9", "10.0.0.3"});
  Call();
  world_.Run(4'800);
  EXPECT_EQ(Invites(), 0u);
  world_.Run(300);
  ASSERT_EQ(Invites(), 1u);
  world_.pbx.Respond(486);
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 486);
  // The next call begins with the one that answered.
  world_.pbx.Clear();
  world_.carrier.Clear();
  Call();
  EXPECT_EQ(Invites(), 1u);
  AnswerAndHangUp();
}

TEST_F(LegTrialTest, AServerThatCannotIsPassedOver) {
  for (const int status : {500, 502, 503, 504, 408}) {
    world_.pbx.Clear();
    Destinations({"10.0.0.3", "10.0.0.3"});
    Call();
    ASSERT_EQ(Invites(), 1u) << status;
    const std::string first_call_id = Invite().call_id;
    world_.pbx.Respond(status);
    world_.Run(100);
    ASSERT_EQ(Invites(), 2u) << status;
    EXPECT_NE(Invite().call_id, first_call_id);
    AnswerAndHangUp();
  }
}

TEST_F(LegTrialTest, ARetryAfterHoldsForTenMinutesAtMost) {
  Destinations({"10.0.0.3", "10.0.0.9"});
  Call();
  ASSERT_EQ(Invites(), 1u);
  world_.pbx.Respond(503, {}, {}, [](sip::Message* response) { response->retry_after = 864'000; });
  world_.Run(100);
  const auto first = [this] {
    return sip::ToString(world_.sipctl->destinations.Order(1).at(0).target.address);
  };
  EXPECT_THAT(first(), HasSubstr("10.0.0.9"));
  world_.Run(599'000);
  EXPECT_THAT(first(), HasSubstr("10.0.0.9"));
  world_.Run(1'000);
  EXPECT_THAT(first(), HasSubstr("10.0.0.3"));
}

TEST_F(LegTrialTest, WhatTheCalleeSaysIsAnAnswer) {
  for (const int status : {403, 404, 480, 486, 488, 600, 603}) {
    world_.pbx.Clear();
    world_.carrier.Clear();
    Destinations({"10.0.0.3", "10.0.0.3"});
    Call();
    world_.pbx.Respond(status);
    world_.Run(40'000);
    EXPECT_EQ(Invites(), 1u) << status;
    EXPECT_EQ(world_.carrier.status(), status);
  }
}

TEST_F(LegTrialTest, OnceItRangNothingElseIsTried) {
  Destinations({"10.0.0.3", "10.0.0.3"});
  Call();
  world_.pbx.Respond(180);
  world_.Run(20'000);  // longer than the silence that would count
  world_.pbx.Respond(503);
  world_.Run(1'000);
  EXPECT_EQ(Invites(), 1u);
  EXPECT_EQ(world_.carrier.status(), 503);
}

TEST_F(LegTrialTest, ACallerWhoGaveUpIsNotTriedFor) {
  Destinations({"10.0.0.9", "10.0.0.3"});
  Call();
  world_.carrier.Cancel();
  world_.Run(70'000);
  EXPECT_EQ(Invites(), 0u);
  world_.ExpectNothingLeft();
}

TEST_F(LegTrialTest, WhenAllAreTriedTheCallerHearsOfIt) {
  Destinations({"10.0.0.3", "10.0.0.3"});
  Call();
  world_.pbx.Respond(503);
  world_.Run(100);
  world_.pbx.Respond(503);
  world_.Run(100);
  EXPECT_EQ(Invites(), 2u);
  EXPECT_EQ(world_.carrier.status(), 503);
  world_.Run(40'000);
  world_.ExpectNothingLeft();
}

TEST_F(LegTrialTest, AnUnknownNameIsNoDestinationUntilItHasAnAddress) {
  world_.config->trunks[1].destinations.clear();
  trunk::Destination named;
  named.host = "pbx.example.test";
  world_.config->trunks[1].destinations.push_back(named);
  world_.RestartSipctl();
  world_.Run(100);
  Call();
  EXPECT_EQ(world_.carrier.status(), 503);
  world_.sipctl->resolver.Addresses("pbx.example.test", 60, {"10.0.0.3"});
  world_.Run(20'000);
  Call();
  ASSERT_EQ(Invites(), 1u);
  EXPECT_EQ(Invite().request_uri.host, "pbx.example.test");
  AnswerAndHangUp();
}

TEST_F(LegTrialTest, AHostedPlatformIsCalledByItsWholeUri) {
  Destinations({"10.0.0.3"});
  world_.config->trunks[1].destinations[0].user = "proj_x";
  Call();
  EXPECT_EQ(Invite().request_uri.ToString(), "sip:proj_x@10.0.0.3");
  EXPECT_EQ(Invite().to.uri.user, "proj_x");
  AnswerAndHangUp();
}

// ---- who we are --------------------------------------------------------------------------------

TEST_F(LegTrialTest, AChallengeIsAnsweredOnceInTheSameCall) {
  LogIn();
  Call();
  EXPECT_EQ(Authorization(Invite()), "(none)");
  const sip::Message first = Invite();
  Challenge();
  ASSERT_EQ(Invites(), 2u);
  EXPECT_EQ(Invite().call_id, first.call_id);
  EXPECT_EQ(Invite().from.tag(), first.from.tag());
  EXPECT_EQ(Invite().cseq.number, first.cseq.number + 1);
  EXPECT_THAT(Authorization(Invite()), HasSubstr("nc=00000001"));
  Challenge();
  EXPECT_EQ(Invites(), 2u);
  EXPECT_EQ(world_.carrier.status(), 502);
}

TEST_F(LegTrialTest, ByeSaysWhoWeAreAndIsSaidAgainWhenTheNonceIsOld) {
  world_.pbx.answer_bye = false;
  CallAndLogIn();
  world_.carrier.Bye();
  world_.Run(100);
  ASSERT_EQ(world_.pbx.Count(Method::kBye), 1u);
  const sip::Message bye = *world_.pbx.Got(Method::kBye);
  EXPECT_THAT(Authorization(bye), HasSubstr("nc=00000002"));
  sip::Message refusal = sip::MakeResponse(bye, 401);
  refusal.others.push_back(
      {"WWW-Authenticate", "Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", stale=true"});
  world_.pbx.answer_bye = true;
  world_.pbx.layer().Respond(world_.pbx.requests.back().id, std::move(refusal));
  world_.Run(10'000);
  ASSERT_EQ(world_.pbx.Count(Method::kBye), 2u);
  EXPECT_EQ(world_.pbx.Got(Method::kBye)->cseq.number, bye.cseq.number + 1);
  EXPECT_THAT(Authorization(*world_.pbx.Got(Method::kBye)), HasSubstr("nonce=\"n2\""));
  EXPECT_TRUE(world_.sipctl->context.farewells.empty());
}

// The simulation found it: the carrier went on with a call that nobody was in.
TEST_F(LegTrialTest, AnAnswerThatCrossesACancelIsHungUpByWhoWeAre) {
  LogIn();
  world_.pbx.answer_bye = false;
  Call();
  Challenge();
  world_.network.drop = [](const sip::SipHost&, std::string_view bytes) {
    return bytes.starts_with("CANCEL ") && bytes.find("@10.0.0.3") != bytes.npos;
  };
  world_.carrier.Cancel();
  world_.Run(100);
  ASSERT_EQ(world_.carrier.status(), 487);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  ASSERT_EQ(world_.pbx.Count(Method::kBye), 1u);
  const sip::Message bye = *world_.pbx.Got(Method::kBye);
  sip::Message refusal = sip::MakeResponse(bye, 401);
  refusal.others.push_back({"WWW-Authenticate", "Digest realm=\"r\", nonce=\"n2\", qop=\"auth\""});
  world_.pbx.answer_bye = true;
  world_.pbx.layer().Respond(world_.pbx.requests.back().id, std::move(refusal));
  world_.Run(100);
  ASSERT_EQ(world_.pbx.Count(Method::kBye), 2u);
  EXPECT_THAT(Authorization(*world_.pbx.Got(Method::kBye)), HasSubstr("nonce=\"n2\""));
  EXPECT_TRUE(world_.sipctl->context.farewells.empty());
}

// RFC 3261 section 13.2.2.4.
TEST_F(LegTrialTest, TheAckCarriesTheCredentialsOfItsInvite) {
  LogIn();
  Call();
  Challenge();
  std::map<std::string, std::string> acks;  // by the branch that answered
  world_.network.on_arrival = [&](const sip::SipHost&, const sip::Message& message,
                                  const sip::Flow&) {
    if (message.is_request && message.method == Method::kAck) {
      acks[std::string(message.to.tag())] = Authorization(message);
    }
  };
  world_.pbx.Respond(200, World::PbxSdp(), "one");
  world_.pbx.Respond(200, World::PbxSdp(), "two");  // which we hang up
  world_.Run(100);
  EXPECT_EQ(acks["one"], Authorization(Invite()));
  EXPECT_EQ(acks["two"], Authorization(Invite()));
  world_.carrier.Bye();
  world_.Run(100);
  world_.ExpectNothingLeft();
}

// A nonce that has grown old between two refreshes is challenged without `stale` by many a
// registrar.
TEST_F(LegTrialTest, EachRefreshMayMeetAnotherNonce) {
  CallAndLogIn(RefreshByUpdate);
  int nonce = 2;
  world_.pbx.dress = [&](sip::Message* response) {
    const std::string now = "\"n" + std::to_string(nonce) + "\"";
    if (Authorization(world_.pbx.requests.back().message).find(now) == std::string::npos) {
      response->status = 401;
      response->others.push_back(
          {"WWW-Authenticate", "Digest realm=\"r\", nonce=" + now + ", qop=\"auth\""});
      return;
    }
    ++nonce;
    response->require.emplace_back("timer");
    response->others.push_back({"Session-Expires", "300;refresher=uac"});
  };
  world_.Run(5 * 151'000);
  EXPECT_EQ(nonce, 7);
  EXPECT_EQ(world_.pbx.Count(Method::kUpdate), 10u);
  EXPECT_EQ(world_.table().size(), 1u);
  world_.pbx.dress = {};
  world_.carrier.Bye();
  world_.Run(100);
  world_.ExpectNothingLeft();
}

// A re-INVITE that is refused for what it offers was let in: the next challenge is a new one.
TEST_F(LegTrialTest, ARefusalThatIsNoChallengeEndsTheCountOfTries) {
  world_.pbx.busy_with_reinvites = true;
  CallAndLogIn();
  for (int i = 0; i < 3; ++i) {
    const size_t before = Invites();
    world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2 + i));
    world_.Run(100);
    ASSERT_EQ(Invites(), before + 1);
    Challenge(401);
    ASSERT_EQ(Invites(), before + 2) << i;
    world_.pbx.Respond(488);
    world_.Run(100);
    EXPECT_EQ(world_.carrier.status(), 488);
  }
  world_.carrier.Bye();
  world_.Run(100);
  world_.ExpectNothingLeft();
}

// A CSeq number is one request's: a challenged one takes the next that is free.
TEST_F(LegTrialTest, AnUpdateAndAReinviteThatAreBothChallengedShareNoNumber) {
  world_.pbx.busy_with_reinvites = true;
  CallAndLogIn(RefreshByUpdate);
  world_.pbx.dress = [&](sip::Message* response) {
    if (Authorization(world_.pbx.requests.back().message).find("n2") != std::string::npos) return;
    response->status = 401;
    response->others.push_back(
        {"WWW-Authenticate", "Digest realm=\"r\", nonce=\"n2\", qop=\"auth\""});
  };
  // The first UPDATE is lost, so that the re-INVITE finds it open.
  world_.network.drop = [](const sip::SipHost&, std::string_view bytes) {
    return bytes.starts_with("UPDATE ");
  };
  world_.Run(150'000);
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(50);
  world_.network.drop = {};
  ASSERT_EQ(Invites(), 3u);
  world_.Run(600);
  ASSERT_EQ(world_.pbx.Count(Method::kUpdate), 2u);
  Challenge(401, ", stale=true");
  ASSERT_EQ(Invites(), 4u);
  std::set<uint32_t> numbers;
  for (const auto& request : world_.pbx.requests) numbers.insert(request.message.cseq.number);
  EXPECT_EQ(numbers.size(), world_.pbx.requests.size());
  world_.pbx.Respond(200, World::PbxSdp("recvonly", 2));
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  world_.carrier.Bye();
  world_.Run(100);
  world_.ExpectNothingLeft();
}

TEST_F(LegTrialTest, AReinviteIsAnsweredForToo) {
  world_.pbx.busy_with_reinvites = true;
  CallAndLogIn();
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(100);
  ASSERT_EQ(Invites(), 3u);
  EXPECT_THAT(Authorization(Invite()), HasSubstr("nc=00000002"));
  Challenge(401, ", stale=true");
  ASSERT_EQ(Invites(), 4u);
  world_.pbx.Respond(200, World::PbxSdp("recvonly", 2));
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
}

TEST_F(LegTrialTest, NobodyElseIsTold) {
  LogIn("another realm");
  Call();
  Challenge(407);
  EXPECT_EQ(Invites(), 1u);
  EXPECT_EQ(world_.carrier.status(), 502);
  // Who calls us is not told who we are, whatever he asks.
  world_.sipctl->context.credentials = {Credentials(""), nullptr};
  world_.pbx.Clear();
  world_.carrier.Clear();
  Call();
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  world_.pbx.Bye();
  world_.Run(100);
  ASSERT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_TRUE(world_.sipctl->context.farewells.empty());
}

}  // namespace
}  // namespace sipctl::call
