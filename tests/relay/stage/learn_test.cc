// Whom the relay believes: the matrix of modes, sources and times (rules T1 and T2).
#include "relay/stage/learn.h"

#include <gtest/gtest.h>

#include "relay/session/leg_setup.h"
#include "relay/stage/report.h"

namespace relay::stage {
namespace {

using abi::Learning;

constexpr abi::Endpoint kSignalled{.address = abi::Address::Ipv4(203, 0, 113, 1), .port = 30000};
constexpr abi::Endpoint kNatted{.address = abi::Address::Ipv4(198, 51, 100, 7), .port = 5555};
constexpr abi::Endpoint kAttacker{.address = abi::Address::Ipv4(198, 51, 100, 66), .port = 666};
constexpr abi::Endpoint kOutside{.address = abi::Address::Ipv4(8, 8, 8, 8), .port = 30000};
constexpr TimeNs kStart = 1000 * kSecond;

class Learn : public testing::Test {
 protected:
  void Plan(Learning learning, abi::Relearn relearn = abi::Relearn::kKeep) {
    plan.learning = learning;
    plan.relearn = relearn;
    plan.direction = receives ? abi::kLegReceives | abi::kLegSends : 0;
    plan.remote_rtp = kSignalled;
    plan.remote_rtcp = kSignalled;
    plan.remote_rtcp.port += 1;
    StartLearning(leg, plan, first, now);
    first = false;
    leg.gate.flags = receives ? session::kGateReceives : 0;
  }

  // One packet; its verdict's name, with a star when it taught something.
  std::string Hear(const abi::Endpoint& source, uint16_t sequence, uint32_t ssrc = 1,
                   uint8_t payload_type = 8) {
    const wire::Rtp rtp{.ssrc = ssrc, .sequence = sequence, .payload_type = payload_type};
    const Belief belief = Believe(leg, source, rtp, now);
    return std::string(NameOf(belief.verdict)) + (belief.learned ? "*" : "");
  }

