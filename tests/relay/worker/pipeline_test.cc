// The pipeline as a table: a sentence, a packet in, its verdict, the packet out. Then who hears
// whom, and what becomes of the far party's stream.
#include "relay/worker/pipeline.h"

#include "relay/wire/bytes.h"
#include "tests/relay/worker/office.h"

namespace relay::worker {
namespace {

using tests::support::Digit;
using tests::support::ReceiverReport;

// Leg 0 is the trunk (PCMA 8, events 101), leg 1 the PBX (PCMU 0, PCMA 8, events 96).
class Call : public Office {
 protected:
  Call() {
    Open(0, SetupFor(0, kTrunk, {kPcma, EventFormat(101)}));
    Open(1, SetupFor(1, kPbx, {kPcmu, kPcma, EventFormat(96)}));
    Join(0, 1);
  }
};

struct Row {
  const char* sentence;
  uint32_t leg;
  abi::Endpoint from;
  Bytes in;
  const char* verdict;
  Bytes out;  // empty: nothing leaves
};

const Bytes kPcmaPacket = RtpPacket{.payload_type = 8}.Build();
const Bytes kExtension{0xbe, 0xde, 0, 1, 1, 2, 3, 4};
const Bytes kLadenPacket =
    RtpPacket{.payload_type = 8, .contributors = {1, 2}, .extension = kExtension, .padding = 4}
        .Build();
const abi::Endpoint kTrunkOtherPort{.address = kTrunk.address, .port = 30002};

const Row kRows[] = {
    {"speech passes as it is", 0, kTrunk, kPcmaPacket, "forwarded", kPcmaPacket},
    {"the marker passes", 0, kTrunk, RtpPacket{.payload_type = 8, .marker = true}.Build(),
     "forwarded", RtpPacket{.payload_type = 8, .marker = true}.Build()},
    {"an event takes the listener's payload type", 0, kTrunk,
     RtpPacket{.payload_type = 101, .payload = Digit(5, false, 160)}.Build(), "forwarded",
     RtpPacket{.payload_type = 96, .payload = Digit(5, false, 160)}.Build()},
    {"and on the way back, too", 1, kPbx,
     RtpPacket{.payload_type = 96, .payload = Digit(11, true, 800)}.Build(), "forwarded",
     RtpPacket{.payload_type = 101, .payload = Digit(11, true, 800)}.Build()},
    {"contributing sources, extension and padding pass", 0, kTrunk, kLadenPacket, "forwarded",
     kLadenPacket},
    {"a packet without payload passes", 0, kTrunk,
     RtpPacket{.payload_type = 8, .payload = {}}.Build(), "forwarded",
     RtpPacket{.payload_type = 8, .payload = {}}.Build()},
    {"a codec the listener has not",
     1,
     kPbx,
     RtpPacket{.payload_type = 0}.Build(),
     "no_shared_format",
     {}},
    {"a payload type nobody agreed on",
     0,
     kTrunk,
     RtpPacket{.payload_type = 3}.Build(),
     "unknown_payload_type",
     {}},
    {"another address", 0, kStranger, kPcmaPacket, "wrong_source", {}},
    {"the right address, another port", 0, kTrunkOtherPort, kPcmaPacket, "wrong_source", {}},
    {"an empty datagram", 0, kTrunk, {}, "unknown_protocol", {}},
    {"eleven bytes", 0, kTrunk, {0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0}, "too_short", {}},
    {"more contributors than there is room for",
     0,
     kTrunk,
     {0x8f, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1},
     "too_short",
     {}},
    {"an extension longer than the packet",
     0,
     kTrunk,
     {0x90, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xbe, 0xde, 0xff, 0xff},
     "too_short",
     {}},
    {"padding longer than the payload",
     0,
     kTrunk,
     {0xa0, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 9},
     "bad_padding",
     {}},
    {"padding of length zero",
     0,
     kTrunk,
     {0xa0, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7, 0},
     "bad_padding",
     {}},
    {"RTP of version 3", 0, kTrunk, RtpPacket{.version = 3}.Build(), "bad_version", {}},
    {"a STUN binding request",
     0,
     kTrunk,
     {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
     "stun",
     {}},
    {"a DTLS ClientHello", 0, kTrunk, {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "dtls", {}},
    {"T.38 over UDPTL", 0, kTrunk, {0, 5, 2, 0xc0, 0x01, 0x80, 0, 0}, "udptl", {}},
    {"ZRTP", 0, kTrunk, {0x10, 0, 0, 1, 'Z', 'R', 'T', 'P'}, "unknown_protocol", {}},
    {"RTCP on the RTP port without mux", 0, kTrunk, ReceiverReport(1), "unknown_payload_type", {}},
};

// Each row meets a fresh call.
class PipelineTable : public Call, public testing::WithParamInterface<Row> {};

TEST_P(PipelineTable, Row) {
  const Row& row = GetParam();
  SCOPED_TRACE(row.sentence);
  EXPECT_EQ(Send(row.leg, row.from, row.in), row.verdict);
  const std::optional<port::Datagram> sent = Sent();
  ASSERT_EQ(sent.has_value(), !row.out.empty());
  if (!sent) return;
  EXPECT_EQ(sent->payload, row.out);
  EXPECT_EQ(sent->local, LocalOf(1 - row.leg));
  EXPECT_EQ(sent->remote, row.leg == 0 ? kPbx : kTrunk);
  EXPECT_EQ(sent->dscp, 46);
  EXPECT_FALSE(Sent());
}

INSTANTIATE_TEST_SUITE_P(Rows, PipelineTable, testing::ValuesIn(kRows));

TEST_F(Call, APortWithoutALegAndABadChecksumAreCountedApart) {
  EXPECT_EQ(Send(9, kTrunk, RtpPacket{}), "no_leg");
  EXPECT_EQ(SendTo({.address = 1, .port = 10000}, kTrunk, kPcmaPacket), "no_leg");
  EXPECT_EQ(SendTo(LocalOf(0), kTrunk, kPcmaPacket, port::Checksum::kBad), "bad_checksum");
  EXPECT_FALSE(Sent());
}

TEST_F(Call, RtpToTheRtcpPortIsNotMedia) {
  EXPECT_EQ(SendRtcp(0, kTrunk, kPcmaPacket), "unknown_protocol");
}

TEST_F(Call, ADuplicateGoesOutOnce) {
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 5}), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 5}), "duplicate");
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 6}), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 5}), "duplicate");
  EXPECT_EQ(legs[0].gate.dropped, 2u);
}

