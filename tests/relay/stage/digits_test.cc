#include "relay/stage/digits.h"

#include <gtest/gtest.h>

#include <vector>

#include "relay/stage/rewrite.h"
#include "relay/wire/bytes.h"
#include "tests/support/packet_builder.h"

namespace relay::stage {
namespace {

using session::Digit;
using session::Leg;
using tests::support::Bytes;

constexpr uint32_t kRate = 8000;

// ---- heard --------------------------------------------------------------------------------------

class Hearing : public testing::Test {
 protected:
  int Event(uint32_t timestamp, uint8_t event, bool end, uint16_t units, bool marker = false,
            uint32_t ssrc = 1, uint16_t late = 0) {
    if (late == 0) ++sequence;
    const Bytes bytes =
        tests::support::RtpPacket{.payload_type = 101,
                                  .marker = marker,
                                  .sequence = static_cast<uint16_t>(sequence - late),
                                  .timestamp = timestamp,
                                  .ssrc = ssrc,
                                  .payload = tests::support::Digit(event, end, units)}
            .Build();
    wire::Rtp rtp{};
    EXPECT_EQ(wire::ParseRtp(bytes.data(), bytes.size(), &rtp), wire::RtpFault::kNone);
    const Heard heard = HearEvent(leg, bytes.data(), rtp, kRate);
    lost += heard.lost;
    return heard.told;
  }
  int Speech(uint32_t timestamp) {
    if (!(leg.gate.flags & session::kGateDigit)) return 0;
    return HearSpeech(leg, {.ssrc = 1, .timestamp = timestamp}).told;
  }
  // "5:100 1:80": the digits that wait, with their length in ms.
  std::string Told() {
    std::string text;
    for (int i = 0; i < leg.digits.pending_count; ++i) {
      const Digit& digit = leg.digits.pending[i];
      text +=
          (i ? " " : "") + std::to_string(digit.event) + ":" + std::to_string(digit.duration_ms);
    }
    leg.digits.pending_count = 0;
    return text;
  }

