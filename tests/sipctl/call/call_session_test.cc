// PRACK, UPDATE and session timers: what keeps a dialog going beside its INVITEs.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using relay::abi::kLegReceives;
using relay::abi::kLegSends;
using sip::Message;
using sip::Method;
using testing::HasSubstr;

void AddOffer(Message* message, const std::string& sdp) {
  message->content_type = "application/sdp";
  message->body = sdp;
}

std::function<void(Message*)> Expires(const std::string& value) {
  return [value](Message* message) {
    message->supported.emplace_back("timer");
    message->others.push_back({"Session-Expires", value});
  };
}

std::string ExpiresOf(const Message& message) {
  const std::string* value = message.Other("Session-Expires");
  return value == nullptr ? "" : *value;
}

class CallSessionTest : public testing::Test {
 protected:
  // The carrier calls and the PBX answers; each as told.
  void Establish(const std::function<void(Message*)>& invite,
                 const std::function<void(Message*)>& answer) {
    world_.carrier.Invite(1, "+911234", World::CarrierSdp(), invite);
    world_.Run(100);
    world_.pbx.Respond(200, World::PbxSdp(), {}, answer);
    world_.Run(100);
    ASSERT_EQ(world_.carrier.status(), 200);
    answer_ = world_.carrier.last();
    world_.carrier.Clear();
  }
  void HangUp() {
    world_.carrier.Bye();
    world_.Run(200);
    world_.ExpectNothingLeft();
  }

  World world_;
  Message answer_;  // to the carrier's INVITE
};

// ---- session timers -----------------------------------------------------------------------------

