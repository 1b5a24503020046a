// The conductor end to end: commands in, packets through, events out, over the memory port.
#include "relay/conductor/conductor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/own_memory.h"
#include "tests/support/relay_harness.h"

namespace {

using relay::kMillisecond;
using relay::kSecond;
using relay::abi::Attachment;
using relay::abi::EndReason;
using relay::abi::Event;
using relay::abi::EventKind;
using relay::abi::Refusal;
using support::Bridge;
using support::LegClose;
using support::LegOpen;
using support::RelayHarness;
using support::SessionClose;

void OpenCall(RelayHarness& relay, Attachment& client, uint64_t session, uint16_t port) {
  ASSERT_EQ(relay.Do(client, LegOpen(session, 0, port)).kind, EventKind::kCommandDone);
  ASSERT_EQ(relay.Do(client, LegOpen(session, 1, port + 2)).kind, EventKind::kCommandDone);
  ASSERT_EQ(relay.Do(client, Bridge(session, 0, 1)).kind, EventKind::kCommandDone);
}

TEST(ConductorTest, ACallIsCarriedBothWaysAndEndsWithItsTotals) {
  RelayHarness relay;
  Attachment client = relay.Client();
  OpenCall(relay, client, 7, 10000);
  EXPECT_EQ(relay.port().bound(), 4u);  // RTP and RTCP of two legs

  for (uint16_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(relay.port().Inject({.local = {.address = 0, .port = 10000},
                                     .remote = support::FarEnd(0),
                                     .payload = support::RtpPacket(i)}));
    ASSERT_TRUE(relay.port().Inject({.local = {.address = 0, .port = 10002},
                                     .remote = support::FarEnd(1),
                                     .payload = support::RtpPacket(i, 0x9876)}));
    relay.Step(20);
  }
  int to_leg[2] = {};
  while (auto datagram = relay.port().Collect()) {
    if (datagram->payload.size() != 172) continue;  // RTCP
    for (uint8_t leg : {0, 1}) to_leg[leg] += datagram->remote == support::FarEnd(leg);
  }
  EXPECT_EQ(to_leg[0], 10);
  EXPECT_EQ(to_leg[1], 10);

  EXPECT_EQ(relay.Do(client, SessionClose(7)).kind, EventKind::kCommandDone);
  relay.Step(3);
  const std::vector<Event> events = relay.Events(client);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].kind, EventKind::kLegEnded);
  EXPECT_EQ(events[0].body.statistics.received_packets, 10u);
  EXPECT_EQ(events[0].body.statistics.sent_packets, 10u);
  EXPECT_EQ(events[0].body.statistics.lost_packets, 0);
  EXPECT_EQ(events[1].kind, EventKind::kLegEnded);
  EXPECT_EQ(events[2].kind, EventKind::kSessionEnded);
  EXPECT_EQ(events[2].session, 7u);
  EXPECT_EQ(events[2].body.ended.reason, EndReason::kClosed);
  EXPECT_GE(events[2].body.ended.duration_ns, 200 * kMillisecond);
  EXPECT_EQ(relay.port().bound(), 0u);
  EXPECT_EQ(relay.relay().conductor().live_sessions(), 0u);
}

TEST(ConductorTest, AnswersComeInTheOrderOfTheRing) {
  RelayHarness relay;
  Attachment client = relay.Client();
  for (uint64_t i = 1; i <= 50; ++i) {
    relay::abi::Command command = LegClose(99, 0);  // refused, each one
    command.request = 1000 + i;
    ASSERT_EQ(client.Push(command), relay::abi::RingResult::kOk);
  }
  client.Signal();
  const std::vector<Event> events = relay.Events(client);
  ASSERT_EQ(events.size(), 50u);
  for (uint64_t i = 1; i <= 50; ++i) EXPECT_EQ(events[i - 1].request, 1000 + i);
}

TEST(ConductorTest, CommandsAreWipedFromTheRing) {
  RelayHarness relay;
  Attachment client = relay.Client();
  ASSERT_EQ(relay.Do(client, LegOpen(7, 0, 10000)).kind, EventKind::kCommandDone);
  const auto* slot = reinterpret_cast<const uint8_t*>(&client.client_area()->commands[0]);
  EXPECT_TRUE(std::all_of(slot, slot + sizeof(relay::abi::Command),
                          [](uint8_t byte) { return byte == 0; }));
}