  Leg leg{};
  uint16_t sequence = 0;
  int lost = 0;
};

TEST_F(Hearing, ADigitIsToldOnceHoweverOftenItEnds) {
  EXPECT_EQ(Event(1000, 5, false, 160, true), 0);
  EXPECT_EQ(Event(1000, 5, false, 320), 0);
  EXPECT_EQ(Event(1000, 5, true, 800), 1);
  EXPECT_EQ(Event(1000, 5, true, 800), 0);
  EXPECT_EQ(Event(1000, 5, true, 800), 0);
  EXPECT_EQ(Event(1000, 5, false, 640), 0);  // late
  EXPECT_EQ(Speech(2000), 0);
  EXPECT_EQ(Told(), "5:100");
}

TEST_F(Hearing, TheSameKeyTwiceIsTwoDigits) {
  EXPECT_EQ(Event(1000, 1, true, 800), 1);
  EXPECT_EQ(Event(3000, 1, true, 640), 1);
  EXPECT_EQ(Event(1000, 1, true, 800, false, 1, 1), 0);  // the first one's end, late
  EXPECT_EQ(Event(3000, 1, true, 640), 0);
  EXPECT_EQ(Told(), "1:100 1:80");
}

// As a gateway's does that puts another call into the stream. It would take up to 74 hours until
// the timestamp is passed again.
TEST_F(Hearing, ASourceMayStartItsClockAgain) {
  sequence = 0xfffe;
  EXPECT_EQ(Event(0x80000000, 1, true, 800), 1);
  EXPECT_EQ(Event(0x1000, 2, false, 160, true), 0);
  EXPECT_EQ(Event(0x1000, 2, true, 800), 1);
  EXPECT_EQ(Event(0x1000, 2, true, 800), 0);
  EXPECT_EQ(Event(0x2000, 3, false, 480, true), 0);
  EXPECT_EQ(Event(0x1800, 4, true, 800, true), 2) << "back with one open";
  sequence = static_cast<uint16_t>(sequence - 20'000);  // its numbers too
  EXPECT_EQ(Event(0x200, 5, true, 800, true), 1);
  EXPECT_EQ(Told(), "1:100 2:100 3:60 4:100 5:100");
}

TEST_F(Hearing, ALostEndIsMadeGoodByTheNextEventOrBySpeech) {
  EXPECT_EQ(Event(1000, 1, false, 480), 0);
  EXPECT_EQ(Event(3000, 2, false, 320), 1);
  EXPECT_EQ(Speech(2900), 0) << "from before the event";
  EXPECT_EQ(Speech(3200), 0) << "under it";
  EXPECT_EQ(Speech(3320), 0) << "its next packet may still come";
  EXPECT_EQ(Speech(4519), 0);
  EXPECT_EQ(Speech(4520), 1);
  EXPECT_EQ(Speech(4680), 0);
  EXPECT_EQ(Told(), "1:60 2:40");
}

// Senders need not fall silent while a key is held, and the next packet of the event is up to 50 ms
// later.
TEST_F(Hearing, SpeechUnderAnEventDoesNotCutItOff) {
  EXPECT_EQ(Event(1000, 5, false, 400, true), 0);
  for (uint16_t heard = 400; heard < 1600; heard = static_cast<uint16_t>(heard + 400)) {
    EXPECT_EQ(Speech(1000u + heard), 0);
    EXPECT_EQ(Speech(1000u + heard + 160), 0);
    EXPECT_EQ(Speech(1000u + heard + 320), 0);
    EXPECT_EQ(Event(1000, 5, false, static_cast<uint16_t>(heard + 400)), 0);
  }
  EXPECT_EQ(Event(1000, 5, true, 1600), 1);
  EXPECT_EQ(Speech(2600), 0);
  EXPECT_EQ(Told(), "5:200");
}

TEST_F(Hearing, ALongKeyIsOneDigitOfManySegments) {
  EXPECT_EQ(Event(1000, 9, false, 0xffff, true), 0);
  EXPECT_EQ(Event(1000 + 0xffff, 9, false, 0xffff), 0);
  EXPECT_EQ(Event(1000 + 2 * 0xffff, 9, true, 802), 1);
  EXPECT_EQ(Told(), "9:16484");
}

TEST_F(Hearing, TimestampsMayWrapAndSourcesChange) {
  EXPECT_EQ(Event(0xffffff00, 3, true, 400), 1);
  EXPECT_EQ(Event(0x00000100, 4, true, 400), 1);
  EXPECT_EQ(Event(0x00000050, 5, true, 400, true, 2), 1);
  EXPECT_EQ(Told(), "3:50 4:50 5:50");
}

TEST_F(Hearing, OnlyKeysAreTold) {
  EXPECT_EQ(Event(1000, 16, true, 800), 1);
  EXPECT_EQ(Event(3000, 17, true, 800), 0);
  EXPECT_EQ(Event(5000, 36, true, 800), 0);  // a fax calls
  EXPECT_EQ(Told(), "16:100");
}

TEST_F(Hearing, WhatFindsNoRoomIsCounted) {
  for (uint32_t i = 0; i < 10; ++i) Event(1000 * (i + 1), static_cast<uint8_t>(i), true, 400);
  EXPECT_EQ(lost, 2);
  EXPECT_EQ(Told(), "0:50 1:50 2:50 3:50 4:50 5:50 6:50 7:50");
}

TEST_F(Hearing, APayloadThatIsTooShortSaysNothing) {
  const Bytes bytes =
      tests::support::RtpPacket{.payload_type = 101, .payload = {5, 0x80, 0}}.Build();
  wire::Rtp rtp{};
  ASSERT_EQ(wire::ParseRtp(bytes.data(), bytes.size(), &rtp), wire::RtpFault::kNone);
  EXPECT_EQ(HearEvent(leg, bytes.data(), rtp, kRate).told, 0);
  EXPECT_EQ(leg.gate.flags, 0);
}

// ---- made ---------------------------------------------------------------------------------------

struct Made {
  uint16_t sequence;
  uint32_t timestamp;
  uint32_t ssrc;
  uint8_t payload_type;
  bool marker;
  uint8_t event;
  bool end;
  uint16_t units;
};

class Making : public testing::Test {
 protected:
  Making() {
    leg.out.flags = session::kOutSends;
    leg.out.remote_port = 4000;
    leg.rtcp.ssrc = 0x12345678;
    leg.path.format_count = 2;
    leg.formats[0] = abi::EqualFormat(8, abi::Codec::kPcma, kRate);
    leg.formats[1] = abi::EqualFormat(96, abi::Codec::kTelephoneEvent, kRate);
  }
  // All packets until nothing is due any more.
  std::vector<Made> Run() {
    std::vector<Made> all;
    while (leg.play.next_ns != 0) {
      now = leg.play.next_ns;
      uint8_t bytes[kEventPacketLength];
      const auto [length, thrown_away, first_end] = SendEvent(leg, now, bytes);
      lost += thrown_away;
      ended += first_end;
      if (length == 0) break;
      wire::Rtp rtp{};
      EXPECT_EQ(wire::ParseRtp(bytes, length, &rtp), wire::RtpFault::kNone);
      wire::TelephoneEvent event{};
      EXPECT_TRUE(
          wire::ParseTelephoneEvent(bytes + rtp.payload_offset, rtp.payload_length, &event));
      all.push_back({rtp.sequence, rtp.timestamp, rtp.ssrc, rtp.payload_type, rtp.marker,
                     event.event, event.end, event.duration});
    }
    return all;
  }

  Leg leg{};
  TimeNs now = 5 * kSecond;
  int lost = 0;
  int ended = 0;
};

TEST_F(Making, ADigitIsOneEventWithThreeEnds) {
  ASSERT_TRUE(QueueDigit(leg, {.event = 7, .volume = 10, .duration_ms = 100}, now));
  const std::vector<Made> all = Run();
  ASSERT_EQ(all.size(), 7u);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].sequence, static_cast<uint16_t>(all[0].sequence + i));
    EXPECT_EQ(all[i].timestamp, all[0].timestamp);
    EXPECT_EQ(all[i].ssrc, 0x12345678u);
    EXPECT_EQ(all[i].payload_type, 96);
    EXPECT_EQ(all[i].marker, i == 0);
    EXPECT_EQ(all[i].event, 7);
    EXPECT_EQ(all[i].end, i >= 4);
    EXPECT_EQ(all[i].units, std::min<size_t>(i + 1, 5) * 160);
  }
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(leg.out.flags & session::kOutPlaying, 0);
}

