// A worker's life around its packets: orders, timers, reports, RTCP.
#include "relay/worker/worker.h"

#include <chrono>
#include <set>
#include <thread>

#include "relay/abi/seqlock.h"
#include "relay/stage/learn.h"
#include "relay/wire/bytes.h"
#include "relay/wire/rtcp.h"
#include "tests/relay/worker/office.h"

namespace relay::worker {
namespace {

using tests::support::Goodbye;
using tests::support::ReceiverReport;
using tests::support::RtcpBlock;
using tests::support::SenderReport;
using tests::support::SourceDescription;

class WorkerTest : public Office {
 protected:
  using Office::Office;

  void OpenCall() {
    Open(0, SetupFor(0, kTrunk));
    Open(1, SetupFor(1, kPbx));
    Join(0, 1);
  }
  // Lets time pass in cycles of 10 ms.
  void Pass(TimeNs span) {
    for (TimeNs passed = 0; passed < span; passed += 10 * kMillisecond) {
      clock.Advance(10 * kMillisecond);
      Cycle();
    }
  }
  RtpPacket Speech(uint16_t sequence, uint32_t ssrc = 1) {
    return {.payload_type = 8, .sequence = sequence, .timestamp = 160u * sequence, .ssrc = ssrc};
  }
};

// ---- orders and reports -------------------------------------------------------------------------

TEST_F(WorkerTest, AClosedLegReportsItsTotalsAndGivesEverythingBack) {
  OpenCall();
  EXPECT_EQ(first.bound(), 4u);
  for (uint16_t i : {1, 2, 3, 6}) EXPECT_EQ(Send(0, kTrunk, Speech(i)), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, Speech(6)), "duplicate");
  Close(0);
  const std::optional<Report> report = NextReport();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->kind, ReportKind::kLegClosed);
  EXPECT_EQ(report->leg, 0u);
  EXPECT_EQ(report->generation, 7u);
  const abi::LegStatistics& statistics_of = report->body.statistics;
  EXPECT_EQ(statistics_of.received_packets, 5u);
  EXPECT_EQ(statistics_of.expected_packets, 6u);
  EXPECT_EQ(statistics_of.lost_packets, 2);
  EXPECT_EQ(statistics_of.duplicate_packets, 1u);
  EXPECT_EQ(statistics_of.dropped_packets, 1u);
  EXPECT_EQ(first.bound(), 2u);
  EXPECT_EQ(Send(1, kPbx, Speech(1)), "held");
  EXPECT_EQ(counters.Read(abi::Counter::kLegsOpened), 2u);
  EXPECT_EQ(counters.Read(abi::Counter::kLegsClosed), 1u);
  Open(0, SetupFor(0, kBot));  // the slot serves another call
  EXPECT_EQ(Send(0, kBot, Speech(1)), "held");
}

TEST_F(WorkerTest, JitterIsToldAlsoWhenACallEndsWithADigit) {
  Open(0, SetupFor(0, kTrunk, {kPcma, EventFormat(101)}));
  for (uint16_t i = 0; i < 200; ++i) {
    clock.Advance((i % 2 == 0 ? 15 : 25) * kMillisecond);
    EXPECT_EQ(Send(0, kTrunk, Speech(i)), "held");
  }
  RtpPacket digit = Speech(200);
  digit.payload_type = 101;
  EXPECT_EQ(Send(0, kTrunk, digit), "held");
  Close(0);
  const std::optional<Report> report = NextReport();
  ASSERT_TRUE(report);
  EXPECT_NEAR(report->body.statistics.jitter_us, 5000, 500);
}

TEST_F(WorkerTest, AnUpdateIsReportedWithItsVersion) {
  OpenCall();
  Update(1, [](abi::LegPlan& plan) { plan.dscp = 10; });
  const std::optional<Report> report = NextReport();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->kind, ReportKind::kLegUpdated);
  EXPECT_EQ(report->plan_version, 1u);
  EXPECT_EQ(Send(0, kTrunk, Speech(1)), "forwarded");
  EXPECT_EQ(Sent()->dscp, 10);
}

TEST_F(WorkerTest, AnUpdatedFormatIsMappedAtOnce) {
  OpenCall();
  Update(1, [](abi::LegPlan& plan) {
    plan.formats[0].payload_type = plan.formats[0].payload_type_sent = 97;
  });
  EXPECT_EQ(Send(0, kTrunk, Speech(1)), "forwarded");
  EXPECT_EQ(Sent()->payload[1], 97);
}

