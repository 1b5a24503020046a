// Packets that are born inside the relay for a listener who takes only shorter ones than the
// speaker sends. RTCP and telephone events made here: timekeeper_test.cc, pipeline_test.cc.
#include <algorithm>
#include <map>

#include "relay/wire/bytes.h"
#include "relay/worker/pipeline.h"
#include "tests/relay/stage/srtp_world.h"
#include "tests/relay/worker/office.h"

namespace relay::worker {
namespace {

using tests::support::Digit;

// Leg 1 takes 20 ms and no more, leg 0 anything.
class ShortPackets : public Office {
 protected:
  ShortPackets() {
    Open(0, Allowed(SetupFor(0, kTrunk, {kPcma, EventFormat(101)}), 0));
    Open(1, Allowed(SetupFor(1, kPbx, {kPcma, EventFormat(101)}), 20));
    Join(0, 1);
  }
  static session::LegSetup Allowed(session::LegSetup setup, uint8_t packet_ms_max) {
    setup.plan.transcode = 1;
    setup.plan.packet_ms_max = packet_ms_max;
    return setup;
  }
  static Bytes Ramp(size_t first, size_t count) {
    Bytes bytes;
    for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(first + i));
    return bytes;
  }
};

TEST_F(ShortPackets, SpeechIsCutAndNumberedOn) {
  uint16_t number = 10;
  uint32_t timestamp = 1000;
  uint16_t sequence = 10;
  for (const size_t ms : {60, 20, 30, 40, 50, 10, 60}) {
    EXPECT_EQ(Send(0, kTrunk,
                   RtpPacket{.payload_type = 8,
                             .marker = true,
                             .sequence = sequence++,
                             .timestamp = timestamp,
                             .payload = Ramp(timestamp, ms * 8)}),
              "forwarded");
    for (size_t at = 0; at < ms; at += 20) {
      const size_t length = 8 * std::min<size_t>(20, ms - at);
      const auto sent = Sent();
      ASSERT_TRUE(sent) << ms;
      EXPECT_EQ(sent->payload, (RtpPacket{.payload_type = 8,
                                          .marker = at == 0,
                                          .sequence = number++,
                                          .timestamp = static_cast<uint32_t>(timestamp + at * 8),
                                          .payload = Ramp(timestamp + at * 8, length)}
                                    .Build()));
    }
    EXPECT_FALSE(Sent());
    timestamp += static_cast<uint32_t>(ms * 8);
  }
  EXPECT_EQ(counters.Read(abi::Counter::kSplit), 5u);
  // The way back has no limit.
  EXPECT_EQ(Send(1, kPbx, RtpPacket{.payload_type = 8, .payload = Bytes(480, 1)}), "forwarded");
  EXPECT_EQ(Sent()->payload.size(), 492u);
}

TEST_F(ShortPackets, ALatePacketIsDroppedAndALostOneLeavesAGap) {
  const auto speech = [](uint16_t sequence) {
    return RtpPacket{.payload_type = 8,
                     .sequence = sequence,
                     .timestamp = sequence * 320u,
                     .payload = Bytes(320, 1)};
  };
  EXPECT_EQ(Send(0, kTrunk, speech(1)), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, speech(3)), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, speech(2)), "late");
  std::vector<int> numbers;
  while (const auto sent = Sent()) numbers.push_back(wire::Load16(&sent->payload[2]));
  EXPECT_EQ(numbers, (std::vector<int>{1, 2, 4, 5}));
}

TEST_F(ShortPackets, DigitsPassWholeAndAnotherLawIsCutToo) {
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .payload = Bytes(320, 0xd5)}),
            "forwarded");
  Discard();
  Update(1, [](abi::LegPlan& plan) { plan.formats[0] = kPcmu; });
  const RtpPacket digit{.payload_type = 101, .sequence = 2, .payload = Digit(5, true, 800)};
  EXPECT_EQ(Send(0, kTrunk, digit), "forwarded");
  EXPECT_EQ(Sent()->payload.size(), 16u);
  EXPECT_EQ(Send(0, kTrunk,
                 RtpPacket{.payload_type = 8,
                           .sequence = 3,
                           .extension = {0xbe, 0xde, 0, 1, 1, 2, 3, 4},
                           .payload = Bytes(240, 0xd5),
                           .padding = 4}),
            "forwarded");
  for (const size_t length : {160, 80}) {
    const auto sent = Sent();
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->payload.size(), 12 + 8 + length);
    EXPECT_EQ(sent->payload[0], 0x90) << "extension, no padding";
    EXPECT_EQ(sent->payload[1], 0);
    EXPECT_EQ(sent->payload.back(), 0xfe) << "A-law 1 is mu-law 1";
  }
}

