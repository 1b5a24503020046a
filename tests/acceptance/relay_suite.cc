// What a whole relay must do whatever its ports are: the same datagrams, the same verdicts, the
// same counters on every site. Where ports differ below the datagram stands in docs/ports.md.
#include <gtest/gtest.h>

#include <map>

#include "relay/wire/rtcp.h"
#include "tests/acceptance/site.h"
#include "tests/support/packet_builder.h"
#include "tests/support/relay_harness.h"

namespace acceptance {
namespace {

using relay::kMillisecond;
using relay::kSecond;
using relay::TimeNs;
using relay::abi::Attachment;
using relay::abi::Command;
using relay::abi::Counter;
using relay::abi::Endpoint;
using relay::abi::Event;
using relay::abi::EventKind;
using support::Bridge;
using tests::support::Bytes;
using tests::support::ReceiverReport;
using tests::support::RtpPacket;
using tests::support::SenderReport;

using Counters = std::map<std::string, uint64_t>;

constexpr uint64_t kSession = 7;
constexpr TimeNs kPatience = 5 * kSecond;  // for a packet that is on its way

Bytes Speech(uint16_t sequence, uint32_t ssrc = 1) {
  return RtpPacket{
      .payload_type = 8, .sequence = sequence, .timestamp = 160u * sequence, .ssrc = ssrc}
      .Build();
}

class RelaySuite : public testing::TestWithParam<SiteKind> {
 protected:
  RelaySuite() : site_(GetParam().make()) {
    static uint16_t tests = 0;
    port_first_ = static_cast<uint16_t>(kPortFirst + tests++ % 50 * kPortsPerTest);
    relay_ = std::make_unique<support::RelayHarness>(
        support::HarnessOptions{.make_ports = site_->make_ports(),
                                .addresses = site_->addresses(),
                                .port_of_address = site_->port_of_address(),
                                .upkeeps = site_->upkeeps()});
    client_ = std::make_unique<Attachment>(relay_->Client());
    trunk_ = NewParty(kTrunkSide, 25800);
    pbx_ = NewParty(kPbxSide, 25900);
  }

  // ---- parties ----

  // Listens on this port and, for RTCP, on the next.
  Endpoint NewParty(uint16_t side, uint16_t port) {
    Endpoint at{.address = site_->far(side), .port = port};
    at.interface = site_->addresses()[side].interface;
    site_->party(side).Open(at);
    site_->party(side).Open(Rtcp(at));
    side_of_[port] = side;
    return at;
  }
  static Endpoint Rtcp(Endpoint at) {
    ++at.port;
    return at;
  }
  uint16_t SideOf(const Endpoint& party) const {
    return std::prev(side_of_.upper_bound(party.port))->second;
  }

  // ---- what sipctl would do ----

  // A leg's local port follows from its number.
  uint16_t PortOf(uint8_t leg) const { return static_cast<uint16_t>(port_first_ + 4 * leg); }
  Command Plan(uint8_t leg, uint16_t side, const Endpoint& party) {
    Command open = support::LegOpen(kSession, leg, PortOf(leg));
    relay::abi::LegPlan& plan = open.body.leg.plan;
    plan.local.address = side;
    plan.remote_rtp = party;
    plan.remote_rtcp = Rtcp(party);
    plan.dscp = 46;
    return open;
  }
  EventKind Do(const Command& command) { return relay_->Do(*client_, command).kind; }
  void Open(uint8_t leg, uint16_t side, const Endpoint& party) { Open(Plan(leg, side, party)); }
  void Open(const Command& open) {
    ASSERT_EQ(Do(open), EventKind::kCommandDone);
    const relay::abi::LegPlan& plan = open.body.leg.plan;
    AwaitWay(plan.local.address, plan.remote_rtp);
  }
  void AwaitWay(uint16_t side, const Endpoint& party) {
    const TimeNs deadline = relay::MonotonicNow() + kPatience;
    while (!site_->Reaches(side, party.address)) {
      ASSERT_LT(relay::MonotonicNow(), deadline) << "no next hop";
      relay_->Step();
    }
  }
  // Leg 0 is the trunk's, leg 1 the PBX's.
  void OpenCall() {
    Open(0, kTrunkSide, trunk_);
    Open(1, kPbxSide, pbx_);
    ASSERT_EQ(Do(Bridge(kSession, 0, 1)), EventKind::kCommandDone);
  }
  // Everything that happens in so much time, seen in turns of a millisecond.
  void Pass(TimeNs span) { relay_->Step(static_cast<int>(span / kMillisecond)); }
  std::vector<EventKind> KindsOfEvents() {
    std::vector<EventKind> kinds;
    for (const Event& event : relay_->Events(*client_)) kinds.push_back(event.kind);
    return kinds;
  }