// RFC 3264 section 6.1: 101 is ours, and what comes from there; 97 is theirs, and what goes there.
TEST_F(WorkerTest, EachSideHasItsOwnNumberForADigit) {
  OpenCall();
  Update(0, [](abi::LegPlan& plan) {
    plan.format_count = 2;
    plan.formats[1] = EventFormat(101);
    plan.formats[1].payload_type_sent = 97;
  });
  Update(1, [](abi::LegPlan& plan) {
    plan.format_count = 2;
    plan.formats[1] = EventFormat(96);
  });
  RtpPacket digit = Speech(1);
  digit.payload_type = 101;
  EXPECT_EQ(Send(0, kTrunk, digit), "forwarded");
  EXPECT_EQ(Sent()->payload[1] & 0x7f, 96);
  digit = Speech(2);
  digit.payload_type = 97;
  EXPECT_EQ(Send(0, kTrunk, digit), "unknown_payload_type") << "nobody sends by his own number";
  digit.payload_type = 96;
  EXPECT_EQ(Send(1, kPbx, digit), "forwarded");
  EXPECT_EQ(Sent()->payload[1] & 0x7f, 97);
}

class FullMailbox : public WorkerTest {
 protected:
  FullMailbox() : WorkerTest(2) {}
};

TEST_F(FullMailbox, NoReportIsLost) {
  for (uint32_t leg = 0; leg < 8; ++leg) Open(leg, SetupFor(leg, kTrunk));
  for (uint32_t leg = 0; leg < 8; ++leg) Update(leg, [](abi::LegPlan&) {});
  for (uint32_t leg = 0; leg < 8; ++leg) Close(leg);
  std::set<uint32_t> closed;
  size_t updated = 0;
  for (int turn = 0; turn < 32; ++turn) {
    while (const std::optional<Report> report = NextReport()) {
      if (report->kind == ReportKind::kLegUpdated) {
        EXPECT_FALSE(closed.contains(report->leg));
        ++updated;
      } else {
        ASSERT_EQ(report->kind, ReportKind::kLegClosed);
        EXPECT_TRUE(closed.insert(report->leg).second);
      }
    }
    Cycle();
  }
  EXPECT_EQ(updated, 8u);
  EXPECT_EQ(closed.size(), 8u);
}

// A party behind NAT: unknown while the call rings, learned when it is answered.
TEST_F(WorkerTest, ALearnedSourceIsReportedAndHearsTheCall) {
  session::LegSetup ringing = SetupFor(0, {});
  ringing.plan.remote_rtcp = {};
  ringing.plan.learning = abi::Learning::kLatch;
  ringing.plan.direction = 0;
  Open(0, ringing);
  Open(1, SetupFor(1, kPbx));
  Join(0, 1);
  for (uint16_t i = 0; i < 9; ++i) EXPECT_EQ(Send(0, kStranger, Speech(i)), "not_receiving");
  EXPECT_EQ(Send(1, kPbx, Speech(1, 2)), "held");
  Pass(20 * kSecond);
  Update(0, [](abi::LegPlan& plan) { plan.direction = abi::kLegReceives | abi::kLegSends; });
  NextReport();
  EXPECT_EQ(Send(1, kPbx, Speech(2, 2)), "no_remote");
  for (uint16_t i = 0; i < 3; ++i) EXPECT_EQ(Send(0, kTrunk, Speech(i)), "learning");
  EXPECT_EQ(Send(0, kTrunk, Speech(3)), "forwarded");
  const std::optional<Report> learned = NextReport();
  ASSERT_TRUE(learned);
  EXPECT_EQ(learned->kind, ReportKind::kSourceLearned);
  EXPECT_EQ(learned->body.source.source, kTrunk);
  Discard();
  EXPECT_EQ(Send(1, kPbx, Speech(3, 2)), "forwarded");
  EXPECT_EQ(Sent()->remote, kTrunk);
  EXPECT_EQ(SendRtcp(1, kPbx, ReceiverReport(2)), "consumed");
  EXPECT_EQ(Sent()->remote.port, kTrunk.port + 1);
}

// ---- time ---------------------------------------------------------------------------------------