TEST_F(ShortPackets, AForkIsCutForThoseWhoNeedIt) {
  Open(2, Allowed(SetupFor(2, kBot, {kPcma}), 0));
  Hear(0, 2);
  EXPECT_EQ(Send(0, kTrunk, RtpPacket{.payload_type = 8, .payload = Bytes(320, 1)}), "forwarded");
  std::map<uint16_t, std::vector<size_t>> lengths;
  while (const auto sent = Sent()) lengths[sent->remote.port].push_back(sent->payload.size());
  EXPECT_EQ(lengths[kPbx.port], (std::vector<size_t>{172, 172}));
  EXPECT_EQ(lengths[kBot.port], (std::vector<size_t>{332}));
}

TEST_F(ShortPackets, NumbersAndTimestampsWrap) {
  RtpPacket speech{.payload_type = 8, .sequence = 0xffff, .timestamp = 0xffffff60};
  speech.payload = Bytes(480, 1);
  EXPECT_EQ(Send(0, kTrunk, speech), "forwarded");
  std::vector<std::pair<uint16_t, uint32_t>> pieces;
  while (const auto sent = Sent()) {
    pieces.emplace_back(wire::Load16(&sent->payload[2]), wire::Load32(&sent->payload[4]));
  }
  using Pieces = decltype(pieces);
  EXPECT_EQ(pieces, (Pieces{{0xffff, 0xffffff60}, {0, 0}, {1, 160}}));
  speech.sequence = 0;
  speech.timestamp = 320;
  speech.payload = Bytes(160, 1);
  EXPECT_EQ(Send(0, kTrunk, speech), "forwarded");
  EXPECT_EQ(wire::Load16(&Sent()->payload[2]), 2);
}