TEST_F(CallSessionTest, EachLegAgreesOnItsOwnTimer) {
  Establish(Expires("600;refresher=uac"), Expires("300;refresher=uac"));
  EXPECT_EQ(ExpiresOf(answer_), "600;refresher=uac");
  EXPECT_THAT(answer_.require, testing::ElementsAre("timer"));
  EXPECT_EQ(ExpiresOf(*world_.pbx.Got(Method::kInvite)), "1800");
  EXPECT_THAT(world_.pbx.Got(Method::kInvite)->supported, testing::ElementsAre("timer"));
  world_.pbx.Clear();
  world_.pbx.reinvite_answer = World::PbxSdp();
  world_.pbx.dress = Expires("300;refresher=uac");
  // The PBX is refreshed by us every 150 s; the carrier refreshes us every 300 s.
  for (int i = 1; i <= 6; ++i) {
    world_.Run(150'000);
    EXPECT_EQ(world_.pbx.Count(Method::kInvite), static_cast<size_t>(i));
    EXPECT_EQ(ExpiresOf(*world_.pbx.Got(Method::kInvite)), "300;refresher=uac");
    if (i % 2 == 0) {
      world_.carrier.Send(Method::kUpdate, Expires("600;refresher=uac"));
      world_.Run(50);
      EXPECT_EQ(world_.carrier.status(), 200);
      EXPECT_EQ(ExpiresOf(world_.carrier.last()), "600;refresher=uac");
    }
  }
  EXPECT_EQ(world_.carrier.Count(Method::kInvite) + world_.carrier.Count(Method::kUpdate), 0u);
  EXPECT_EQ(world_.table().size(), 1u);
  HangUp();
}

TEST_F(CallSessionTest, ARefreshRepeatsTheSessionAsItIs) {
  Establish({}, Expires("300;refresher=uac"));
  const std::string first = world_.pbx.Got(Method::kInvite)->body;
  world_.pbx.reinvite_answer = World::PbxSdp();
  world_.Run(151'000);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 2u);
  EXPECT_EQ(world_.pbx.Got(Method::kInvite)->body, first) << "o= has the same version";
  HangUp();
}

TEST_F(CallSessionTest, WhoAllowsUpdateIsRefreshedByIt) {
  Establish({}, [](Message* response) {
    Expires("300;refresher=uac")(response);
    response->allow = {"INVITE", "ACK", "UPDATE"};
  });
  world_.pbx.dress = Expires("300;refresher=uac");
  world_.Run(151'000);
  EXPECT_EQ(world_.pbx.Count(Method::kUpdate), 1u);
  EXPECT_TRUE(world_.pbx.Got(Method::kUpdate)->body.empty());
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  // It says 501 after all: a re-INVITE follows, and no UPDATE any more.
  world_.pbx.update_status = 501;
  world_.pbx.reinvite_answer = World::PbxSdp();
  world_.Run(160'000);
  EXPECT_EQ(world_.pbx.Count(Method::kUpdate), 2u);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 2u);
  world_.Run(160'000);
  EXPECT_EQ(world_.pbx.Count(Method::kUpdate), 2u);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 3u);
  HangUp();
}

// Exotel's Allow has neither UPDATE nor PRACK; an edge of it that says otherwise changes nothing.
TEST_F(CallSessionTest, WhatAProfileForbidsIsNotSent) {
  for (auto& trunk : world_.config->trunks) {
    trunk.methods_not_sent = trunk::FindProfile("exotel")->methods_not_sent;
  }
  const auto lacks = testing::Not(testing::Contains(testing::AnyOf("UPDATE", "PRACK")));
  world_.carrier.Ask(1, Method::kOptions);
  world_.Run(100);
  ASSERT_EQ(world_.carrier.status(), 200);
  EXPECT_THAT(world_.carrier.last().allow, lacks);
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  world_.pbx.Respond(183, World::PbxSdp(), {}, [](Message* response) {
    response->require = {"100rel"};
    response->rseq = 7;
    response->allow = {"INVITE", "ACK", "UPDATE", "PRACK"};
  });
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 183);
  EXPECT_FALSE(world_.carrier.last().body.empty()) << "early media all the same";
  world_.pbx.Respond(200, World::PbxSdp(), {}, [](Message* response) {
    Expires("300;refresher=uac")(response);
    response->allow = {"INVITE", "ACK", "UPDATE", "PRACK"};
  });
  world_.Run(100);
  ASSERT_EQ(world_.carrier.status(), 200);
  world_.pbx.reinvite_answer = World::PbxSdp();
  world_.pbx.dress = Expires("300;refresher=uac");
  world_.Run(151'000);
  EXPECT_EQ(world_.pbx.Count(Method::kPrack), 0u);
  EXPECT_EQ(world_.pbx.Count(Method::kUpdate), 0u);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 2u) << "refreshed";
  EXPECT_THAT(world_.pbx.Got(Method::kInvite)->allow, lacks);
  EXPECT_THAT(world_.carrier.last().allow, lacks);
  EXPECT_THAT(world_.carrier.last().allow, testing::Contains("INFO"));
  HangUp();
}

TEST_F(CallSessionTest, APeerThatDoesNotRefreshIsHungUp) {
  Establish(Expires("90;refresher=uac"), {});
  world_.Run(59'000);
  EXPECT_EQ(world_.table().size(), 1u);
  world_.Run(2'000);
  EXPECT_EQ(world_.table().size(), 0u);
  ASSERT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_THAT(*world_.carrier.Got(Method::kBye)->Other("Reason"), HasSubstr("SIP;cause=408"));
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  EXPECT_THAT(world_.cdrs().at(0).reason, HasSubstr("not refreshed"));
  world_.ExpectNothingLeft();
}

TEST_F(CallSessionTest, APeerWithoutTimersHasNone) {
  Establish({}, {});
  EXPECT_EQ(ExpiresOf(answer_), "");
  world_.Run(4'000'000);
  EXPECT_EQ(world_.table().size(), 1u);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  HangUp();
}

// The simulation found it: an UPDATE that crossed the 200 took the caller's timer away here alone,
// and it hung up as nobody refreshed.
TEST_F(CallSessionTest, AnUpdateWithoutATimerLeavesTheOneThatIsOurs) {
  for (const bool ours : {true, false}) {
    Establish(Expires(ours ? "90;refresher=uas" : "90;refresher=uac"), {});
    world_.carrier.reinvite_answer = World::CarrierSdp();
    world_.carrier.Send(Method::kUpdate, [](Message*) {});
    world_.Run(100);
    ASSERT_EQ(world_.carrier.status(), 200);
    EXPECT_EQ(ExpiresOf(world_.carrier.last()), ours ? "90;refresher=uas" : "");
    world_.carrier.Clear();
    world_.Run(80'000);
    EXPECT_EQ(world_.carrier.Count(Method::kInvite), ours ? 1u : 0u);
    EXPECT_EQ(world_.table().size(), 1u);
    HangUp();
  }
}

TEST_F(CallSessionTest, ATrunkWithoutTimersAsksForNone) {
  for (auto& trunk : world_.config->trunks) trunk.session_expires_ns = 0;
  Establish(Expires("90;refresher=uac"), Expires("90;refresher=uac"));
  EXPECT_EQ(ExpiresOf(answer_), "");
  EXPECT_EQ(ExpiresOf(*world_.pbx.Got(Method::kInvite)), "");
  world_.Run(1'000'000);
  EXPECT_EQ(world_.table().size(), 1u);
  HangUp();
}

TEST_F(CallSessionTest, TooShortIsRefusedWith422) {
  world_.carrier.Invite(1, "+911234", World::CarrierSdp(), Expires("60"));
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 422);
  EXPECT_EQ(*world_.carrier.last().Other("Min-SE"), "90");
  world_.ExpectNothingLeft();
  Establish({}, {});
  world_.carrier.Send(Method::kUpdate, Expires("60"));
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 422);
  HangUp();
}

TEST_F(CallSessionTest, AfterA422TheInviteAsksForMore) {
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  const Message first = *world_.pbx.Got(Method::kInvite);
  world_.pbx.Respond(422, {}, {}, [](Message* response) {
    response->others.push_back({"Min-SE", "3600"});
  });
  world_.Run(100);
  ASSERT_EQ(world_.pbx.Count(Method::kInvite), 2u);
  const Message second = *world_.pbx.Got(Method::kInvite);
  EXPECT_EQ(second.call_id, first.call_id);
  EXPECT_EQ(second.from.tag(), first.from.tag());
  EXPECT_EQ(second.cseq.number, first.cseq.number + 1);
  EXPECT_EQ(ExpiresOf(second), "3600");
  EXPECT_EQ(*second.Other("Min-SE"), "3600");
  EXPECT_EQ(second.body, first.body);
  world_.pbx.Respond(422, {}, {}, [](Message* response) {
    response->others.push_back({"Min-SE", "3600"});
  });
  world_.Run(100);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 2u) << "once more would not help";
  EXPECT_EQ(world_.carrier.status(), 500);
  world_.Run(100);
  world_.ExpectNothingLeft();
}

// A peer that always wants more must not be asked for ever, nor for a session of years.
TEST_F(CallSessionTest, A422IsFollowedTwiceAndUpToADay) {
  const auto refuse = [this](const std::string& min_se) {
    world_.pbx.Respond(422, {}, {}, [&](Message* response) {
      response->others.push_back({"Min-SE", min_se});
    });
    world_.Run(100);
  };
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  refuse("2000");
  refuse("2100");
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 3u);
  refuse("2200");
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 3u);
  EXPECT_EQ(world_.carrier.status(), 500);
  world_.pbx.Clear();
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  refuse("86401");
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 1u);
  EXPECT_EQ(world_.carrier.status(), 500);
  world_.Run(100);
  world_.ExpectNothingLeft();
}