TEST_F(WorkerTest, StatisticsAreFreshEverySecond) {
  OpenCall();
  for (uint16_t i = 0; i < 10; ++i) EXPECT_EQ(Send(0, kTrunk, Speech(i)), "forwarded");
  Pass(1100 * kMillisecond);
  abi::LegStatisticsSlot slot{};
  ASSERT_TRUE(abi::LoadLocked(statistics[0], &slot));
  EXPECT_EQ(slot.statistics.received_packets, 10u);
  EXPECT_EQ(slot.statistics.received_bytes, 1720u);
  EXPECT_EQ(slot.statistics.remote, kTrunk);
  EXPECT_GE(slot.statistics.as_of_ns + 1100 * kMillisecond, clock.now());
  ASSERT_TRUE(abi::LoadLocked(statistics[1], &slot));
  EXPECT_EQ(slot.statistics.sent_packets, 10u);
  EXPECT_EQ(slot.statistics.payload_type_sent, 8);
}

// Few calls in a large relay: the worker sleeps most of the time, and the hand still comes round.
TEST(LargeWorker, StatisticsAreFreshEverySecondThoughItSleeps) {
  constexpr uint32_t kLegs = 32768;
  const session::PortRange ranges[] = {{10000, 10999}};
  tests::support::ManualClock clock;
  port::MemoryPort port;
  port::Port* ports[] = {&port};
  std::vector<session::Leg> legs(kLegs);
  std::vector<abi::LegStatisticsSlot> statistics(1);
  abi::CounterBlock counters{};
  Mailbox<Order> orders(4);
  Mailbox<Report> reports(4);
  Worker worker({.ports = ports,
                 .ranges = ranges,
                 .legs = legs,
                 .counters = &counters,
                 .statistics = statistics.data(),
                 .orders = &orders,
                 .reports = &reports});
  session::LegSetup setup = SetupFor(0, kTrunk);
  setup.rtp_handle = port.Bind(setup.plan.local, port.AddressOf(setup.plan.local)).value();
  setup.rtcp_handle = port::kNoHandle;
  ASSERT_TRUE(orders.Post({.kind = OrderKind::kOpenLeg, .leg = kLegs - 1, .setup = setup}));
  for (int second = 0; second < 5; ++second) {
    for (TimeNs slept = 0; slept < kSecond; slept += 4 * kMillisecond) {
      clock.Advance(4 * kMillisecond);
      worker.RunOnce(clock.now());
    }
    abi::LegStatisticsSlot slot{};
    ASSERT_TRUE(abi::LoadLocked(statistics[0], &slot));
    EXPECT_GE(slot.statistics.as_of_ns + 1100 * kMillisecond, clock.now());
  }
}

TEST_F(WorkerTest, ANewLegDoesNotShowTheFormerOnesStatistics) {
  OpenCall();
  EXPECT_EQ(Send(0, kTrunk, Speech(1)), "forwarded");
  Pass(1100 * kMillisecond);
  Close(0);
  Open(0, SetupFor(0, kBot));
  abi::LegStatisticsSlot slot{};
  ASSERT_TRUE(abi::LoadLocked(statistics[0], &slot));
  EXPECT_EQ(slot.statistics.received_packets, 0u);
  EXPECT_EQ(slot.statistics.remote, kBot);
}

TEST_F(WorkerTest, SilenceIsReportedOnceAndSoIsItsEnd) {
  OpenCall();
  Update(0, [](abi::LegPlan& plan) { plan.media_timeout_ms = 2000; });
  NextReport();
  EXPECT_EQ(Send(0, kTrunk, Speech(1)), "forwarded");
  Pass(1900 * kMillisecond);
  EXPECT_FALSE(NextReport());
  Pass(5000 * kMillisecond);
  const std::optional<Report> timeout = NextReport();
  ASSERT_TRUE(timeout);
  EXPECT_EQ(timeout->kind, ReportKind::kMediaTimeout);
  EXPECT_NEAR(timeout->body.timeout.silent_ns, 2000 * kMillisecond, 20.0 * kMillisecond);
  EXPECT_FALSE(NextReport());
  EXPECT_EQ(Send(0, kTrunk, Speech(2)), "forwarded");
  EXPECT_EQ(NextReport()->kind, ReportKind::kMediaResumed);
  EXPECT_EQ(Send(0, kTrunk, Speech(3)), "forwarded");
  EXPECT_FALSE(NextReport());
  Pass(2100 * kMillisecond);
  EXPECT_EQ(NextReport()->kind, ReportKind::kMediaTimeout);
}

