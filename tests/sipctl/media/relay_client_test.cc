#include "sipctl/media/relay_client.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_relay.h"

namespace sipctl::media {
namespace {

using relay::abi::Address;
using relay::abi::CommandKind;
using relay::abi::EndReason;
using relay::abi::LegPlan;
using relay::abi::Refusal;
using testing::ElementsAre;
using testing::IsEmpty;

const Address kA = Address::Ipv4(10, 0, 0, 1);
const Address kB = Address::Ipv4(10, 0, 0, 2);

class Listener : public RelayUser {
 public:
  void OnSettled(SessionId session, Refusal refusal) override {
    Say("settled", session);
    last_refusal = refusal;
  }
  void OnMediaTimeout(SessionId session, uint8_t leg) override {
    Say("silent leg " + std::to_string(leg), session);
  }
  void OnDigit(SessionId session, uint8_t leg, const relay::abi::DigitBody& digit) override {
    Say("leg " + std::to_string(leg) + " pressed " + std::to_string(digit.event), session);
  }
  void OnLegEnded(SessionId session, uint8_t leg,
                  const relay::abi::LegStatistics& totals) override {
    Say("leg " + std::to_string(leg) + " had " + std::to_string(totals.received_packets), session);
  }
  void OnSessionEnded(SessionId session, EndReason reason) override {
    Say("ended", session);
    last_reason = reason;
  }
  void OnRelayLost() override { heard.push_back("lost"); }
  void OnRelayBack(bool resumed, std::span<uint8_t> memory) override {
    heard.push_back(resumed ? "back, resumed" : "back");
    journal = memory;
  }
  void OnRelayGone() override { heard.push_back("gone"); }

  std::vector<std::string> Take() { return std::exchange(heard, {}); }

  std::vector<std::string> heard;
  Refusal last_refusal = Refusal::kNone;
  EndReason last_reason = EndReason::kNone;
  std::span<uint8_t> journal;

 private:
  void Say(const std::string& what, SessionId session) {
    heard.push_back(what + " of " + std::to_string(session));
  }
};

LegPlan Plan(uint8_t direction = 3) {
  LegPlan plan{};
  plan.direction = direction;
  plan.format_count = 1;
  plan.formats[0] = relay::abi::EqualFormat(8, relay::abi::Codec::kPcma, 8000);
  return plan;
}

class RelayClientTest : public testing::Test {
 protected:
  RelayClientTest() { client_.Start(); }

  static RelayClientOptions Options() {
    RelayClientOptions options;
    options.owner_cookie = 77;
    options.journal_bytes = 8192;
    options.first_session = 100;
    for (uint16_t i = 0; i < 2; ++i) {
      NetworkSet set{.number = i, .networks = {}};
      for (uint8_t n = 0; n < 20; ++n) {
        set.networks.push_back({.address = Address::Ipv4(192, 0, n, 0), .prefix_length = 120});
      }
      options.network_sets.push_back(set);
    }
    return options;
  }

  void Pass(TimeMs ms) {
    for (const TimeMs end = timers_.now() + ms; timers_.now() < end;) {
      timers_.Advance(timers_.now() + 1);
    }
  }
  SessionId Call() {
    const auto id = client_.Open(std::vector{kA}, std::vector{kB});
    EXPECT_TRUE(id);
    client_.SetLeg(*id, 0, Plan());
    client_.SetLeg(*id, 1, Plan());
    client_.Bridge(*id, 0, 1);
    return *id;
  }