TEST_F(CallSessionTest, TheRefresherMayChange) {
  Establish(Expires("600;refresher=uac"), {});
  world_.carrier.Send(Method::kUpdate, Expires("600;refresher=uas"));
  world_.Run(100);
  EXPECT_EQ(ExpiresOf(world_.carrier.last()), "600;refresher=uas");
  world_.carrier.reinvite_answer = World::CarrierSdp();
  world_.carrier.dress = Expires("600;refresher=uas");
  world_.Run(301'000);
  EXPECT_EQ(world_.carrier.Count(Method::kInvite), 1u) << "now it is ours";
  world_.Run(301'000);
  EXPECT_EQ(world_.carrier.Count(Method::kInvite), 1u) << "and now it is theirs again";
  HangUp();
}

TEST_F(CallSessionTest, ARefreshThatMeetsGlareIsTriedAgain) {
  Establish({}, Expires("300;refresher=uac"));
  world_.pbx.reinvite_status = 491;
  world_.Run(150'500);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 2u);
  world_.pbx.reinvite_status = 0;
  world_.pbx.reinvite_answer = World::PbxSdp();
  world_.pbx.dress = Expires("300;refresher=uac");
  world_.Run(5'000);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 3u);
  world_.Run(140'000);
  EXPECT_EQ(world_.table().size(), 1u);
  HangUp();
}

TEST_F(CallSessionTest, ARefreshThatNobodyAnswersEndsTheCall) {
  Establish({}, Expires("300;refresher=uac"));
  world_.network.host(3)->set_up(false);
  world_.Run(150'000 + 33'000);
  EXPECT_EQ(world_.table().size(), 0u);
  EXPECT_EQ(world_.carrier.Count(Method::kBye), 1u);
  world_.Run(40'000);
  world_.ExpectNothingLeft();
}

// ---- UPDATE with an offer -----------------------------------------------------------------------

TEST_F(CallSessionTest, AnUpdateHoldsTheCall) {
  Establish({}, {});
  world_.pbx.reinvite_answer = World::PbxSdp("recvonly", 2);
  world_.carrier.Send(Method::kUpdate,
                      [](Message* m) { AddOffer(m, World::CarrierSdp("sendonly", 2)); });
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_THAT(world_.carrier.last().body, HasSubstr("a=recvonly"));
  EXPECT_EQ(world_.RelayLeg(0).plan.direction, kLegReceives);
  EXPECT_EQ(world_.RelayLeg(1).plan.direction, kLegSends);
  HangUp();
}

TEST_F(CallSessionTest, AnUpdateInAnOpenExchangeIsOverlapOrGlare) {
  Establish({}, {});
  world_.pbx.busy_with_reinvites = true;
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(50);
  world_.carrier.Send(Method::kUpdate,
                      [](Message* m) { AddOffer(m, World::CarrierSdp("inactive", 3)); });
  world_.pbx.Send(Method::kUpdate, [](Message* m) { AddOffer(m, World::PbxSdp("inactive", 2)); });
  world_.Run(50);
  ASSERT_NE(world_.carrier.WithStatus(500), nullptr);
  EXPECT_TRUE(world_.carrier.WithStatus(500)->retry_after.has_value());
  EXPECT_NE(world_.pbx.WithStatus(491), nullptr);
  // One without an offer is nobody's business but ours.
  world_.carrier.Send(Method::kUpdate);
  world_.Run(50);
  EXPECT_EQ(world_.carrier.status(), 200);
  world_.pbx.Respond(200, World::PbxSdp("recvonly", 2));
  world_.Run(100);
  HangUp();
}

TEST_F(CallSessionTest, AnUpdateBeforeTheFirstAnswer) {
  world_.carrier.early_dialogs = true;
  world_.pbx.early_dialogs = true;
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  world_.pbx.Respond(183, World::PbxSdp());
  world_.Run(100);
  // Neither side's answer was reliable: both offers are open still.
  world_.carrier.Send(Method::kUpdate, [](Message* m) { AddOffer(m, World::CarrierSdp()); });
  world_.pbx.Send(Method::kUpdate, [](Message* m) { AddOffer(m, World::PbxSdp()); });
  world_.Run(100);
  EXPECT_NE(world_.carrier.WithStatus(500), nullptr);
  EXPECT_NE(world_.pbx.WithStatus(491), nullptr);
  world_.pbx.Send(Method::kUpdate);
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 200);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  HangUp();
}

// ---- reliable provisional answers ---------------------------------------------------------------

class ReliableTest : public CallSessionTest {
 protected:
  void Invite(const std::string& sdp = World::CarrierSdp()) {
    world_.carrier.early_dialogs = true;
    world_.carrier.Invite(1, "+911234", sdp,
                          [](Message* invite) { invite->require.emplace_back("100rel"); });
    world_.Run(100);
    ASSERT_EQ(world_.pbx.Count(Method::kInvite), 1u);
    EXPECT_TRUE(world_.pbx.Got(Method::kInvite)->require.empty()) << "each leg for itself";
  }
  void Prack(const Message& response, const std::string& sdp = {}) {
    world_.carrier.Send(Method::kPrack, [&](Message* prack) {
      prack->rack = sip::RAck{.rseq = *response.rseq, .cseq = response.cseq};
      if (!sdp.empty()) AddOffer(prack, sdp);
    });
    world_.Run(50);
  }
};

TEST_F(ReliableTest, ACallerThatRequiresItGetsReliableAnswers) {
  Invite();
  world_.pbx.Respond(180);
  world_.Run(50);
  const Message ringing = world_.carrier.last();
  EXPECT_EQ(ringing.status, 180);
  EXPECT_THAT(ringing.require, testing::ElementsAre("100rel"));
  ASSERT_TRUE(ringing.rseq);
  world_.pbx.Respond(183, World::PbxSdp());
  world_.Run(4000);
  EXPECT_EQ(world_.carrier.WithStatus(183), nullptr) << "one at a time";
  EXPECT_EQ(world_.carrier.CountStatus(180), 4u) << "after 0.5, 1.5 and 3.5 s again";
  Prack(ringing);
  EXPECT_EQ(world_.carrier.CountStatus(200), 1u);
  ASSERT_NE(world_.carrier.WithStatus(183), nullptr);
  const Message progress = *world_.carrier.WithStatus(183);
  EXPECT_EQ(*progress.rseq, *ringing.rseq + 1);
  Prack(ringing);
  EXPECT_NE(world_.carrier.WithStatus(481), nullptr) << "acknowledged already";
  // The answer waits for the PRACK of the 183, which carries ours.
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.pbx.acks.size(), 1u);
  EXPECT_EQ(world_.carrier.CountStatus(200), 1u);
  Prack(progress);
  ASSERT_EQ(world_.carrier.CountStatus(200), 3u);
  EXPECT_EQ(world_.carrier.last().method, Method::kInvite);
  EXPECT_TRUE(world_.carrier.last().body.empty()) << "it has the answer";
  EXPECT_EQ(world_.carrier.dialog->state, sip::DialogState::kConfirmed);
  HangUp();
}

// RFC 3262 section 3: where it is acknowledged, a new one each two and a half minutes.
TEST_F(ReliableTest, WhatRingsLongSaysSoAgain) {
  world_.config->trunks[1].ring_timeout_ns = 600'000'000'000;
  Invite();
  world_.pbx.Respond(183, World::PbxSdp());
  world_.Run(50);
  world_.network.drop = [](const sip::SipHost& from, std::string_view bytes) {
    return from.address().address.bytes[15] == 3 && bytes.starts_with("SIP/2.0 183");
  };
  const Message first = world_.carrier.last();
  ASSERT_FALSE(first.body.empty());
  Prack(first);
  world_.Run(149'000);
  EXPECT_EQ(world_.carrier.CountStatus(183), 1u);
  world_.Run(1'200);
  ASSERT_EQ(world_.carrier.CountStatus(183), 2u);
  const Message second = world_.carrier.last();
  EXPECT_EQ(*second.rseq, *first.rseq + 1);
  EXPECT_TRUE(second.body.empty());
  Prack(second);
  world_.Run(60'000);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.last().method, Method::kInvite);
  EXPECT_EQ(world_.carrier.status(), 200);
  world_.Run(200'000);
  EXPECT_EQ(world_.carrier.CountStatus(183), 2u);
  HangUp();
}

TEST_F(ReliableTest, WithoutAPrackTheCallEnds) {
  Invite();
  world_.pbx.Respond(180);
  world_.Run(33'000);
  EXPECT_EQ(world_.carrier.status(), 504);
  EXPECT_EQ(world_.pbx.cancels.size(), 1u);
  world_.Run(40'000);
  world_.ExpectNothingLeft();
}

TEST_F(ReliableTest, GivingUpWhileAPrackIsOutstanding) {
  Invite();
  world_.pbx.Respond(183, World::PbxSdp());
  world_.Run(50);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(50);
  world_.carrier.Cancel();
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 487);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  world_.ExpectNothingLeft();
  // The simulation found it: the record said that the call was answered.
  EXPECT_FALSE(world_.cdrs().at(0).answered);
  EXPECT_EQ(world_.cdrs().at(0).status, 487);
}

TEST_F(ReliableTest, AfterAReliableAnswerOffersAreOpenAgain) {
  Invite();
  world_.pbx.Respond(183, World::PbxSdp());
  world_.Run(50);
  const Message progress = world_.carrier.last();
  Prack(progress, World::CarrierSdp("sendonly", 2));
  EXPECT_EQ(world_.carrier.last().method, Method::kPrack);
  EXPECT_THAT(world_.carrier.last().body, HasSubstr("a=recvonly"));
  EXPECT_EQ(world_.RelayLeg(0).plan.direction, kLegReceives);
  world_.carrier.Send(Method::kUpdate, [](Message* m) {
    AddOffer(m, World::CarrierSdp("sendrecv", 3));
    m->contact[0].uri.user = "moved";
  });
  world_.Run(50);
  EXPECT_EQ(world_.carrier.last().method, Method::kUpdate);
  EXPECT_THAT(world_.carrier.last().body, HasSubstr("a=sendrecv"));
  EXPECT_EQ(world_.RelayLeg(0).plan.direction, kLegReceives | kLegSends);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  world_.pbx.Bye();
  world_.Run(200);
  ASSERT_EQ(world_.carrier.Count(Method::kBye), 1u);
  EXPECT_EQ(world_.carrier.Got(Method::kBye)->request_uri.user, "moved")
      << "not what the INVITE said";
  world_.ExpectNothingLeft();
}

// A user may come by another access listener than its trunk's first one: what it is told leads
// there.
TEST(CallSession, TheContactOfAnEarlyAnswerIsTheDialogs) {
  World world({.pbx = sip::Protocol::kTcp, .pbx_logs_in = true});
  world.config->trunks[1].listener = sip::SipHost::kUdp;
  sip::DigestClient client;
  const auto call = [&] {
    world.pbx.early_dialogs = true;
    world.pbx.Invite(1, "0991234", World::PbxSdp(), [&](Message* invite) {
      invite->require.emplace_back("100rel");
      if (world.pbx.status() != 401) return;
      const sip::Credentials credentials{.user = "pbx1", .password = "secret", .realm = "tandem"};
      client.Accept(world.pbx.last(), credentials);
      client.Authorize(credentials, "c", invite);
    });
    world.Run(100);
  };
  call();
  call();
  world.carrier.Respond(183, World::CarrierSdp());
  world.Run(50);
  ASSERT_EQ(world.pbx.status(), 183);
  const Message progress = world.pbx.last();
  const std::string contact = progress.contact.at(0).ToString();
  EXPECT_THAT(contact, HasSubstr("transport=tcp"));
  world.pbx.Send(Method::kPrack, [&](Message* prack) {
    prack->rack = sip::RAck{.rseq = *progress.rseq, .cseq = progress.cseq};
  });
  world.Run(50);
  world.pbx.Send(Method::kUpdate, [](Message* m) { AddOffer(m, World::PbxSdp("sendonly", 2)); });
  world.Run(50);
  ASSERT_EQ(world.pbx.last().method, Method::kUpdate);
  EXPECT_EQ(world.pbx.status(), 200);
  EXPECT_EQ(world.pbx.last().contact.at(0).ToString(), contact);
}

// Its first reliable answer would have to carry our offer, before we know what the PBX can do.
TEST_F(ReliableTest, ACallerWithoutAnOfferHearsNothingBeforeTheAnswer) {
  world_.carrier.ack_body = World::CarrierSdp();
  Invite("");
  world_.pbx.Respond(180);
  world_.Run(1000);
  EXPECT_EQ(world_.carrier.WithStatus(180), nullptr);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  HangUp();
}

TEST_F(CallSessionTest, AReliableAnswerOfTheFarSideCounts) {
  world_.pbx.early_dialogs = true;
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  const auto reliable = [](Message* response) {
    response->require.emplace_back("100rel");
    response->rseq = 7;
  };
  world_.pbx.Respond(183, World::PbxSdp(), {}, reliable);
  world_.Run(100);
  EXPECT_EQ(world_.pbx.Count(Method::kPrack), 1u);
  world_.pbx.Respond(183, World::PbxSdp(), {}, reliable);
  world_.Run(100);
  EXPECT_EQ(world_.pbx.Count(Method::kPrack), 1u) << "a repetition";
  EXPECT_TRUE(world_.carrier.WithStatus(183)->require.empty()) << "each leg for itself";
  // It may offer again at once, and what stands in its 2xx is ignored.
  world_.pbx.Send(Method::kUpdate, [](Message* m) {
    AddOffer(m, support::SdpText{.host = "192.0.2.3", .port = 6200, .version = 2}.ToString());
  });
  world_.Run(100);
  EXPECT_EQ(world_.pbx.status(), 200);
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6200);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.RelayLeg(1).plan.remote_rtp.port, 6200);
  HangUp();
}

// The simulation found it: the PRACK had taken the number that the BYE came with, so it got 500.
TEST_F(CallSessionTest, AStrayAnswerIsHungUpAboveThePrack) {
  world_.pbx.early_dialogs = true;
  world_.carrier.Invite(1, "+911234", World::CarrierSdp());
  world_.Run(100);
  world_.pbx.Respond(183, World::PbxSdp(), {}, [](Message* response) {
    response->require.emplace_back("100rel");
    response->rseq = 7;
  });
  world_.Run(100);
  ASSERT_EQ(world_.pbx.Count(Method::kPrack), 1u);
  world_.network.drop = [](const sip::SipHost&, std::string_view bytes) {
    return bytes.starts_with("CANCEL ") && bytes.find("@10.0.0.3") != bytes.npos;
  };
  world_.carrier.Cancel();
  world_.Run(50);
  world_.network.drop = nullptr;
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(100);
  ASSERT_EQ(world_.pbx.Count(Method::kBye), 1u);
  EXPECT_GT(world_.pbx.Got(Method::kBye)->cseq.number, world_.pbx.Got(Method::kPrack)->cseq.number);
  world_.Run(40'000);
  world_.ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