TEST_F(WorkerTest, HoldSuspendsTheMediaTimeout) {
  OpenCall();
  Update(0, [](abi::LegPlan& plan) {
    plan.media_timeout_ms = 2000;
    plan.direction = abi::kLegSends;
  });
  Pass(10 * kSecond);
  Update(0, [](abi::LegPlan& plan) { plan.direction = abi::kLegSends | abi::kLegReceives; });
  while (NextReport()) {
  }
  Pass(1900 * kMillisecond);
  EXPECT_FALSE(NextReport());
  Pass(200 * kMillisecond);
  EXPECT_EQ(NextReport()->kind, ReportKind::kMediaTimeout);
}

TEST_F(WorkerTest, ASilenceAfterHoldIsAnotherOne) {
  OpenCall();
  Update(0, [](abi::LegPlan& plan) { plan.media_timeout_ms = 2000; });
  Pass(2100 * kMillisecond);
  Update(0, [](abi::LegPlan& plan) { plan.direction = abi::kLegSends; });
  Update(0, [](abi::LegPlan& plan) { plan.direction = abi::kLegSends | abi::kLegReceives; });
  while (NextReport()) {
  }
  Pass(2100 * kMillisecond);
  const std::optional<Report> timeout = NextReport();
  ASSERT_TRUE(timeout);
  EXPECT_EQ(timeout->kind, ReportKind::kMediaTimeout);
  EXPECT_NEAR(timeout->body.timeout.silent_ns, 2000 * kMillisecond, 20.0 * kMillisecond);
}

// ---- RTCP ---------------------------------------------------------------------------------------

TEST_F(WorkerTest, RtcpIsTranslatedWhileIdentityPasses) {
  OpenCall();
  EXPECT_EQ(Send(0, kTrunk, Speech(1, 0xa)), "forwarded");
  EXPECT_EQ(Send(1, kPbx, Speech(1, 0xb)), "forwarded");
  Discard();
  const Bytes report = SenderReport(0xa, 5, 6, 7, 8, {{.ssrc = 0xb, .sequence_max = 0x10001}});
  const Bytes in = tests::support::Join(
      tests::support::Join(report, SourceDescription(0xa, "alice@192.168.0.7")), Goodbye(0xa));
  EXPECT_EQ(SendRtcp(0, kTrunk, in), "consumed");
  const std::optional<port::Datagram> out = Sent();
  ASSERT_TRUE(out);
  EXPECT_EQ(out->payload, tests::support::Join(report, SourceDescription(0xa, "cname-of-tandem!")));
  EXPECT_EQ(out->remote.port, kPbx.port + 1);
  EXPECT_EQ(out->local.port, LocalOf(1).port + 1);
  Pass(20 * kSecond);
  EXPECT_FALSE(Sent());  // they report to each other: we add nothing
  EXPECT_EQ(Send(0, kTrunk, Speech(2, 0xa)), "forwarded");  // BYE ended nothing
}

TEST_F(WorkerTest, RtcpIsMadeAnewWhereTheStreamWasRenamed) {
  OpenCall();
  EXPECT_EQ(Send(0, kTrunk, Speech(1, 0xa)), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, Speech(700, 0xc)), "forwarded");
  Discard();
  EXPECT_EQ(SendRtcp(0, kTrunk, SenderReport(0xc, uint64_t{0x1234} << 32, 6, 7, 8)), "consumed");
  EXPECT_FALSE(Sent());
  Pass(7 * kSecond);
  bool sender_report = false;
  bool block_with_lsr = false;
  while (const std::optional<port::Datagram> out = Sent()) {
    ASSERT_TRUE(wire::IsRtcpCompound(out->payload));
    wire::RtcpPacket packet;
    wire::RtcpWalk(out->payload).Next(&packet);
    if (out->remote.address == kPbx.address && packet.type == wire::RtcpType::kSenderReport) {
      sender_report = true;
      EXPECT_EQ(wire::ReadSenderInfo(packet).ssrc, 0xau);
      EXPECT_EQ(wire::ReadSenderInfo(packet).packets, 2u);
      EXPECT_EQ(wire::ReadSenderInfo(packet).bytes, 320u);
    }
    if (out->remote.address == kTrunk.address && packet.count == 1 && !block_with_lsr) {
      block_with_lsr = true;
      const wire::ReportBlock block = wire::ReadReportBlock(packet, 0);
      EXPECT_EQ(block.ssrc, 0xcu);
      EXPECT_EQ(block.sequence_max, 700u);  // no cycle yet
      EXPECT_EQ(block.sr_ntp, 0x12340000u);
      EXPECT_GT(block.sr_delay, 0u);
    }
  }
  EXPECT_TRUE(sender_report);
  EXPECT_TRUE(block_with_lsr);
  EXPECT_GE(counters.Read(abi::Counter::kRtcpMade), 2u);
}