  Timers timers_{1000};
  support::FakeRelay relay_{&timers_, {}};
  Listener listener_;
  RelayClient client_{&timers_, &relay_, &listener_, Options()};
};

TEST_F(RelayClientTest, JoinsAndTellsTheNetworks) {
  EXPECT_FALSE(client_.ready());
  Pass(5);
  EXPECT_TRUE(client_.ready());
  EXPECT_THAT(listener_.Take(), ElementsAre("back"));
  EXPECT_EQ(listener_.journal.size(), 8192u);
  EXPECT_EQ(relay_.network_sets().at(0).size(), 20u) << "two commands, the second appends";
  EXPECT_EQ(relay_.network_sets().at(1).size(), 20u);
}

TEST_F(RelayClientTest, OpensBridgesAndCloses) {
  Pass(5);
  const SessionId id = Call();
  EXPECT_FALSE(client_.settled(id));
  Pass(3);
  EXPECT_TRUE(client_.settled(id));
  ASSERT_EQ(relay_.sessions().size(), 1u);
  const auto& session = relay_.sessions().at(id);
  EXPECT_TRUE(session.Hears(0, 1) && session.Hears(1, 0));
  EXPECT_EQ(session.legs.at(0).plan.local.port, client_.LocalOf(id, 0)->port);
  relay_.CountPackets(id, 1, 50, 49);
  EXPECT_EQ(client_.AllStatistics().at(id).at(1).received_packets, 50u);
  client_.Close(id);
  Pass(3);
  EXPECT_THAT(listener_.Take(), ElementsAre("back", "settled of 100", "leg 0 had 0 of 100",
                                            "leg 1 had 50 of 100", "ended of 100"));
  EXPECT_EQ(client_.size(), 0u);
  EXPECT_EQ(client_.ports().in_use(), 0u);
}

TEST_F(RelayClientTest, OnlyDifferencesAreTold) {
  Pass(5);
  const SessionId id = Call();
  Pass(3);
  const size_t before = relay_.log().size();
  client_.SetLeg(id, 0, Plan());
  client_.Bridge(id, 0, 1);
  Pass(3);
  EXPECT_EQ(relay_.log().size(), before);
  client_.SetLeg(id, 0, Plan(1));
  client_.Unbridge(id, 0, 1);
  Pass(3);
  EXPECT_EQ(relay_.CountLogged(CommandKind::kLegUpdate), 1u);
  EXPECT_EQ(relay_.CountLogged(CommandKind::kUnbridge), 2u);
  EXPECT_EQ(relay_.sessions().at(id).legs.at(0).plan.direction, 1);
}

TEST_F(RelayClientTest, ChangesBeforeTheFlushAreOneCommand) {
  Pass(5);
  const SessionId id = Call();
  client_.SetLeg(id, 0, Plan(1));
  client_.SetLeg(id, 0, Plan(2));
  Pass(3);
  EXPECT_EQ(relay_.CountLogged(CommandKind::kLegOpen), 2u);
  EXPECT_EQ(relay_.CountLogged(CommandKind::kLegUpdate), 0u);
  EXPECT_EQ(relay_.sessions().at(id).legs.at(0).plan.direction, 2);
}

TEST_F(RelayClientTest, ARefusalIsTold) {
  Pass(5);
  listener_.Take();
  relay_.RefuseNext(CommandKind::kLegOpen, Refusal::kNoRoom);
  const SessionId id = Call();
  Pass(3);
  EXPECT_THAT(listener_.Take(), ElementsAre("settled of 100"));
  EXPECT_EQ(listener_.last_refusal, Refusal::kNoRoom);
  client_.Close(id);
  Pass(3);
  EXPECT_TRUE(relay_.sessions().empty());
  EXPECT_EQ(client_.size(), 0u);
}

TEST_F(RelayClientTest, ACloseThatFindsNothingStillEnds) {
  Pass(5);
  relay_.RefuseNext(CommandKind::kLegOpen, Refusal::kNoRoom);
  relay_.RefuseNext(CommandKind::kLegOpen, Refusal::kNoRoom);
  const SessionId id = Call();
  Pass(3);
  client_.Close(id);
  Pass(3);
  EXPECT_EQ(client_.size(), 0u);
  const auto never_told = client_.Open(std::vector{kA}, std::vector{kB});
  client_.Close(*never_told);
  Pass(3);
  EXPECT_EQ(client_.size(), 0u);
  EXPECT_EQ(client_.ports().in_use(), 0u);
}

TEST_F(RelayClientTest, EventsReachTheSession) {
  Pass(5);
  const SessionId id = Call();
  Pass(3);
  listener_.Take();
  relay_.ReportSilence(id, 1);
  relay_.EndSession(id, EndReason::kLengthReached);
  Pass(3);
  EXPECT_THAT(listener_.Take(), ElementsAre("silent leg 1 of 100", "leg 0 had 0 of 100",
                                            "leg 1 had 0 of 100", "ended of 100"));
  EXPECT_EQ(listener_.last_reason, EndReason::kLengthReached);
}

TEST_F(RelayClientTest, AnotherRelayGetsTheSameSessionsOnTheSamePorts) {
  Pass(5);
  const SessionId id = Call();
  Pass(3);
  client_.SetLeg(id, 1, Plan(1));
  Pass(3);
  const auto local_before = client_.LocalOf(id, 1);
  listener_.Take();
  relay_.Die();
  Pass(20);
  EXPECT_THAT(listener_.heard, ElementsAre("lost"));
  EXPECT_FALSE(client_.ready());
  // The addresses of the other instance stand in another order.
  relay_.Renumber({kB, kA});
  relay_.Restart();
  Pass(1000);
  EXPECT_THAT(listener_.Take(), ElementsAre("lost", "back", "settled of 100"));
  const auto& session = relay_.sessions().at(id);
  EXPECT_EQ(session.legs.at(1).plan.direction, 1);
  EXPECT_EQ(session.legs.at(1).plan.local.address, 0);
  EXPECT_EQ(session.legs.at(1).plan.local.port, local_before->port);
  EXPECT_TRUE(session.Hears(0, 1) && session.Hears(1, 0));
  EXPECT_EQ(relay_.network_sets().size(), 2u);
}

TEST_F(RelayClientTest, PortsThatADeadRelayStillHoldsAreWaitedFor) {
  Pass(5);
  const SessionId id = Call();
  Pass(3);
  const auto local_before = client_.LocalOf(id, 0);
  relay_.Die();
  for (int i = 0; i < 8; ++i) relay_.RefuseNext(CommandKind::kLegOpen, Refusal::kBindFailed);
  relay_.Restart();
  listener_.Take();
  Pass(2000);
  EXPECT_THAT(listener_.Take(), ElementsAre("lost", "back", "settled of 100"));
  EXPECT_EQ(listener_.last_refusal, Refusal::kNone);
  const auto& session = relay_.sessions().at(id);
  EXPECT_EQ(session.legs.at(0).plan.local.port, local_before->port);
  EXPECT_TRUE(session.Hears(0, 1) && session.Hears(1, 0));
}

TEST_F(RelayClientTest, PortsThatStayTakenAreARefusalInTheEnd) {
  Pass(5);
  Call();
  Pass(3);
  relay_.Die();
  for (int i = 0; i < 1000; ++i) relay_.RefuseNext(CommandKind::kLegOpen, Refusal::kBindFailed);
  relay_.Restart();
  Pass(kRelayGoneMs);
  EXPECT_EQ(listener_.last_refusal, Refusal::kNone);
  Pass(1000);
  EXPECT_EQ(listener_.last_refusal, Refusal::kBindFailed);
}

TEST_F(RelayClientTest, NoOtherRelayIsToldOnce) {
  Pass(5);
  const SessionId id = Call();
  Pass(3);
  listener_.Take();
  relay_.Die();
  Pass(kRelayGoneMs - 100);
  EXPECT_THAT(listener_.heard, ElementsAre("lost"));
  Pass(200);
  EXPECT_THAT(listener_.Take(), ElementsAre("lost", "gone"));
  client_.Close(id);
  relay_.Restart();
  Pass(1000);
  EXPECT_THAT(listener_.Take(), ElementsAre("back", "ended of 100"));
  EXPECT_TRUE(relay_.sessions().empty());
}

TEST_F(RelayClientTest, SessionsOfAnEarlierLifeAreFoundAndClosed) {
  Pass(5);
  Call();
  Call();
  Pass(3);
  relay_.ForgetClient();
  Listener second;
  RelayClientOptions options = Options();
  options.first_session = 500;
  RelayClient client(&timers_, &relay_, &second, options);
  client.Start();
  timers_.Advance(timers_.now() + 5);
  EXPECT_THAT(second.Take(), ElementsAre("back, resumed"));
  EXPECT_THAT(client.Foreign(), ElementsAre(100, 101));
  EXPECT_EQ(client.ports().in_use(), 4u) << "their ports are not given out";
  client.CloseForeign(100);
  timers_.Advance(timers_.now() + 5);
  EXPECT_THAT(client.Foreign(), ElementsAre(101));
  EXPECT_EQ(client.ports().in_use(), 2u);
  EXPECT_EQ(relay_.sessions().size(), 1u);
}

TEST_F(RelayClientTest, AFullRingOnlyCostsTime) {
  Pass(5);
  relay_.Mute(true);
  std::vector<SessionId> ids;
  for (int i = 0; i < 2000; ++i) ids.push_back(Call());  // 8000 commands for 4096 places
  Pass(5);
  EXPECT_TRUE(relay_.sessions().empty());
  relay_.Mute(false);
  Pass(20);
  EXPECT_EQ(relay_.sessions().size(), 2000u);
  for (SessionId id : ids) EXPECT_TRUE(client_.settled(id));
}

TEST_F(RelayClientTest, ARelayThatStandsStillIsNotReady) {
  Pass(5);
  relay_.Mute(true);
  Pass(kBeatMs * (kStuckTurns - 2));
  EXPECT_TRUE(client_.ready());
  Pass(kBeatMs * 4);
  EXPECT_FALSE(client_.ready());
  relay_.Mute(false);
  Pass(kBeatMs * 2);
  EXPECT_TRUE(client_.ready());
  relay_.Drain();
  EXPECT_FALSE(client_.ready());
}

TEST_F(RelayClientTest, LostEventsAreMadeGoodFromTheDirectory) {
  Pass(5);
  const SessionId stays = Call();
  const SessionId ends = Call();
  Pass(3);
  listener_.Take();
  relay_.Vanish(ends);
  relay_.LoseEvents(3);
  Pass(5);
  EXPECT_THAT(listener_.Take(), ElementsAre("ended of " + std::to_string(ends)));
  EXPECT_TRUE(client_.LocalOf(stays, 0));
}

}  // namespace
}  // namespace sipctl::media