TEST_F(Call, EveryPacketMovesOneVerdictAlsoInAMixedBurst) {
  for (uint16_t i = 0; i < 40; ++i) {
    const Bytes speech = RtpPacket{.payload_type = 8, .sequence = i}.Build();
    ASSERT_TRUE(first.Inject({.local = LocalOf(i % 5 == 0 ? 9 : 0),
                              .remote = kTrunk,
                              .payload = i % 4 == 0 ? Bytes{22, 1, 1} : speech}));
  }
  Cycle();
  uint64_t verdicts = 0;
  for (const uint64_t value : Verdicts()) verdicts += value;
  EXPECT_EQ(verdicts, 40u);
  EXPECT_EQ(counters.Read(abi::Counter::kReceivedPackets), 40u);
  EXPECT_EQ(counters.Read(abi::Counter::kNoLeg), 8u);
  EXPECT_EQ(counters.Read(abi::Counter::kDtls), 8u);
  EXPECT_EQ(counters.Read(abi::Counter::kForwarded), 24u);
  EXPECT_EQ(counters.Read(abi::Counter::kSentPackets), 24u);
}

TEST_F(Call, AFullBurstToOneListenerKeepsItsOrder) {
  for (uint16_t i = 0; i < kBurstMax; ++i) {
    ASSERT_TRUE(first.Inject({.local = LocalOf(0),
                              .remote = kTrunk,
                              .payload = RtpPacket{.payload_type = 8, .sequence = i}.Build()}));
  }
  Cycle();
  for (uint16_t i = 0; i < kBurstMax; ++i) EXPECT_EQ(wire::Load16(&Sent()->payload[2]), i);
}

// ---- who hears whom -----------------------------------------------------------------------------