// From the ring to the worker's memory, and gone with the leg.
TEST(ConductorTest, AKeyLiesInNoCoreDumpAndIsGoneWithItsLeg) {
  RelayHarness relay;
  Attachment client = relay.Client();
  std::string flipped;  // the key with every bit turned over
  for (char c = 1; c <= 16; ++c) flipped.push_back(static_cast<char>(c * 13));
  {
    relay::abi::Command open = LegOpen(7, 0, 10000);
    relay::abi::SrtpPlan& srtp = open.body.leg.srtp;
    srtp.suite = relay::abi::SrtpSuite::kAesCm128HmacSha1_80;
    srtp.send_key_count = 1;
    std::transform(flipped.begin(), flipped.end(), srtp.send.key,
                   [](char c) { return static_cast<uint8_t>(~c); });
    ASSERT_EQ(client.Push(open), relay::abi::RingResult::kOk);
  }
  EXPECT_EQ(support::Count(support::Where::kAnywhere, flipped), 2u) << "the ring, mapped twice";
  EXPECT_EQ(support::Count(support::Where::kInDumps, flipped), 1u) << "the client's own";
  client.Signal();
  ASSERT_EQ(relay.Events(client).size(), 1u);
  relay.Step(2);
  EXPECT_EQ(support::Count(support::Where::kAnywhere, flipped), 1u) << "what is kept of the leg";
  EXPECT_EQ(support::Count(support::Where::kInDumps, flipped), 0u);
  ASSERT_EQ(relay.Do(client, LegClose(7, 0)).kind, EventKind::kCommandDone);
  relay.Step(2);
  EXPECT_EQ(support::Count(support::Where::kAnywhere, flipped), 0u);
}

TEST(ConductorTest, AFullCommandRingIsWorkedOff) {
  RelayHarness relay;
  Attachment client = relay.Client();
  for (uint64_t i = 0; i < relay::abi::kCommandRingCapacity; ++i) {
    ASSERT_EQ(client.Push(SessionClose(7)), relay::abi::RingResult::kOk);
  }
  EXPECT_EQ(client.Push(SessionClose(7)), relay::abi::RingResult::kFull);
  client.Signal();
  relay.Step(100);
  EXPECT_EQ(relay.Events(client).size(), relay::abi::kCommandRingCapacity);
}

TEST(ConductorTest, TheAbsoluteLengthEndsACall) {
  RelayHarness relay;
  Attachment client = relay.Client();
  relay::abi::Command open = LegOpen(7, 0, 10000);
  open.body.leg.plan.session_length_ms = 5000;
  ASSERT_EQ(relay.Do(client, open).kind, EventKind::kCommandDone);
  relay.Advance(4900 * kMillisecond);
  relay.Step(3);
  EXPECT_TRUE(relay.Events(client).empty());
  relay.Advance(200 * kMillisecond);
  relay.Step(3);
  const std::vector<Event> events = relay.Events(client);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, EventKind::kLegEnded);
  EXPECT_EQ(events[1].body.ended.reason, EndReason::kLengthReached);
}

TEST(ConductorTest, SilenceIsReportedOnceAndItsEndToo) {
  RelayHarness relay;
  Attachment client = relay.Client();
  relay::abi::Command open = LegOpen(7, 0, 10000);
  open.body.leg.plan.media_timeout_ms = 2000;
  ASSERT_EQ(relay.Do(client, open).kind, EventKind::kCommandDone);
  relay.Step(4000);
  std::vector<Event> events = relay.Events(client);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kMediaTimeout);
  EXPECT_EQ(events[0].leg, 0);
  EXPECT_GE(events[0].body.timeout.silent_ns, 2 * kSecond);
  ASSERT_TRUE(relay.port().Inject({.local = {.address = 0, .port = 10000},
                                   .remote = support::FarEnd(0),
                                   .payload = support::RtpPacket(1)}));
  relay.Step(3);
  events = relay.Events(client);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kMediaResumed);
}

TEST(ConductorTest, ADigitIsAnEvent) {
  RelayHarness relay;
  Attachment client = relay.Client();
  relay::abi::Command open = LegOpen(7, 0, 10000);
  open.body.leg.plan.formats[0].codec = relay::abi::Codec::kTelephoneEvent;
  ASSERT_EQ(relay.Do(client, open).kind, EventKind::kCommandDone);
  auto packet = support::RtpPacket(1);
  packet.resize(16);
  packet[12] = 11;
  packet[13] = 0x80;
  packet[14] = 800 >> 8;
  packet[15] = 800 & 0xff;
  ASSERT_TRUE(relay.port().Inject(
      {.local = {.address = 0, .port = 10000}, .remote = support::FarEnd(0), .payload = packet}));
  relay.Step(3);
  const std::vector<Event> events = relay.Events(client);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kDigit);
  EXPECT_EQ(events[0].session, 7u);
  EXPECT_EQ(events[0].leg, 0);
  EXPECT_EQ(events[0].body.digit.event, 11);
  EXPECT_EQ(events[0].body.digit.duration_ms, 100u);
}