TEST_F(WorkerTest, RtcpFromElsewhereIsNotBelievedAndTeachesNothing) {
  OpenCall();
  EXPECT_EQ(SendRtcp(0, kStranger, ReceiverReport(1)), "rtcp_unmatched");
  EXPECT_EQ(SendRtcp(0, kTrunk, {0x80, 201, 0, 9}), "bad_rtcp");
  EXPECT_EQ(Send(0, kStranger, Speech(1)), "wrong_source");
  EXPECT_FALSE(Sent());
}

TEST_F(WorkerTest, RtcpFromOutsideTheNetworksIsNotBelieved) {
  const session::NetworkSet nobody{};
  session::LegSetup fenced = SetupFor(0, kTrunk);
  fenced.networks = &nobody;
  Open(0, fenced);
  Open(1, SetupFor(1, kPbx));
  Join(0, 1);
  EXPECT_EQ(SendRtcp(0, kTrunk, ReceiverReport(5)), "rtcp_unmatched");
  EXPECT_FALSE(Sent());
}

TEST_F(WorkerTest, AMuxLegTalksToOneWithAPortOfItsOwn) {
  session::LegSetup mux = SetupFor(0, kTrunk);
  mux.plan.rtcp_mux = 1;
  Open(0, mux);
  Open(1, SetupFor(1, kPbx));
  Join(0, 1);
  EXPECT_EQ(Send(0, kTrunk, ReceiverReport(5)), "consumed");
  std::optional<port::Datagram> out = Sent();
  ASSERT_TRUE(out);
  EXPECT_EQ(out->remote.port, kPbx.port + 1);
  EXPECT_EQ(SendRtcp(1, kPbx, ReceiverReport(6)), "consumed");
  out = Sent();
  ASSERT_TRUE(out);
  EXPECT_EQ(out->remote, kTrunk);
  EXPECT_EQ(out->local, LocalOf(0));
}

// ---- a thread of its own ------------------------------------------------------------------------

// True as soon as `condition` is; false after ten seconds.
template <typename Condition>
bool Eventually(Condition&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST_F(WorkerTest, RunsSleepsWakesAndStopsOnAThreadOfItsOwn) {
  std::atomic<bool> stop{false};
  std::thread thread([&] { worker->Run(stop); });
  // More idle cycles than it takes to fall asleep.
  EXPECT_TRUE(Eventually([&] { return counters.Read(abi::Counter::kIdleCycles) > 40; }));

  for (const uint32_t leg : {0u, 1u}) {
    session::LegSetup setup = SetupFor(leg, leg == 0 ? kTrunk : kPbx);
    setup.plan.rtcp_mux = 1;
    setup.rtcp_handle = port::kNoHandle;
    setup.rtp_handle = first.Bind(setup.plan.local, first.AddressOf(setup.plan.local)).value();
    EXPECT_TRUE(orders.Post({.kind = OrderKind::kOpenLeg, .leg = leg, .setup = setup}));
  }
  EXPECT_TRUE(orders.Post({.kind = OrderKind::kBridge, .leg = 0, .listener = 1}));
  worker->Wake();
  EXPECT_TRUE(Eventually([&] { return counters.Read(abi::Counter::kLegsOpened) == 2; }));
  for (uint16_t i = 1; i <= 3; ++i) {
    EXPECT_TRUE(
        first.Inject({.local = LocalOf(0), .remote = kTrunk, .payload = Speech(i).Build()}));
    std::optional<port::Datagram> sent;
    EXPECT_TRUE(Eventually([&] { return (sent = first.Collect()).has_value(); }));
    EXPECT_TRUE(sent && sent->remote == kPbx);
  }

  stop.store(true, std::memory_order_release);
  worker->Wake();
  thread.join();
  EXPECT_EQ(counters.Read(abi::Counter::kForwarded), 3u);
}

}  // namespace
}  // namespace relay::worker