TEST_F(Call, HoldStopsWhatItNames) {
  Update(1, [](abi::LegPlan& plan) { plan.direction = abi::kLegReceives; });
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "held");
  EXPECT_EQ(Send(1, kPbx, kPcmaPacket), "forwarded");
  Update(1, [](abi::LegPlan& plan) { plan.direction = abi::kLegSends; });
  EXPECT_EQ(Send(1, kPbx, RtpPacket{.payload_type = 8, .sequence = 2}), "not_receiving");
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 2}), "forwarded");
  Update(1, [](abi::LegPlan& plan) { plan.direction = abi::kLegReceives | abi::kLegSends; });
  EXPECT_EQ(Send(1, kPbx, RtpPacket{.payload_type = 8, .sequence = 3}), "forwarded");
}

TEST_F(Call, WithoutABridgePacketsAreHeld) {
  Unhear(0, 1);
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "held");
  EXPECT_EQ(Send(1, kPbx, kPcmaPacket), "forwarded");
}

TEST_F(Call, AListenerWithoutAnAddressGetsNothing) {
  Update(1, [](abi::LegPlan& plan) { plan.remote_rtp = {}; });
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "no_remote");
}

TEST_F(Call, AForkHearsTheSamePacketUnderItsOwnNames) {
  Open(2, SetupFor(2, kBot, {kPcma, EventFormat(110)}));
  Hear(0, 2);
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 101}), "forwarded");
  const std::optional<port::Datagram> original = Sent();
  const std::optional<port::Datagram> copy = Sent();
  ASSERT_TRUE(copy && original);
  EXPECT_EQ(copy->remote, kBot);
  EXPECT_EQ(copy->payload, RtpPacket{.payload_type = 110}.Build());
  EXPECT_EQ(original->remote, kPbx);
  EXPECT_EQ(original->payload, RtpPacket{.payload_type = 96}.Build());
  EXPECT_FALSE(Sent());

  Unhear(0, 1);  // the bot moves up
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 101, .sequence = 2}), "forwarded");
  EXPECT_EQ(Sent()->payload, (RtpPacket{.payload_type = 110, .sequence = 2}.Build()));
  EXPECT_FALSE(Sent());
}

TEST_F(Call, AForkIsForwardedWhenAnyListenerGotIt) {
  Open(2, SetupFor(2, kBot, {kPcma, EventFormat(110)}));
  Hear(0, 2);
  Update(1, [](abi::LegPlan& plan) { plan.direction = 0; });
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "forwarded");
  EXPECT_EQ(Sent()->remote, kBot);
  EXPECT_FALSE(Sent());
}

TEST_F(Call, AForkWithoutABufferStillServesTheFirstListener) {
  Open(2, SetupFor(2, kBot));
  Hear(0, 2);
  ASSERT_TRUE(first.Inject({.local = LocalOf(0), .remote = kTrunk, .payload = kPcmaPacket}));
  // There is a buffer for the packet itself, none for its copy.
  std::vector<port::Packet> taken(buffers - 1);
  for (port::Packet& packet : taken) ASSERT_TRUE(first.Allocate(&packet));
  Cycle();
  first.Release(taken);
  EXPECT_EQ(counters.Read(abi::Counter::kForwarded), 1u);
  EXPECT_EQ(counters.Read(abi::Counter::kForkLost), 1u);
  EXPECT_EQ(Sent()->remote, kPbx);
  EXPECT_FALSE(Sent());
}

TEST_F(Call, APacketMayLeaveByAnotherPort) {
  session::LegSetup setup = SetupFor(2, kBot);
  setup.port_index = 1;
  Open(2, setup);
  Part(0, 1);
  Join(0, 2);
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "forwarded");
  EXPECT_FALSE(Sent(0));
  EXPECT_EQ(Sent(1)->remote, kBot);
  EXPECT_EQ(Send(2, kBot, kPcmaPacket), "forwarded");
  EXPECT_EQ(Sent(0)->remote, kTrunk);
}