// For the sake of SRTP, whose receiver may miss the first of them.
TEST_F(Making, AStreamThatBeginsWithADigitBeginsInTheLowerHalf) {
  leg.rtcp.ssrc = 0xffff5678;
  ASSERT_TRUE(QueueDigit(leg, {.event = 7, .volume = 10, .duration_ms = 100}, now));
  EXPECT_LT(Run().at(0).sequence, 0x8000);
}

TEST_F(Making, DigitsFollowEachOtherWithAGap) {
  ASSERT_TRUE(QueueDigit(leg, {.event = 1, .volume = 10, .duration_ms = 40}, now));
  ASSERT_TRUE(QueueDigit(leg, {.event = 2, .volume = 10, .duration_ms = 40}, now));
  const TimeNs begin = now;
  const std::vector<Made> all = Run();
  ASSERT_EQ(all.size(), 8u);
  EXPECT_EQ(all[3].event, 1);
  EXPECT_EQ(all[4].event, 2);
  EXPECT_TRUE(all[4].marker);
  // 3 * 20 ms of packets and the gap, by the clock and by the timestamp (which knows 1 ms).
  EXPECT_NEAR(all[4].timestamp - all[0].timestamp, 120 * 8, 16);
  EXPECT_EQ(now - begin, 180 * kMillisecond);
}

