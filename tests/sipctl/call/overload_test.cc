// Which new calls are turned away when the queue before us is too old, and that nothing else is.
#include "sipctl/call/overload.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Message;
using sip::Method;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr ShedLimits kLimits{.from_ms = 200, .all_ms = 400};
constexpr sip::Backlog kLate{.age = 1000, .full_percent = 100};

// Of 1000 new calls that have waited so, as others had for a while.
int TurnedAway(Shedding* shedding, const sip::Backlog& backlog) {
  static TimeMs now = 0;
  now += 1000;
  shedding->TurnsAway(backlog, kLimits, now);
  now += 100;
  int away = 0;
  for (int i = 0; i < 1000; ++i) away += shedding->TurnsAway(backlog, kLimits, now) ? 1 : 0;
  return away;
}

TEST(Shedding, BeginsAtItsLimitAndTakesAllAtTheOther) {
  Shedding shedding;
  EXPECT_EQ(TurnedAway(&shedding, {.age = 199}), 0);
  EXPECT_NEAR(TurnedAway(&shedding, {.age = 200}), 333, 1);
  EXPECT_NEAR(TurnedAway(&shedding, {.age = 250}), 500, 1);
  EXPECT_NEAR(TurnedAway(&shedding, {.age = 399}), 996, 1);
  EXPECT_EQ(TurnedAway(&shedding, {.age = 400}), 1000);
  EXPECT_EQ(TurnedAway(&shedding, {.age = 10'000}), 1000);
}

TEST(Shedding, EndsAtHalfOfWhereItBegan) {
  Shedding shedding;
  EXPECT_EQ(TurnedAway(&shedding, {.age = 150}), 0);
  TurnedAway(&shedding, {.age = 220});
  EXPECT_NEAR(TurnedAway(&shedding, {.age = 150}), 166, 1);
  EXPECT_EQ(TurnedAway(&shedding, {.age = 99}), 0);
  EXPECT_EQ(TurnedAway(&shedding, {.age = 150}), 0);
}

TEST(Shedding, ASocketThatIsAboutToLoseCountsTheSame) {
  Shedding shedding;
  EXPECT_EQ(TurnedAway(&shedding, {.age = 5, .full_percent = 74}), 0);
  EXPECT_NEAR(TurnedAway(&shedding, {.age = 5, .full_percent = 75}), 555, 1);
  EXPECT_NEAR(TurnedAway(&shedding, {.age = 5, .full_percent = 60}), 222, 1);
  EXPECT_EQ(TurnedAway(&shedding, {.age = 5, .full_percent = 95}), 1000);
  EXPECT_EQ(TurnedAway(&shedding, {.age = 5, .full_percent = 49}), 0);
  EXPECT_EQ(TurnedAway(&shedding, {.age = 5, .full_percent = 60}), 0);
}

TEST(Shedding, AMachineThatStoodStillHasNoOverload) {
  Shedding shedding;
  for (TimeMs now = 0; now < 100; ++now) {
    EXPECT_FALSE(shedding.TurnsAway({.age = 1000}, kLimits, now)) << "may be worked off";
  }
  EXPECT_TRUE(shedding.TurnsAway({.age = 1000}, kLimits, 100));
  EXPECT_FALSE(shedding.TurnsAway({.age = 99}, kLimits, 110)) << "it was";
  EXPECT_FALSE(shedding.TurnsAway({.age = 1000}, kLimits, 300)) << "the next time";
}

// On a quiet listener nothing fresh comes in between that would end it.
TEST(Shedding, WhatWasLateADayAgoSaysNothing) {
  Shedding shedding;
  constexpr TimeMs kDayMs = 86'400 * kSecondMs;
  for (TimeMs now = 1000; now < 4 * kDayMs; now += kDayMs) {
    EXPECT_FALSE(shedding.TurnsAway({.age = 1000}, kLimits, now)) << "stood still";
    EXPECT_FALSE(shedding.TurnsAway({.age = 1000}, kLimits, now + 99));
  }
  EXPECT_FALSE(shedding.TurnsAway({.age = 1000}, kLimits, 10 * kDayMs));
  EXPECT_FALSE(shedding.TurnsAway({.age = 1000}, kLimits, 10 * kDayMs + 50));
  EXPECT_TRUE(shedding.TurnsAway({.age = 1000}, kLimits, 10 * kDayMs + 100)) << "too much work";
}

TEST(Shedding, CanBeSwitchedOff) {
  Shedding shedding;
  EXPECT_TRUE(shedding.TurnsAway(kLate, kLimits, 1));
  EXPECT_FALSE(shedding.TurnsAway(kLate, {.from_ms = 0, .all_ms = 400}, 2));
  EXPECT_FALSE(shedding.TurnsAway({.age = 150}, kLimits, 3));
}

TEST(ShedMemory, KeepsForAtLeastTheLifeOfAnInviteAndThenForgets) {
  ShedMemory memory;
  EXPECT_FALSE(memory.Contains(7, 100'000));
  memory.Add(7, 100'000);
  EXPECT_TRUE(memory.Contains(7, 132'000));
  memory.Add(8, 132'500);
  EXPECT_TRUE(memory.Contains(8, 164'400));
  EXPECT_FALSE(memory.Contains(7, 164'600));
  EXPECT_FALSE(memory.Contains(8, 300'000));
  EXPECT_TRUE(memory.empty());
}

TEST(ShedMemory, IsBounded) {
  ShedMemory memory;
  for (uint64_t key = 0; key < 2'000'000; ++key) memory.Add(key, 1);
  EXPECT_LE(memory.size(), 2u << 18);
  EXPECT_TRUE(memory.Contains(1'999'999, 1));
}

class Stage {
 protected:
  explicit Stage(sip::Protocol protocol) : world_({.carrier = protocol, .pbx = protocol}) {}

  void SetBacklog(const sip::Backlog& backlog) { world_.network.host(1)->set_backlog(backlog); }
  void Invite() { world_.carrier.Invite(1, "+911234", World::CarrierSdp()); }
  const OverloadCounters& counters() { return world_.sipctl->doorkeeper->overload_counters(); }
  sip::TransactionLayer& layer() { return *world_.sipctl->layer; }

  World world_;
};

class OverloadTest : public testing::TestWithParam<sip::Protocol>, protected Stage {
 protected:
  OverloadTest() : Stage(GetParam()) {}
};

// Where INVITEs are repeated.
class UdpOverloadTest : public testing::Test, protected Stage {
 protected:
  UdpOverloadTest() : Stage(sip::Protocol::kUdp) {}
};

TEST_P(OverloadTest, ANewCallIsTurnedAwayWithoutState) {
  SetBacklog(kLate);
  Invite();
  world_.Run(100);
  ASSERT_EQ(world_.carrier.status(), 503);
  const Message& answer = world_.carrier.last();
  EXPECT_EQ(world_.carrier.responses.size(), 1u);  // no 100 before it
  ASSERT_TRUE(answer.retry_after);
  EXPECT_GE(*answer.retry_after, 1u);
  EXPECT_LE(*answer.retry_after, 3u);
  EXPECT_FALSE(answer.to.tag().empty());
  EXPECT_EQ(layer().size(), 0u);
  EXPECT_EQ(layer().counters().stray_acks, 0u);  // its ACK was expected
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  EXPECT_EQ(counters().shed, 1u);
  EXPECT_EQ(counters().shed_wait_ms_max, 1000u);
  world_.ExpectNothingLeft();
  // The next attempt is another INVITE.
  SetBacklog({});
  world_.Establish();
  EXPECT_EQ(counters().shed, 1u);
}

TEST_P(OverloadTest, HealthChecksAreAnswered) {
  SetBacklog(kLate);
  world_.carrier.Ask(1, Method::kOptions);
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(counters().shed, 0u);
}

TEST_P(OverloadTest, ACallThatIsUpGoesOn) {
  world_.Establish();
  SetBacklog(kLate);
  world_.pbx.reinvite_answer = World::PbxSdp("recvonly", 2);
  world_.carrier.Clear();
  world_.carrier.Reinvite(World::CarrierSdp("sendonly", 2));
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 200);
  world_.carrier.Clear();
  world_.carrier.Send(Method::kUpdate);
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  world_.carrier.Bye();
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.pbx.Count(Method::kBye), 1u);
  EXPECT_EQ(counters().shed, 0u);
  world_.ExpectNothingLeft();
}

TEST_P(OverloadTest, ACallThatHasBegunIsAnsweredAndAcknowledged) {
  Invite();
  world_.Run(100);
  SetBacklog(kLate);
  world_.pbx.Respond(180);
  world_.Run(50);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(2000);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(world_.pbx.acks.size(), 1u);
  EXPECT_EQ(world_.table().size(), 1u);
}

TEST_P(OverloadTest, ACallThatHasBegunCanBeGivenUp) {
  Invite();
  world_.Run(100);
  world_.pbx.Respond(180);
  world_.Run(50);
  SetBacklog(kLate);
  world_.carrier.Cancel();
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 487);
  EXPECT_EQ(world_.pbx.cancels.size(), 1u);
  world_.ExpectNothingLeft();
}

// Our 100 was lost: what is repeated is no new call.
TEST_F(UdpOverloadTest, ARepetitionOfACallThatHasBegunIsAbsorbed) {
  bool losing = true;
  world_.network.drop = [&](const sip::SipHost& from, std::string_view bytes) {
    return losing && from.address() == world_.network.host(1)->address() &&
           bytes.find(" 100 ") != bytes.npos;
  };
  Invite();
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 0);
  SetBacklog(kLate);
  losing = false;
  world_.Run(1000);
  EXPECT_GE(layer().counters().retransmissions_in, 1u);
  EXPECT_EQ(world_.carrier.status(), 100);
  world_.pbx.Respond(200, World::PbxSdp());
  world_.Run(200);
  EXPECT_EQ(world_.carrier.status(), 200);
  EXPECT_EQ(counters().shed, 0u);
}

// Its caller may have gone elsewhere: it must not ring when there is room again.
TEST_F(UdpOverloadTest, ARepetitionOfACallThatWasTurnedAwayIsTurnedAwayAgain) {
  int lost = 0;
  world_.network.drop = [&](const sip::SipHost&, std::string_view bytes) {
    return bytes.starts_with("SIP/2.0 503") && lost++ < 2;
  };
  SetBacklog(kLate);
  Invite();
  world_.Run(100);
  SetBacklog({});
  world_.Run(3000);
  EXPECT_EQ(world_.carrier.status(), 503);
  EXPECT_EQ(world_.pbx.Count(Method::kInvite), 0u);
  EXPECT_EQ(counters().shed, 1u);
  EXPECT_EQ(counters().shed_again, 2u);
  EXPECT_EQ(layer().counters().stray_acks, 0u);
  world_.ExpectNothingLeft();
}

TEST_P(OverloadTest, ATagThatIsNotOursIsNoNewCall) {
  SetBacklog(kLate);
  world_.carrier.Invite(1, "+911234", World::CarrierSdp(),
                        [](Message* invite) { invite->to.set_tag("gone"); });
  world_.Run(100);
  EXPECT_EQ(world_.carrier.status(), 481);
}

TEST_P(OverloadTest, SwitchedOffEveryCallIsTaken) {
  world_.config->shed_from_ns = 0;
  SetBacklog(kLate);
  world_.Establish();
}

TEST_P(OverloadTest, ItIsToldOnceAMinute) {
  const auto told = [this] {
    std::vector<std::string> lines;
    for (const std::string& notice : world_.sipctl->notes.notices) {
      if (notice.starts_with("overload")) lines.push_back(notice);
    }
    return lines;
  };
  SetBacklog(kLate);
  for (int i = 0; i < 5; ++i) {
    Invite();
    world_.Run(1000);
  }
  EXPECT_THAT(told(), ElementsAre(HasSubstr("a new INVITE has waited 1000 ms")));
  world_.Run(60'000);
  EXPECT_THAT(told(), ElementsAre(HasSubstr("has waited"),
                                  HasSubstr("4 more new calls were answered 503")));
  world_.Run(600'000);
  EXPECT_EQ(told().size(), 2u);
  Invite();
  world_.Run(1000);
  EXPECT_EQ(told().size(), 3u);
}

INSTANTIATE_TEST_SUITE_P(Over, OverloadTest,
                         testing::Values(sip::Protocol::kUdp, sip::Protocol::kTcp),
                         [](const auto& way) { return std::string(sip::ProtocolName(way.param)); });

}  // namespace
}  // namespace sipctl::call