TEST_F(ShortPackets, ASourceThatStartsAgainIsNotTakenForLate) {
  RtpPacket speech{.payload_type = 8, .sequence = 20'000, .timestamp = 5000};
  speech.payload = Bytes(320, 1);
  EXPECT_EQ(Send(0, kTrunk, speech), "forwarded");
  Discard();
  // Such a leap backwards is believed with its second packet (RFC 3550 appendix A.1).
  for (const uint16_t sequence : {7, 8}) {
    speech.sequence = sequence;
    EXPECT_EQ(Send(0, kTrunk, speech), "forwarded") << sequence;
  }
  std::vector<uint16_t> numbers;
  while (const auto sent = Sent()) numbers.push_back(wire::Load16(&sent->payload[2]));
  EXPECT_EQ(numbers, (std::vector<uint16_t>{20'002, 20'003, 20'004, 20'005}));
}

TEST_F(ShortPackets, WithoutALimitAgainPacketsPassWhole) {
  const auto speech = [](uint16_t sequence) {
    return RtpPacket{.payload_type = 8, .sequence = sequence, .payload = Bytes(320, 1)};
  };
  EXPECT_EQ(Send(0, kTrunk, speech(1)), "forwarded");
  Discard();
  Update(1, [](abi::LegPlan& plan) { plan.packet_ms_max = 0; });
  EXPECT_EQ(Send(0, kTrunk, speech(2)), "forwarded");
  const auto sent = Sent();
  EXPECT_EQ(sent->payload.size(), 332u);
  EXPECT_EQ(wire::Load16(&sent->payload[2]), 3) << "the stream goes on";
  EXPECT_FALSE(Sent());
}

TEST_F(ShortPackets, PiecesDoNotOvertakeTheirBurst) {
  const auto packet = [](uint16_t sequence, uint8_t payload_type, Bytes payload) {
    return RtpPacket{.payload_type = payload_type,
                     .sequence = sequence,
                     .timestamp = sequence * 480u,
                     .payload = std::move(payload)};
  };
  EXPECT_EQ(Send(0, kTrunk, packet(1, 8, Bytes(480, 1))), "forwarded");
  Discard();
  for (const RtpPacket& each : {packet(2, 8, Bytes(160, 1)), packet(3, 8, Bytes(480, 1)),
                                packet(4, 101, Digit(5, true, 800)), packet(5, 8, {})}) {
    ASSERT_TRUE(PortOf(0).Inject({.local = LocalOf(0), .remote = kTrunk, .payload = each.Build()}));
  }
  Cycle();
  std::vector<std::pair<uint16_t, size_t>> sent;
  while (const auto each = Sent()) {
    sent.emplace_back(wire::Load16(&each->payload[2]), each->payload.size());
  }
  using Packets = decltype(sent);
  EXPECT_EQ(sent, (Packets{{4, 172}, {5, 172}, {6, 172}, {7, 172}, {8, 16}, {9, 12}}));
  EXPECT_EQ(counters.Read(abi::Counter::kSplit), 2u) << "one piece is no cut";
}

TEST_F(ShortPackets, ALateLongPacketTakesNoNumbersOfOthers) {
  const auto speech = [](uint16_t sequence, size_t length) {
    return RtpPacket{.payload_type = 8, .sequence = sequence, .payload = Bytes(length, 1)};
  };
  EXPECT_EQ(Send(0, kTrunk, speech(10, 160)), "forwarded");
  EXPECT_EQ(Send(0, kTrunk, speech(11, 160)), "forwarded");
  Discard();
  EXPECT_EQ(Send(0, kTrunk, speech(9, 480)), "late");
  EXPECT_FALSE(Sent());
  EXPECT_EQ(Send(0, kTrunk, speech(12, 160)), "forwarded");
  EXPECT_EQ(wire::Load16(&Sent()->payload[2]), 12);
}

TEST_F(ShortPackets, WithAnotherSourceLatePacketsPassAgain) {
  RtpPacket speech{.payload_type = 8, .sequence = 20'000, .timestamp = 5000};
  speech.payload = Bytes(320, 1);
  EXPECT_EQ(Send(0, kTrunk, speech), "forwarded");
  Update(1, [](abi::LegPlan& plan) { plan.packet_ms_max = 0; });
  for (const uint16_t sequence : {7, 8, 10, 9}) {
    speech.sequence = sequence;
    EXPECT_EQ(Send(0, kTrunk, speech), "forwarded") << sequence;
  }
}

// A-law and RTP on leg 0; mu-law, SRTP and 20 ms on leg 1.
TEST(ShortPacketsOfAnotherKind, AreConvertedAndProtectedEach) {
  class EncryptedOffice : public Office {
   public:
    EncryptedOffice() : Office(64, true) {}
    void TestBody() override {
      const abi::SrtpSuite suite = abi::SrtpSuite::kAesCm128HmacSha1_80;
      const abi::SrtpKey ours = stage::RandomKey(suite, 1);
      const abi::SrtpKey theirs = stage::RandomKey(suite, 2);
      session::LegSetup trunk = SetupFor(0, kTrunk, {kPcma});
      session::LegSetup pbx = SetupFor(1, kPbx, {kPcmu});
      trunk.plan.transcode = pbx.plan.transcode = 1;
      pbx.plan.packet_ms_max = 20;
      pbx.srtp = stage::PlanFor(suite, ours, theirs);
      Open(0, trunk);
      Open(1, pbx);
      Join(0, 1);
      stage::SrtpEnd far(stage::SrtpEngineKind::kPortable);
      far.Apply(stage::PlanFor(suite, theirs, ours));
      for (const uint16_t before : {16'000, 40'000, 64'000}) {
        RtpPacket speech{.payload_type = 8, .sequence = before, .payload = Bytes(160, 0xd5)};
        EXPECT_EQ(Send(0, kTrunk, speech), "forwarded");
        ASSERT_EQ(far.Unprotect(&Sent()->payload), stage::Verdict::kForwarded);
      }
      uint16_t number = 65'530;  // the roll-over counter moves by a piece
      for (uint16_t i = 0; i < 6; ++i) {
        RtpPacket speech{.payload_type = 8, .sequence = static_cast<uint16_t>(65'530 + i)};
        speech.timestamp = i * 320u;
        speech.payload = Bytes(320, 0xd5);
        EXPECT_EQ(Send(0, kTrunk, speech), "forwarded");
        for (uint32_t piece = 0; piece < 2; ++piece) {
          auto sent = Sent();
          ASSERT_TRUE(sent);
          ASSERT_EQ(far.Unprotect(&sent->payload), stage::Verdict::kForwarded) << i;
          EXPECT_EQ(sent->payload, (RtpPacket{.payload_type = 0,
                                              .sequence = number++,
                                              .timestamp = i * 320u + piece * 160,
                                              .payload = Bytes(160, 0xfe)}
                                        .Build()));
        }
        EXPECT_FALSE(Sent());
      }
      EXPECT_EQ(counters.Read(abi::Counter::kTranscoded), 15u);
      EXPECT_EQ(counters.Read(abi::Counter::kSplit), 6u);
    }
  };
  EncryptedOffice().TestBody();
}

}  // namespace
}  // namespace relay::worker