  // 203.0.113.0/24 and 198.51.100.0/24
  const session::NetworkSet networks{
      .count = 2,
      .networks = {{.address = abi::Address::Ipv4(203, 0, 113, 0), .prefix_length = 120},
                   {.address = abi::Address::Ipv4(198, 51, 100, 0), .prefix_length = 120}}};
  session::Leg leg{};
  abi::LegPlan plan{};
  bool first = true;
  bool receives = true;
  TimeNs now = kStart;
};

TEST_F(Learn, OffBelievesTheNetworksAndSendsToTheSignalledAddressOnly) {
  leg.path.networks = &networks;
  Plan(Learning::kOff);
  EXPECT_EQ(Hear(kNatted, 1), "forwarded");
  EXPECT_EQ(Hear(kSignalled, 2), "forwarded");
  EXPECT_EQ(Hear(kOutside, 3), "wrong_network");
  EXPECT_EQ(Hear(kSignalled, 4), "forwarded");
  EXPECT_EQ(leg.out.Remote(), kSignalled);
}

TEST_F(Learn, SignalledBelievesAddressAndPort) {
  Plan(Learning::kSignalled);
  abi::Endpoint other_port = kSignalled;
  other_port.port += 2;
  EXPECT_EQ(Hear(kNatted, 1), "wrong_source");
  EXPECT_EQ(Hear(other_port, 1), "wrong_source");
  EXPECT_EQ(Hear(kSignalled, 1), "forwarded");
  EXPECT_EQ(Hear(kNatted, 1), "wrong_source");
}

TEST_F(Learn, ASignalledAddressOutsideTheNetworksIsNotBelieved) {
  const session::NetworkSet none{.count = 0};
  leg.path.networks = &none;
  Plan(Learning::kSignalled);
  EXPECT_EQ(Hear(kSignalled, 1), "wrong_network");
}

TEST_F(Learn, LatchTakesTheFirstSteadySourceAndThenNoOther) {
  Plan(Learning::kLatch);
  EXPECT_EQ(leg.out.Remote(), kSignalled);
  EXPECT_EQ(Hear(kNatted, 65534), "learning");
  EXPECT_EQ(Hear(kNatted, 65535), "learning");
  EXPECT_EQ(Hear(kNatted, 0), "learning");
  EXPECT_EQ(leg.out.Remote(), kSignalled);  // nothing is sent to it while it is watched
  EXPECT_EQ(Hear(kNatted, 1), "forwarded*");
  EXPECT_EQ(leg.out.Remote(), kNatted);
  EXPECT_EQ(RtcpPathOf(leg).remote.address, kNatted.address);
  EXPECT_EQ(RtcpPathOf(leg).remote.port, kNatted.port + 1);
  for (uint16_t i = 0; i < 10; ++i) EXPECT_EQ(Hear(kAttacker, i), "wrong_source");
  EXPECT_EQ(Hear(kNatted, 2), "forwarded");
}

TEST_F(Learn, WhatIsNotSteadyStartsAgain) {
  Plan(Learning::kLatch);
  for (int round = 0; round < 3; ++round) {
    for (uint16_t i = 10; i < 13; ++i) EXPECT_EQ(Hear(kNatted, i), "learning");
    EXPECT_EQ(Hear(kNatted, 20), "learning");  // a gap
    for (uint16_t i = 21; i < 23; ++i) EXPECT_EQ(Hear(kNatted, i), "learning");
    EXPECT_EQ(Hear(kNatted, 23, 2), "learning");  // another SSRC
    for (uint16_t i = 24; i < 26; ++i) EXPECT_EQ(Hear(kNatted, i, 2), "learning");
    EXPECT_EQ(Hear(kNatted, 26, 2, 0), "learning");    // payload type
    EXPECT_EQ(Hear(kAttacker, 27, 2, 0), "learning");  // another source
  }
}

TEST_F(Learn, TheSignalledAddressWinsAtOnceAndForGood) {
  Plan(Learning::kLatch);
  EXPECT_EQ(Hear(kSignalled, 1), "forwarded*");
  for (uint16_t i = 0; i < 10; ++i) EXPECT_EQ(Hear(kAttacker, i), "wrong_source");
  EXPECT_EQ(Hear(kSignalled, 2), "forwarded");
  EXPECT_EQ(leg.out.Remote(), kSignalled);
}

TEST_F(Learn, TheSignalledAddressTakesItsPlaceBackFromALatchedOne) {
  Plan(Learning::kLatch);
  for (uint16_t i = 0; i < 4; ++i) Hear(kAttacker, i);
  EXPECT_EQ(leg.out.Remote(), kAttacker);
  EXPECT_EQ(Hear(kSignalled, 1), "forwarded*");
  EXPECT_EQ(leg.out.Remote(), kSignalled);
  EXPECT_EQ(RtcpPathOf(leg).remote, plan.remote_rtcp);  // reports do not stay with the other one
  EXPECT_EQ(Hear(kAttacker, 5), "wrong_source");
}

TEST_F(Learn, AfterTheWindowOnlyTheSignalledAddressIsLeft) {
  Plan(Learning::kLatch);
  for (uint16_t i = 0; i < 3; ++i) EXPECT_EQ(Hear(kNatted, i), "learning");
  now += kLatchWindowDefault;
  for (uint16_t i = 3; i < 9; ++i) EXPECT_EQ(Hear(kNatted, i), "wrong_source");
  EXPECT_EQ(Hear(kSignalled, 1), "forwarded*");
}

// Early media behind NAT: a phone that is answered ten seconds after it rang is heard then.
TEST_F(Learn, ThePartyThatAnswersIsHeardAlsoWhereItsEarlyMediaTaughtNothing) {
  Plan(Learning::kLatch);
  now += 10 * kSecond;
  EXPECT_EQ(Hear(kNatted, 1), "wrong_source");
  Plan(Learning::kLatch, abi::Relearn::kUnlessLearned);
  for (uint16_t i = 2; i < 5; ++i) EXPECT_EQ(Hear(kNatted, i), "learning");
  EXPECT_EQ(Hear(kNatted, 5), "forwarded*");
  Plan(Learning::kLatch, abi::Relearn::kUnlessLearned);
  EXPECT_EQ(Hear(kNatted, 6), "forwarded") << "what was learned stays";
  for (uint16_t i = 0; i < 5; ++i) EXPECT_EQ(Hear(kAttacker, i), "wrong_source");
}

TEST_F(Learn, TheWindowIsThePlans) {
  plan.latch_window_ms = 200;
  Plan(Learning::kLatch);
  now += 199 * kMillisecond;
  EXPECT_EQ(Hear(kNatted, 1), "learning");
  now += 1 * kMillisecond;
  EXPECT_EQ(Hear(kNatted, 2), "wrong_source");
}

TEST_F(Learn, OnlySignallingOpensTheWindowAgain) {
  Plan(Learning::kLatch);
  for (uint16_t i = 0; i < 4; ++i) Hear(kNatted, i);
  now += 60 * kSecond;
  Plan(Learning::kLatch);
  EXPECT_EQ(Hear(kAttacker, 1), "wrong_source");
  EXPECT_EQ(Hear(kNatted, 4), "forwarded");
  Plan(Learning::kLatch, abi::Relearn::kAnew);
  EXPECT_EQ(leg.out.Remote(), kSignalled);
  EXPECT_EQ(Hear(kNatted, 5), "learning");
}

TEST_F(Learn, ACallThatRingsLearnsNothingAndTheWindowOpensWhenItIsAnswered) {
  receives = false;
  Plan(Learning::kLatch);
  for (uint16_t i = 0; i < 9; ++i) EXPECT_EQ(Hear(kAttacker, i), "not_receiving");
  EXPECT_EQ(leg.out.Remote(), kSignalled);
  now += 30 * kSecond;
  receives = true;
  Plan(Learning::kLatch);
  for (uint16_t i = 0; i < 3; ++i) EXPECT_EQ(Hear(kNatted, i), "learning");
  EXPECT_EQ(Hear(kNatted, 3), "forwarded*");
  // Hold and resume are no reason to choose again.
  receives = false;
  Plan(Learning::kLatch);
  receives = true;
  Plan(Learning::kLatch);
  EXPECT_EQ(Hear(kAttacker, 1), "wrong_source");
  EXPECT_EQ(Hear(kNatted, 4), "forwarded");
}

TEST_F(Learn, ThePlanSaidTwiceDoesNotOpenTheWindowAgain) {
  leg.path.networks = &networks;
  Plan(Learning::kLatch);
  now += kLatchWindowDefault;
  Plan(Learning::kLatch);
  for (uint16_t i = 0; i < 6; ++i) EXPECT_EQ(Hear(kAttacker, i), "wrong_source");
}

TEST_F(Learn, ALatchNeverWatchesASourceOutsideTheNetworks) {
  leg.path.networks = &networks;
  Plan(Learning::kLatch);
  for (uint16_t i = 0; i < 10; ++i) EXPECT_EQ(Hear(kOutside, i), "wrong_network");
  for (uint16_t i = 0; i < 3; ++i) EXPECT_EQ(Hear(kNatted, i), "learning");
  EXPECT_EQ(Hear(kNatted, 3), "forwarded*");
  // New networks without it: it is forgotten.
  const session::NetworkSet narrow{.count = 1, .networks = {networks.networks[0]}};
  leg.path.networks = &narrow;
  Plan(Learning::kLatch);
  EXPECT_EQ(Hear(kNatted, 4), "wrong_network");
}

}  // namespace
}  // namespace relay::stage