TEST(ConductorTest, AnUpdateRetiresTheNetworksItReplaces) {
  RelayHarness relay;
  Attachment client = relay.Client();
  ASSERT_EQ(relay.Do(client, support::Networks(3, 2)).kind, EventKind::kCommandDone);
  relay::abi::Command open = LegOpen(7, 0, 10000);
  open.body.leg.plan.learning = relay::abi::Learning::kOff;
  open.body.leg.plan.network_set = 3;
  ASSERT_EQ(relay.Do(client, open).kind, EventKind::kCommandDone);
  for (int i = 0; i < 10; ++i) {  // each round a new snapshot, the old one still in the worker
    ASSERT_EQ(relay.Do(client, support::Networks(3, 1)).kind, EventKind::kCommandDone);
    relay::abi::Command update = open;
    update.kind = relay::abi::CommandKind::kLegUpdate;
    ASSERT_EQ(relay.Do(client, update).kind, EventKind::kCommandDone);
    ASSERT_TRUE(relay.port().Inject({.local = {.address = 0, .port = 10000},
                                     .remote = support::FarEnd(0),
                                     .payload = support::RtpPacket(static_cast<uint16_t>(i))}));
    relay.Step(2);
  }
  EXPECT_EQ(relay.relay().state().counters(0)->Read(relay::abi::Counter::kWrongNetwork), 0u);
  EXPECT_EQ(relay.relay().state().counters(0)->Read(relay::abi::Counter::kHeld), 10u);
}

TEST(ConductorTest, AClientThatDoesNotReadGetsNothingDoneAndLosesOnlyWhatIsCounted) {
  RelayHarness relay;
  Attachment client = relay.Client();
  ASSERT_EQ(relay.Do(client, LegOpen(7, 0, 10000)).kind, EventKind::kCommandDone);
  // More answers than the event ring holds: the rest of the commands waits in its own ring.
  constexpr uint64_t kMany = relay::abi::kEventRingCapacity + 1000;
  uint64_t pushed = 0;
  for (int turn = 0; turn < 200 && pushed < kMany; ++turn) {
    while (pushed < kMany) {
      relay::abi::Command command = LegClose(99, 0);
      command.request = 5000 + pushed;
      if (client.Push(command) != relay::abi::RingResult::kOk) break;
      ++pushed;
    }
    client.Signal();
    relay.Step();
  }
  ASSERT_EQ(pushed, kMany);
  std::vector<Event> all;
  for (int turn = 0; turn < 200 && all.size() < kMany; ++turn) {
    for (const Event& event : relay.Events(client)) all.push_back(event);
  }
  ASSERT_EQ(all.size(), kMany);
  for (uint64_t i = 0; i < kMany; ++i) ASSERT_EQ(all[i].request, 5000 + i);
}

TEST(ConductorTest, DrainingRefusesNewSessionsAndEndsWithTheLast) {
  RelayHarness relay;
  Attachment client = relay.Client();
  OpenCall(relay, client, 7, 10000);
  relay.relay().conductor().Terminate(relay.now());
  ASSERT_TRUE(relay.Step());
  EXPECT_TRUE(client.Draining());
  EXPECT_EQ(relay.Do(client, LegOpen(8, 0, 10010)).body.refused.refusal, Refusal::kDraining);
  EXPECT_EQ(relay.Do(client, LegOpen(7, 2, 10010)).kind, EventKind::kCommandDone);
  ASSERT_EQ(relay.Do(client, SessionClose(7)).kind, EventKind::kCommandDone);
  EXPECT_FALSE(relay.Step(5));
}

TEST(ConductorTest, TheDrainTimeoutEndsTheRest) {
  RelayHarness relay({.drain_timeout_s = 3});
  Attachment client = relay.Client();
  OpenCall(relay, client, 7, 10000);
  relay.relay().conductor().Terminate(relay.now());
  ASSERT_TRUE(relay.Step(5));
  relay.Advance(3 * kSecond);
  EXPECT_FALSE(relay.Step(10));
  const std::vector<Event> events = relay.Events(client);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[2].body.ended.reason, EndReason::kRelayStopping);
}

TEST(ConductorTest, ASecondSignalEndsItAtOnce) {
  RelayHarness relay;
  Attachment client = relay.Client();
  OpenCall(relay, client, 7, 10000);
  relay.relay().conductor().Terminate(relay.now());
  ASSERT_TRUE(relay.Step(5));
  relay.relay().conductor().Terminate(relay.now());
  EXPECT_FALSE(relay.Step(10));
}

}  // namespace