// Speech before, event, speech behind: one stream for the listener.
TEST_F(Making, TakesThePlaceOfSpeechInTheStream) {
  wire::Rtp rtp{.ssrc = 0xaaaa, .timestamp = 5000, .sequence = 100, .payload_type = 8};
  Rewrite(leg, 8, &rtp, now);
  now += 20 * kMillisecond;
  ASSERT_TRUE(QueueDigit(leg, {.event = 0, .volume = 10, .duration_ms = 40}, now));
  const std::vector<Made> all = Run();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].ssrc, 0xaaaau);
  EXPECT_EQ(all[0].sequence, 101);
  EXPECT_NEAR(all[0].timestamp, 5160, 9);
  now += 20 * kMillisecond;
  rtp = {.ssrc = 0xaaaa, .timestamp = 5000 + 6 * 160, .sequence = 106, .payload_type = 8};
  Rewrite(leg, 8, &rtp, now);
  EXPECT_EQ(rtp.ssrc, 0xaaaau);
  EXPECT_EQ(rtp.sequence, 105);
  EXPECT_TRUE(rtp.marker);
  EXPECT_NEAR(rtp.timestamp, all[0].timestamp + 4 * 160, 16);
}

// Digits with nothing between them, and a hold: no number of theirs comes again with the speech.
TEST_F(Making, SpeechGoesOnBehindTheLastOfSeveralDigits) {
  Leg speaker{};
  speaker.reception.ssrc = 0xaaaa;
  constexpr uint32_t kSlot = 3;
  wire::Rtp rtp{.ssrc = 0xaaaa, .timestamp = 5000, .sequence = 100, .payload_type = 8};
  Rewrite(leg, 8, &rtp, now);
  for (int i = 0; i < 2; ++i) {
    now += 20 * kMillisecond;
    ASSERT_TRUE(QueueDigit(leg, {.event = 0, .volume = 10, .duration_ms = 40}, now));
    EXPECT_EQ(Run().front().sequence, 101 + 4 * i);
  }
  LoseSpeaker(leg, speaker, kSlot);
  GainSpeaker(leg, speaker, kSlot);
  now += 20 * kMillisecond;
  rtp = {.ssrc = 0xaaaa, .timestamp = 5000 + 12 * 160, .sequence = 112, .payload_type = 8};
  Rewrite(leg, 8, &rtp, now);
  EXPECT_EQ(rtp.sequence, 109);
  EXPECT_TRUE(rtp.marker);
}

TEST_F(Making, WhereItCannotBeSentItIsDropped) {
  leg.path.format_count = 1;
  EXPECT_FALSE(QueueDigit(leg, {.event = 1, .volume = 10, .duration_ms = 40}, now));
  leg.path.format_count = 2;
  for (int i = 0; i < 11; ++i) {
    EXPECT_TRUE(QueueDigit(leg, {.event = 1, .volume = 10, .duration_ms = 40}, now));
  }
  EXPECT_FALSE(QueueDigit(leg, {.event = 1, .volume = 10, .duration_ms = 40}, now)) << "full";
  leg.out.flags = 0;  // on hold
  EXPECT_TRUE(Run().empty());
  EXPECT_EQ(leg.play.next_ns, 0u);
  EXPECT_EQ(lost, 11);
}

// On hold between the ends of a digit: the next one begins at its beginning all the same.
TEST_F(Making, ADigitAfterOneThatWasCutOffIsWhole) {
  ASSERT_TRUE(QueueDigit(leg, {.event = 1, .volume = 10, .duration_ms = 40}, now));
  uint8_t bytes[kEventPacketLength];
  for (int i = 0; i < 2; ++i, now += kEventInterval) SendEvent(leg, now, bytes);
  EXPECT_NE(bytes[13] & 0x80, 0) << "an end";
  leg.out.flags = static_cast<uint8_t>(leg.out.flags & ~session::kOutSends);
  const Played held = SendEvent(leg, now, bytes);
  EXPECT_EQ(held.length, 0u);
  EXPECT_EQ(held.lost, 0) << "it was heard";
  leg.out.flags |= session::kOutSends;
  ASSERT_TRUE(QueueDigit(leg, {.event = 2, .volume = 10, .duration_ms = 60}, now));
  const std::vector<Made> all = Run();
  ASSERT_EQ(all.size(), 5u);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].event, 2);
    EXPECT_EQ(all[i].timestamp, all[0].timestamp);
    EXPECT_EQ(all[i].units, std::min<size_t>(i + 1, 3) * 160);
  }
}

}  // namespace
}  // namespace relay::stage