TEST_F(Call, Ipv4AndIpv6PartiesTalkToEachOther) {
  const abi::Address ours{{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  const abi::Address theirs{{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}};
  const abi::Endpoint as{.address = ours};
  const abi::Endpoint six{.address = theirs, .port = 6000};
  session::LegSetup setup = SetupFor(2, six);
  setup.plan.local.address = 2;
  Open(2, setup, &as);
  Part(0, 1);
  Join(0, 2);
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "forwarded");
  EXPECT_EQ(Sent()->remote, six);
  EXPECT_EQ(SendTo(setup.plan.local, six, kPcmaPacket), "forwarded");
  EXPECT_EQ(Sent()->remote, kTrunk);
}

// ---- digits -------------------------------------------------------------------------------------

TEST_F(Call, ADigitPassesThreeTimesAndIsToldOnce) {
  for (uint16_t i = 0; i < 5; ++i) {
    const Bytes digit = Digit(7, i >= 2, static_cast<uint16_t>(std::min(160 * (i + 1), 480)));
    RtpPacket packet{.payload_type = 101, .sequence = i, .timestamp = 800, .payload = digit};
    EXPECT_EQ(Send(0, kTrunk, packet), "forwarded");
    packet.payload_type = 96;
    EXPECT_EQ(Sent()->payload, packet.Build());
  }
  const std::optional<Report> report = NextReport();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->kind, ReportKind::kDigit);
  EXPECT_EQ(report->leg, 0u);
  EXPECT_EQ(report->body.digit.event, 7);
  EXPECT_EQ(report->body.digit.duration_ms, 60u);
  EXPECT_FALSE(NextReport());
  EXPECT_EQ(counters.Read(abi::Counter::kDigitsHeard), 1u);
}

TEST_F(Call, AWrongSourcesDigitIsNeitherForwardedNorTold) {
  const RtpPacket digit{.payload_type = 101, .payload = Digit(7, true, 800)};
  EXPECT_EQ(Send(0, kStranger, digit), "wrong_source");
  EXPECT_FALSE(Sent());
  EXPECT_FALSE(NextReport());
}

TEST_F(Call, ADigitThatNobodyHearsIsToldAllTheSame) {
  Unhear(0, 1);
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 101, .payload = Digit(1, false, 800)}),
            "held");
  EXPECT_FALSE(NextReport());
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 2, .timestamp = 5000}),
            "held");
  EXPECT_EQ(NextReport()->body.digit.duration_ms, 100u);
}

TEST_F(Call, ADigitOfTheRelayStandsInThePlaceOfSpeech) {
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "forwarded");
  Discard();
  const Order digit{.kind = OrderKind::kSendDigit,
                    .leg = 1,
                    .digit = {.event = 11, .volume = 10, .duration_ms = 80},
                    .number = 1};
  Give(digit);
  Give(digit);  // told twice, sent once
  std::vector<Bytes> events;
  uint16_t sequence = 2;
  for (int i = 0; i < 12; ++i) {
    clock.Advance(20 * kMillisecond);
    const std::string verdict =
        Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = sequence++});
    EXPECT_EQ(verdict, events.size() < 6 ? "replaced" : "forwarded") << i;
    while (const std::optional<port::Datagram> sent = Sent()) {
      if ((sent->payload[1] & 0x7f) == 96) events.push_back(sent->payload);
    }
  }
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(wire::Load16(&events[0][2]), 2);
  EXPECT_EQ(wire::Load16(&events[5][2]), 7);
  EXPECT_EQ(events[5][12], 11);
  EXPECT_EQ(counters.Read(abi::Counter::kDigitsSent), 1u);
}

// Nothing of a digit is lost without a name.
TEST_F(Call, ADigitOfTheRelayWaitsForABufferAndIsCountedWhenItCannotBeSent) {
  const Order digit{.kind = OrderKind::kSendDigit,
                    .leg = 1,
                    .digit = {.event = 11, .volume = 10, .duration_ms = 40},
                    .number = 1};
  std::vector<port::Packet> taken;
  for (port::Packet one; first.Allocate(&one);) taken.push_back(one);
  Give(digit);
  clock.Advance(50 * kMillisecond);
  Cycle();
  EXPECT_FALSE(Sent());
  for (const port::Packet& one : taken) first.Release({&one, 1});
  size_t events = 0;
  for (int i = 0; i < 10; ++i) {
    clock.Advance(20 * kMillisecond);
    Cycle();
    while (Sent()) ++events;
  }
  EXPECT_EQ(events, 4u);
  EXPECT_EQ(counters.Read(abi::Counter::kDigitsSent), 1u);
  EXPECT_EQ(counters.Read(abi::Counter::kDigitsLost), 0u);

  Update(1, [](abi::LegPlan& plan) { plan.direction = abi::kLegReceives; });
  Order next = digit;
  next.number = 2;
  Give(next);
  clock.Advance(20 * kMillisecond);
  Cycle();
  EXPECT_FALSE(Sent());
  EXPECT_EQ(counters.Read(abi::Counter::kDigitsSent), 1u);
  EXPECT_EQ(counters.Read(abi::Counter::kDigitsLost), 1u);
}