  // ---- packets ----

  // To the local port of a leg, or to the one above it; the names of the verdicts it moved.
  std::string Say(const Endpoint& from, uint8_t leg, const Bytes& payload, uint16_t above = 0) {
    const uint16_t side = SideOf(from);
    Endpoint to{.address = site_->addresses()[side].address};
    to.port = static_cast<uint16_t>(PortOf(leg) + above);
    const std::vector<uint64_t> before = Verdicts();
    site_->party(side).Say(from, to, payload);
    const TimeNs deadline = relay::MonotonicNow() + kPatience;
    std::string moved;
    while (moved.empty() && relay::MonotonicNow() < deadline) {
      relay_->Turn();
      const std::vector<uint64_t> after = Verdicts();
      for (size_t i = 0; i < after.size(); ++i) {
        if (after[i] != before[i]) moved += relay::abi::kCounterTexts[i].name;
      }
    }
    return moved;
  }
  std::string SayRtcp(const Endpoint& from, uint8_t leg, const Bytes& payload) {
    return Say(Rtcp(from), leg, payload, 1);
  }
  std::optional<Heard> Hear(const Endpoint& at) { return site_->party(SideOf(at)).Hear(at); }
  void ExpectHeard(const Endpoint& at, const Bytes& payload, uint8_t from_leg, uint16_t above = 0) {
    const std::optional<Heard> heard = Hear(at);
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->payload, payload);
    EXPECT_EQ(heard->from.address, site_->addresses()[SideOf(at)].address);
    EXPECT_EQ(heard->from.port, PortOf(from_leg) + above);
    EXPECT_EQ(heard->dscp, 46);
  }

  // ---- counts ----

  const relay::abi::CounterBlock& worker() { return *relay_->relay().state().counters(0); }
  std::vector<uint64_t> Verdicts() {
    std::vector<uint64_t> values;
    for (uint16_t i = 0; i < relay::abi::kVerdictCount; ++i) {
      // What a kernel at the other end of a cable says by itself is no datagram of ours.
      const auto counter = static_cast<Counter>(i);
      values.push_back(counter == Counter::kNotOurs ? 0 : worker().Read(counter));
    }
    return values;
  }
  // All that moved, but for what says how a port works and not what it did.
  Counters Moved() {
    Counters moved;
    for (uint16_t i = 0; i < relay::abi::kCounterCount; ++i) {
      const auto counter = static_cast<Counter>(i);
      const uint64_t value = worker().Read(counter);
      switch (counter) {
        case Counter::kNotOurs:
        case Counter::kCycles:
        case Counter::kIdleCycles:
          continue;
        default:
          if (value != 0) moved[relay::abi::kCounterTexts[i].name] = value;
      }
    }
    return moved;
  }

  uint16_t port_first_ = 0;
  std::unique_ptr<Site> site_;  // outlives the relay
  std::unique_ptr<support::RelayHarness> relay_;
  std::unique_ptr<Attachment> client_;
  Endpoint trunk_;
  Endpoint pbx_;
  std::map<uint16_t, uint16_t> side_of_;  // of a party, by its port
};

TEST_P(RelaySuite, SpeechPassesFromArmToArm) {
  OpenCall();
  for (uint16_t i = 0; i < 20; ++i) {
    EXPECT_EQ(Say(trunk_, 0, Speech(i, 0xa)), "forwarded");
    EXPECT_EQ(Say(pbx_, 1, Speech(i, 0xb)), "forwarded");
    ExpectHeard(pbx_, Speech(i, 0xa), 1);
    ExpectHeard(trunk_, Speech(i, 0xb), 0);
  }
  EXPECT_EQ(Do(support::SessionClose(kSession)), EventKind::kCommandDone);
  relay_->Step(3);
  EXPECT_EQ(KindsOfEvents(),
            (std::vector{EventKind::kLegEnded, EventKind::kLegEnded, EventKind::kSessionEnded}));
  EXPECT_EQ(Moved(), (Counters{{"forwarded", 40},
                               {"received_packets", 40},
                               {"received_bytes", 40 * 172},
                               {"sent_packets", 40},
                               {"sent_bytes", 40 * 172},
                               {"legs_opened", 2},
                               {"legs_closed", 2}}));
}

TEST_P(RelaySuite, WhatIsDroppedHasItsName) {
  OpenCall();
  const Endpoint stranger = NewParty(kTrunkSide, 26000);
  struct Row {
    const char* verdict;
    Bytes payload;
  };
  const std::vector<Row> rows = {
      {"unknown_payload_type", RtpPacket{.payload_type = 3, .ssrc = 1}.Build()},
      {"unknown_payload_type", ReceiverReport(1)},  // RTCP on the RTP port without mux
      {"unknown_protocol", {}},
      {"too_short", {0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0}},
      {"too_short", {0x8f, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}},
      {"too_short", {0x90, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xbe, 0xde, 0xff, 0xff}},
      {"bad_padding", {0xa0, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 9}},
      {"bad_version", RtpPacket{.version = 3}.Build()},
      {"stun", {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
      {"dtls", {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
      {"udptl", {0, 5, 2, 0xc0, 0x01, 0x80, 0, 0}},
      {"unknown_protocol", {0x10, 0, 0, 1, 'Z', 'R', 'T', 'P'}},
  };
  Counters expected;
  uint64_t bytes = 0;
  for (const Row& row : rows) {
    EXPECT_EQ(Say(trunk_, 0, row.payload), row.verdict);
    ++expected[row.verdict];
    bytes += row.payload.size();
  }
  EXPECT_EQ(Say(stranger, 0, Speech(1)), "wrong_source");
  EXPECT_EQ(Say(Rtcp(trunk_), 0, Speech(1), 1), "unknown_protocol");
  ++expected["unknown_protocol"];
  EXPECT_EQ(Say(trunk_, 0, Speech(2)), "forwarded");
  EXPECT_EQ(Say(trunk_, 0, Speech(2)), "duplicate");
  EXPECT_EQ(Do(support::Unbridge(kSession, 0, 1)), EventKind::kCommandDone);
  EXPECT_EQ(Say(trunk_, 0, Speech(3)), "held");
  // Of all these the PBX heard one.
  EXPECT_EQ(Do(Bridge(kSession, 0, 1)), EventKind::kCommandDone);
  EXPECT_EQ(Say(trunk_, 0, Speech(4)), "forwarded");
  ExpectHeard(pbx_, Speech(2), 1);
  ExpectHeard(pbx_, Speech(4), 1);
  expected.insert({{"wrong_source", 1},
                   {"forwarded", 2},
                   {"duplicate", 1},
                   {"held", 1},
                   {"legs_opened", 2},
                   {"received_packets", rows.size() + 6},
                   {"received_bytes", bytes + 6 * 172},
                   {"sent_packets", 2},
                   {"sent_bytes", 2 * 172}});
  EXPECT_EQ(Moved(), expected);
}

TEST_P(RelaySuite, ReportsAreTranslated) {
  OpenCall();
  EXPECT_EQ(Say(trunk_, 0, Speech(1, 0xa)), "forwarded");
  EXPECT_EQ(Say(pbx_, 1, Speech(1, 0xb)), "forwarded");
  EXPECT_EQ(SayRtcp(trunk_, 0, {0x80, 201, 0, 9}), "bad_rtcp");
  const Bytes report = SenderReport(0xa, 5, 6, 7, 8, {{.ssrc = 0xb, .sequence_max = 0x10001}});
  const Bytes goodbye = tests::support::RtcpPart(203, 1, tests::support::Words({0xa}));
  EXPECT_EQ(SayRtcp(trunk_, 0, tests::support::Join(report, goodbye)), "consumed");
  const std::optional<Heard> heard = Hear(Rtcp(pbx_));
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->from.port, PortOf(1) + 1);
  ASSERT_GE(heard->payload.size(), report.size());
  EXPECT_TRUE(std::equal(report.begin(), report.end(), heard->payload.begin()));
  EXPECT_EQ(Say(trunk_, 0, Speech(2, 0xa)), "forwarded");  // BYE ended nothing
  const Counters moved = Moved();
  EXPECT_EQ(moved.at("consumed"), 1u);
  EXPECT_EQ(moved.at("bad_rtcp"), 1u);
  EXPECT_EQ(moved.at("sent_packets"), 4u);
  EXPECT_EQ(moved.at("received_packets"), 5u);
}

TEST_P(RelaySuite, RtcpBesideRtpTalksToRtcpOnAPortOfItsOwn) {
  Command mux = Plan(0, kTrunkSide, trunk_);
  mux.body.leg.plan.rtcp_mux = 1;
  Open(mux);
  Open(1, kPbxSide, pbx_);
  ASSERT_EQ(Do(Bridge(kSession, 0, 1)), EventKind::kCommandDone);
  EXPECT_EQ(Say(trunk_, 0, ReceiverReport(5)), "consumed");
  ASSERT_TRUE(Hear(Rtcp(pbx_)));
  EXPECT_EQ(SayRtcp(pbx_, 1, ReceiverReport(6)), "consumed");
  const std::optional<Heard> heard = Hear(trunk_);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->from.port, PortOf(0));
  EXPECT_EQ(heard->payload[1], 201);
}

TEST_P(RelaySuite, ReportsAreMadeWhereAStreamWasRenamed) {
  OpenCall();
  EXPECT_EQ(Say(trunk_, 0, Speech(1, 0xa)), "forwarded");
  EXPECT_EQ(Say(trunk_, 0, Speech(700, 0xc)), "forwarded");
  EXPECT_EQ(SayRtcp(trunk_, 0, SenderReport(0xc, uint64_t{0x1234} << 32, 6, 7, 8)), "consumed");
  Pass(8 * kSecond);
  const std::optional<Heard> at_pbx = Hear(Rtcp(pbx_));
  ASSERT_TRUE(at_pbx);
  ASSERT_TRUE(relay::wire::IsRtcpCompound(at_pbx->payload));
  EXPECT_EQ(at_pbx->payload[1], 200);
  relay::wire::RtcpPacket first;
  relay::wire::RtcpWalk(at_pbx->payload).Next(&first);
  EXPECT_EQ(relay::wire::ReadSenderInfo(first).ssrc, 0xau);
  EXPECT_EQ(relay::wire::ReadSenderInfo(first).packets, 2u);
  ASSERT_TRUE(Hear(Rtcp(trunk_)));
  EXPECT_GE(Moved().at("rtcp_made"), 2u);
  EXPECT_EQ(Moved().at("ssrc_changes"), 1u);
}

TEST_P(RelaySuite, ASourceBehindNatIsLearnedAndHearsTheCall) {
  const Endpoint behind_nat = NewParty(kTrunkSide, 26100);
  const Endpoint stranger = NewParty(kTrunkSide, 26200);
  Command latch = Plan(0, kTrunkSide, trunk_);
  latch.body.leg.plan.learning = relay::abi::Learning::kLatch;
  Open(latch);
  Open(1, kPbxSide, pbx_);
  ASSERT_EQ(Do(Bridge(kSession, 0, 1)), EventKind::kCommandDone);
  relay_->Events(*client_);
  for (uint16_t i = 0; i < 3; ++i) EXPECT_EQ(Say(behind_nat, 0, Speech(i)), "learning");
  EXPECT_EQ(Say(behind_nat, 0, Speech(3)), "forwarded");
  relay_->Step(3);
  const std::vector<Event> events = relay_->Events(*client_);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kSourceLearned);
  EXPECT_EQ(events[0].body.source.source.address, behind_nat.address);
  EXPECT_EQ(events[0].body.source.source.port, behind_nat.port);
  EXPECT_EQ(Say(stranger, 0, Speech(4)), "wrong_source");
  EXPECT_EQ(Say(pbx_, 1, Speech(1, 0xb)), "forwarded");
  ExpectHeard(behind_nat, Speech(1, 0xb), 0);
  ExpectHeard(pbx_, Speech(3), 1);
  const Counters moved = Moved();
  EXPECT_EQ(moved.at("learning"), 3u);
  EXPECT_EQ(moved.at("sources_learned"), 1u);
  EXPECT_EQ(moved.at("wrong_source"), 1u);
  EXPECT_EQ(moved.at("forwarded"), 2u);
}

TEST_P(RelaySuite, ASourceOutsideTheTrunksNetworksIsNotBelieved) {
  Command fence = support::Networks(0, 1);  // 198.51.100.0/24
  ASSERT_EQ(Do(fence), EventKind::kCommandDone);
  Command fenced = Plan(0, kTrunkSide, trunk_);
  fenced.body.leg.plan.learning = relay::abi::Learning::kOff;
  fenced.body.leg.plan.network_set = 0;
  Open(fenced);
  Open(1, kPbxSide, pbx_);
  ASSERT_EQ(Do(Bridge(kSession, 0, 1)), EventKind::kCommandDone);
  EXPECT_EQ(Say(trunk_, 0, Speech(1)), "wrong_network");
  EXPECT_EQ(SayRtcp(trunk_, 0, ReceiverReport(1)), "rtcp_unmatched");
  fence.body.network_set.networks[0] = {.address = trunk_.address, .prefix_length = 128};
  ASSERT_EQ(Do(fence), EventKind::kCommandDone);
  fenced.kind = relay::abi::CommandKind::kLegUpdate;
  ASSERT_EQ(Do(fenced), EventKind::kCommandDone);
  relay_->Step(3);
  EXPECT_EQ(Say(trunk_, 0, Speech(2)), "forwarded");
  ExpectHeard(pbx_, Speech(2), 1);
}

TEST_P(RelaySuite, SilenceIsToldAndSoIsItsEndAndACallsLengthIsKept) {
  Command open = Plan(0, kTrunkSide, trunk_);
  open.body.leg.plan.media_timeout_ms = 2000;
  open.body.leg.plan.session_length_ms = 9000;
  Open(open);
  Open(1, kPbxSide, pbx_);
  ASSERT_EQ(Do(Bridge(kSession, 0, 1)), EventKind::kCommandDone);
  EXPECT_EQ(Say(trunk_, 0, Speech(1)), "forwarded");
  EXPECT_EQ(KindsOfEvents(), std::vector<EventKind>{});
  Pass(2500 * kMillisecond);
  EXPECT_EQ(KindsOfEvents(), std::vector{EventKind::kMediaTimeout});
  EXPECT_EQ(Say(trunk_, 0, Speech(2)), "forwarded");
  relay_->Step(3);
  EXPECT_EQ(KindsOfEvents(), std::vector{EventKind::kMediaResumed});
  Pass(7 * kSecond);
  EXPECT_EQ(KindsOfEvents(), (std::vector{EventKind::kMediaTimeout, EventKind::kLegEnded,
                                          EventKind::kLegEnded, EventKind::kSessionEnded}));
  EXPECT_EQ(Moved(), (Counters{{"forwarded", 2},
                               {"received_packets", 2},
                               {"received_bytes", 2 * 172},
                               {"sent_packets", 2},
                               {"sent_bytes", 2 * 172},
                               {"media_timeouts", 2},
                               {"legs_opened", 2},
                               {"legs_closed", 2}}));
}

TEST_P(RelaySuite, AnIpv4TrunkTalksToAnIpv6Pbx) {
  const Endpoint pbx6 = NewParty(kPbxSide6, 26300);
  Open(0, kTrunkSide, trunk_);
  Open(1, kPbxSide6, pbx6);
  ASSERT_EQ(Do(Bridge(kSession, 0, 1)), EventKind::kCommandDone);
  for (uint16_t i = 0; i < 5; ++i) {
    EXPECT_EQ(Say(trunk_, 0, Speech(i, 0xa)), "forwarded");
    EXPECT_EQ(Say(pbx6, 1, Speech(i, 0xb)), "forwarded");
    ExpectHeard(pbx6, Speech(i, 0xa), 1);
    ExpectHeard(trunk_, Speech(i, 0xb), 0);
  }
  EXPECT_EQ(Moved().at("forwarded"), 10u);
}

// One speaker, listeners on both arms: a packet and its copy leave by different ways.
TEST_P(RelaySuite, AForkIsHeardOnBothArms) {
  OpenCall();
  const Endpoint bot = NewParty(kTrunkSide, 26400);
  Open(2, kTrunkSide, bot);
  ASSERT_EQ(Do(Bridge(kSession, 0, 2, false)), EventKind::kCommandDone);
  for (uint16_t i = 0; i < 5; ++i) {
    EXPECT_EQ(Say(trunk_, 0, Speech(i, 0xa)), "forwarded");
    ExpectHeard(pbx_, Speech(i, 0xa), 1);
    ExpectHeard(bot, Speech(i, 0xa), 2);
  }
  EXPECT_EQ(Moved().at("sent_packets"), 10u);
  EXPECT_FALSE(Moved().contains("fork_lost"));
}

TEST_P(RelaySuite, ACallGoesOnWithoutSipctlAndItsSuccessorTakesItOver) {
  OpenCall();
  EXPECT_EQ(Say(trunk_, 0, Speech(1, 0xa)), "forwarded");
  client_->Detach();
  relay_->Step(3);
  EXPECT_EQ(Say(trunk_, 0, Speech(2, 0xa)), "forwarded");
  EXPECT_EQ(Say(pbx_, 1, Speech(1, 0xb)), "forwarded");
  ExpectHeard(pbx_, Speech(1, 0xa), 1);
  ExpectHeard(pbx_, Speech(2, 0xa), 1);
  client_ = std::make_unique<Attachment>(relay_->Client());
  EXPECT_TRUE(client_->resumed());
  // Its commands are heard: the PBX moves to another phone.
  const Endpoint other = NewParty(kPbxSide, 26500);
  Command moved = Plan(1, kPbxSide, other);
  moved.kind = relay::abi::CommandKind::kLegUpdate;
  Open(moved);
  relay_->Step(3);
  EXPECT_EQ(Say(trunk_, 0, Speech(3, 0xa)), "forwarded");
  ExpectHeard(other, Speech(3, 0xa), 1);
  EXPECT_EQ(Do(support::SessionClose(kSession)), EventKind::kCommandDone);
  relay_->Step(3);
  EXPECT_EQ(relay_->relay().conductor().live_sessions(), 0u);
}

INSTANTIATE_TEST_SUITE_P(, RelaySuite, testing::ValuesIn(kSiteKinds),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace acceptance