TEST_F(Call, DigitsThatALegTakesWithItAreLost) {
  for (uint32_t number = 1; number <= 3; ++number) {
    Give({.kind = OrderKind::kSendDigit,
          .leg = 1,
          .digit = {.event = 11, .volume = 10, .duration_ms = 200},
          .number = number});
  }
  Close(1);
  EXPECT_EQ(counters.Read(abi::Counter::kDigitsSent), 0u);
  EXPECT_EQ(counters.Read(abi::Counter::kDigitsLost), 3u);
  Discard();
}

// ---- another law --------------------------------------------------------------------------------

// `law` of the listener, of the payload that every packet here carries.
Bytes Mapped(const abi::Format& law, Bytes payload = RtpPacket{}.payload) {
  const kernels::G711& g711 = kernels::G711For(kernels::Isa::kScalar);
  (law.codec == abi::Codec::kPcmu ? g711.alaw_to_ulaw : g711.ulaw_to_alaw)(
      payload.data(), payload.data(), payload.size());
  return payload;
}

class TwoLaws : public Office {
 protected:
  TwoLaws() {
    Open(0, Allowed(SetupFor(0, kTrunk, {kPcma, EventFormat(101)})));
    Open(1, Allowed(SetupFor(1, kPbx, {kPcmu, EventFormat(96)})));
    Join(0, 1);
  }
  static session::LegSetup Allowed(session::LegSetup setup) {
    setup.plan.transcode = 1;
    return setup;
  }
};

TEST_F(TwoLaws, EachPartyHearsItsOwnLawAndTheHeaderStays) {
  const RtpPacket speech{.payload_type = 8, .marker = true, .sequence = 9, .timestamp = 77};
  RtpPacket heard = speech;
  heard.payload_type = 0;
  heard.payload = Mapped(kPcmu);
  EXPECT_EQ(Send(0, kTrunk, speech), "forwarded");
  EXPECT_EQ(Sent()->payload, heard.Build());
  EXPECT_EQ(Send(1, kPbx, heard), "forwarded");
  heard.payload_type = 8;
  heard.payload = Mapped(kPcma, heard.payload);
  EXPECT_EQ(Sent()->payload, heard.Build());
  EXPECT_EQ(counters.Read(abi::Counter::kTranscoded), 2u);
}

TEST_F(TwoLaws, ADigitIsNoSpeech) {
  const Bytes digit = Digit(5, true, 800);
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 101, .payload = digit}), "forwarded");
  EXPECT_EQ(Sent()->payload, (RtpPacket{.payload_type = 96, .payload = digit}.Build()));
  EXPECT_EQ(counters.Read(abi::Counter::kTranscoded), 0u);
}

// Its payload is a level, not a code of either law.
TEST_F(TwoLaws, ComfortNoiseIsNoSpeech) {
  for (const uint32_t leg : {0, 1}) {
    Update(leg, [](abi::LegPlan& plan) {
      plan.formats[plan.format_count++] = abi::EqualFormat(13, abi::Codec::kComfortNoise, 8000);
    });
  }
  const Bytes noise =
      RtpPacket{.payload_type = 13, .marker = true, .sequence = 9, .payload = {0x2a, 0x55, 0xd5}}
          .Build();
  EXPECT_EQ(Send(0, kTrunk, noise), "forwarded");
  EXPECT_EQ(Sent()->payload, noise);
  EXPECT_EQ(Send(1, kPbx, noise), "forwarded");
  EXPECT_EQ(Sent()->payload, noise);
  EXPECT_EQ(counters.Read(abi::Counter::kTranscoded), 0u);
}

TEST_F(TwoLaws, AForkHearsBothLaws) {
  Open(2, Allowed(SetupFor(2, kBot, {kPcma})));
  Hear(0, 2);
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "forwarded");
  EXPECT_EQ(Sent()->payload, (RtpPacket{.payload_type = 0, .payload = Mapped(kPcmu)}.Build()));
  EXPECT_EQ(Sent()->payload, kPcmaPacket);
  // And in the other order: the first listener shares the speaker's law, the second does not.
  Unhear(0, 1);
  Hear(0, 1);
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 2}), "forwarded");
  EXPECT_EQ(Sent()->payload, (RtpPacket{.payload_type = 8, .sequence = 2}.Build()));
  EXPECT_EQ(Sent()->payload,
            (RtpPacket{.payload_type = 0, .sequence = 2, .payload = Mapped(kPcmu)}.Build()));
}

TEST_F(TwoLaws, AnUpdateMayGiveAndTakeTheCommonLaw) {
  Update(1, [](abi::LegPlan& plan) { plan.formats[0] = kPcma; });
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "forwarded");
  EXPECT_EQ(Sent()->payload, kPcmaPacket);
  Update(1, [](abi::LegPlan& plan) {
    plan.formats[0] = kPcmu;
    plan.transcode = 0;
  });
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 2}), "no_shared_format");
  EXPECT_FALSE(Sent());
  EXPECT_EQ(counters.Read(abi::Counter::kTranscoded), 0u);
}

// ---- one stream for the far party ---------------------------------------------------------------

TEST_F(Call, AReBridgeContinuesTheFarPartysStream) {
  RtpPacket trunk{.payload_type = 8, .sequence = 65535, .timestamp = 1000, .ssrc = 0xaaaa};
  RtpPacket bot{.payload_type = 8, .sequence = 700, .timestamp = 5, .ssrc = 0xbbbb};
  EXPECT_EQ(Send(0, kTrunk, trunk), "forwarded");
  Discard();
  Open(2, SetupFor(2, kBot));
  Part(0, 1);
  Hear(2, 1);
  clock.Advance(100 * kMillisecond);
  EXPECT_EQ(Send(2, kBot, bot), "forwarded");
  Bytes out = Sent()->payload;
  EXPECT_EQ(wire::Load32(&out[8]), 0xaaaau);
  EXPECT_EQ(wire::Load16(&out[2]), 0u);
  const uint32_t timestamp = wire::Load32(&out[4]);
  EXPECT_NEAR(timestamp, 1000 + 800, 9);
  EXPECT_EQ(out[1], 0x80 | 8);

  bot.sequence += 1;
  bot.timestamp += 160;
  EXPECT_EQ(Send(2, kBot, bot), "forwarded");
  out = Sent()->payload;
  EXPECT_EQ(wire::Load32(&out[8]), 0xaaaau);
  EXPECT_EQ(wire::Load16(&out[2]), 1u);
  EXPECT_EQ(wire::Load32(&out[4]), timestamp + 160);
  EXPECT_EQ(out[1], 8);

  // And back to the first speaker, whose numbers have gone on meanwhile.
  Unhear(2, 1);
  Join(0, 1);
  trunk.sequence = 9;
  trunk.timestamp += 1600;
  EXPECT_EQ(Send(0, kTrunk, trunk), "forwarded");
  out = Sent()->payload;
  EXPECT_EQ(wire::Load32(&out[8]), 0xaaaau);
  EXPECT_EQ(wire::Load16(&out[2]), 2u);
  EXPECT_EQ(wire::Load32(&out[4]), timestamp + 160 + 160);
}

// SSRCs are chosen by the parties: two of them may choose the same one.
TEST_F(Call, ANewSpeakerWithTheFormersSsrcContinuesTheStream) {
  const RtpPacket trunk{.payload_type = 8, .sequence = 100, .timestamp = 16000, .ssrc = 0x1111};
  RtpPacket bot{.payload_type = 8, .sequence = 40000, .timestamp = 5, .ssrc = 0x1111};
  EXPECT_EQ(Send(0, kTrunk, trunk), "forwarded");
  Discard();
  Open(2, SetupFor(2, kBot));
  Part(0, 1);
  Hear(2, 1);
  clock.Advance(100 * kMillisecond);
  EXPECT_EQ(Send(2, kBot, bot), "forwarded");
  Bytes out = Sent()->payload;
  EXPECT_EQ(wire::Load16(&out[2]), 101u);
  EXPECT_NEAR(wire::Load32(&out[4]), 16000 + 800, 9);
  EXPECT_EQ(out[1], 0x80 | 8);

  bot.sequence += 1;
  EXPECT_EQ(Send(2, kBot, bot), "forwarded");
  out = Sent()->payload;
  EXPECT_EQ(wire::Load16(&out[2]), 102u);
  EXPECT_EQ(out[1], 8);
}

TEST_F(Call, ALegInTheFormerSpeakersSlotIsAnotherSpeaker) {
  Open(2, SetupFor(2, kBot));
  Part(0, 1);
  Hear(2, 1);
  EXPECT_EQ(Send(2, kBot, RtpPacket{.payload_type = 8, .sequence = 100, .ssrc = 7}), "forwarded");
  Discard();
  Unhear(2, 1);
  Close(2);
  session::LegSetup next = SetupFor(2, kBot);
  next.generation += 1;
  Open(2, next);
  Hear(2, 1);
  EXPECT_EQ(Send(2, kBot, RtpPacket{.payload_type = 8, .sequence = 5, .ssrc = 7}), "forwarded");
  EXPECT_EQ(wire::Load16(&Sent()->payload[2]), 101u);
}

// RFC 5761 section 4 keeps RTP from types 64 to 95 only where RTCP shares its port.
TEST_F(Call, OfATypeThatLooksLikeRtcpEveryPacketPassesOnAPortOfItsOwn) {
  const abi::Format odd = abi::EqualFormat(72, abi::Codec::kOpaque, 8000);
  for (const uint32_t leg : {0u, 1u}) {
    Update(leg, [&](abi::LegPlan& plan) { plan.formats[plan.format_count++] = odd; });
  }
  RtpPacket packet{.payload_type = 72, .marker = true, .sequence = 1};
  EXPECT_EQ(Send(0, kTrunk, packet), "forwarded");
  EXPECT_EQ(Sent()->payload, packet.Build());
  packet.marker = false;
  packet.sequence = 2;
  EXPECT_EQ(Send(0, kTrunk, packet), "forwarded");
  EXPECT_EQ(Sent()->payload, packet.Build());
}

TEST_F(Call, RtcpThatWentAstrayIsNotCountedAsASource) {
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, ReceiverReport(99)), "unknown_payload_type");
  EXPECT_EQ(legs[0].totals.source_changes, 0u);
  EXPECT_EQ(counters.Read(abi::Counter::kSsrcChanges), 0u);
}

TEST_F(Call, ASourceThatChangesItsSsrcIsOneStreamForTheListener) {
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 10, .ssrc = 1}), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 9000, .ssrc = 2}),
            "forwarded");
  Sent();
  const Bytes out = Sent()->payload;
  EXPECT_EQ(wire::Load32(&out[8]), 1u);
  EXPECT_EQ(wire::Load16(&out[2]), 11u);
  EXPECT_EQ(counters.Read(abi::Counter::kSsrcChanges), 1u);
}

TEST_F(Call, ResumeByTheSameSourceKeepsItsIdentity) {
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 10}), "forwarded");
  Part(0, 1);
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .sequence = 11}), "held");
  Join(0, 1);
  const RtpPacket next{.payload_type = 8, .sequence = 12, .timestamp = 9999};
  EXPECT_EQ(Send(0, kTrunk, next), "forwarded");
  Sent();
  EXPECT_EQ(Sent()->payload, next.Build());
}

// Rule T2: not into the call, not into anybody's log of digits.
TEST_F(Call, AnInjectedDigitReachesNobody) {
  EXPECT_EQ(Send(0, kTrunk, kPcmaPacket), "forwarded");
  Discard();
  for (uint16_t i = 0; i < 20; ++i) {
    const RtpPacket digit{.payload_type = 101, .sequence = i, .payload = Digit(9, true, 800)};
    EXPECT_EQ(Send(0, kStranger, digit), "wrong_source");
  }
  EXPECT_FALSE(Sent());
}

}  // namespace
}  // namespace relay::worker
