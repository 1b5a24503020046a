#include "relay/stage/rewrite.h"

#include <gtest/gtest.h>

namespace relay::stage {
namespace {

session::Leg LegWith(std::initializer_list<abi::Format> formats) {
  session::Leg leg{};
  std::fill_n(leg.gate.payload_types, abi::kFormatsPerLeg, session::kNoPayloadType);
  for (const abi::Format& format : formats) {
    leg.gate.payload_types[leg.path.format_count] = format.payload_type;
    leg.formats[leg.path.format_count++] = format;
  }
  return leg;
}

TEST(Rewrite, FindsEachPayloadTypeAndNoOther) {
  const session::Leg leg = LegWith({abi::EqualFormat(0, abi::Codec::kPcmu, 8000),
                                    abi::EqualFormat(1, abi::Codec::kOpaque, 8000),
                                    abi::EqualFormat(101, abi::Codec::kTelephoneEvent, 8000),
                                    abi::EqualFormat(127, abi::Codec::kOpaque, 8000)});
  for (int type = 0; type < 128; ++type) {
    const unsigned expected = type == 0 ? 0 : type == 1 ? 1 : type == 101 ? 2 : type == 127 ? 3 : 8;
    EXPECT_EQ(FormatIndex(leg.gate, static_cast<uint8_t>(type)), expected) << type;
  }
}

TEST(Rewrite, MapsByCodecAndClockRateAndOpaqueByNumber) {
  const session::Leg speaker = LegWith({abi::EqualFormat(8, abi::Codec::kPcma, 8000),
                                        abi::EqualFormat(101, abi::Codec::kTelephoneEvent, 8000),
                                        abi::EqualFormat(102, abi::Codec::kTelephoneEvent, 16000),
                                        abi::EqualFormat(9, abi::Codec::kOpaque, 8000),
                                        abi::EqualFormat(18, abi::Codec::kOpaque, 8000)});
  const session::Leg listener = LegWith({abi::EqualFormat(96, abi::Codec::kTelephoneEvent, 8000),
                                         abi::EqualFormat(9, abi::Codec::kOpaque, 8000),
                                         abi::EqualFormat(8, abi::Codec::kPcma, 8000)});
  uint8_t map[8];
  MapPayloadTypes(speaker, listener, map);
  EXPECT_EQ(map[0], 8);
  EXPECT_EQ(map[1], 96);
  EXPECT_EQ(map[2], session::kNoPayloadType);
  EXPECT_EQ(map[3], 9);
  EXPECT_EQ(map[4], session::kNoPayloadType);
  EXPECT_EQ(map[5], session::kNoPayloadType);
}

TEST(Rewrite, TheOtherLawStandsInWhereBothLegsAllowIt) {
  const abi::Format pcma = abi::EqualFormat(8, abi::Codec::kPcma, 8000);
  const abi::Format pcmu = abi::EqualFormat(0, abi::Codec::kPcmu, 8000);
  const abi::Format event = abi::EqualFormat(101, abi::Codec::kTelephoneEvent, 8000);
  const abi::Format noise = abi::EqualFormat(13, abi::Codec::kComfortNoise, 8000);
  session::Leg speaker = LegWith({event, noise, pcma});
  session::Leg listener = LegWith({abi::EqualFormat(97, abi::Codec::kPcmu, 8000)});
  uint8_t map[8];
  for (const uint8_t allowed : {0, 1, 2, 3}) {
    speaker.path.transcode = allowed & 1;
    listener.path.transcode = allowed >> 1;
    EXPECT_EQ(MapPayloadTypes(speaker, listener, map), allowed == 3 ? 4 : 0);
    EXPECT_EQ(map[0], session::kNoPayloadType);  // never made of speech
    EXPECT_EQ(map[1], session::kNoPayloadType);
    EXPECT_EQ(map[2], allowed == 3 ? 97 : session::kNoPayloadType);
  }
  // What both have passes as it is, and only the rest is converted.
  speaker = LegWith({pcma, pcmu, event});
  listener = LegWith({pcmu, event});
  speaker.path.transcode = listener.path.transcode = 1;
  EXPECT_EQ(MapPayloadTypes(speaker, listener, map), 1);
  EXPECT_EQ(map[0], 0);
  EXPECT_EQ(map[1], 0);
  EXPECT_EQ(map[2], 101);
}

// Many changes of source: the far party sees one SSRC, no gap, and time that only goes on.
TEST(Rewrite, TheFarPartysStreamNeverBreaks) {
  session::Leg far = LegWith({abi::EqualFormat(8, abi::Codec::kPcma, 8000)});
  TimeNs now = 5 * kSecond;
  uint32_t timestamp = 0;
  uint16_t sequence = 0;
  uint32_t ssrc = 0;
  for (uint32_t source = 1; source < 100; ++source) {
    now += (source % 7) * 300 * kMillisecond;
    for (uint32_t i = 0; i < 10; ++i) {
      wire::Rtp rtp{.ssrc = source,
                    .timestamp = source * 0x9e3779b9u + i * 160,
                    .sequence = static_cast<uint16_t>(source * 40503u + i)};
      Rewrite(far, 8, &rtp, now);
      if (source == 1 && i == 0) {
        ssrc = rtp.ssrc;
      } else {
        EXPECT_EQ(rtp.ssrc, ssrc);
        EXPECT_EQ(rtp.sequence, static_cast<uint16_t>(sequence + 1));
        EXPECT_GE(static_cast<int32_t>(rtp.timestamp - timestamp), 160);
        EXPECT_EQ(rtp.marker, i == 0);
      }
      timestamp = rtp.timestamp;
      sequence = rtp.sequence;
      now += 20 * kMillisecond;
    }
  }
}

class Outgoing : public testing::Test {
 protected:
  wire::Rtp Send(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, uint8_t payload_type = 8) {
    wire::Rtp rtp{
        .ssrc = ssrc, .timestamp = timestamp, .sequence = sequence, .payload_type = payload_type};
    Rewrite(far, payload_type, &rtp, now);
    now += 20 * kMillisecond;
    return rtp;
  }

  session::Leg far = LegWith({abi::EqualFormat(8, abi::Codec::kPcma, 8000),
                              abi::EqualFormat(101, abi::Codec::kTelephoneEvent, 8000)});
  TimeNs now = 5 * kSecond;
};

TEST_F(Outgoing, TheNextSourceContinuesASenderThatStartedAgain) {
  for (uint16_t i = 0; i < 5; ++i) Send(1, static_cast<uint16_t>(30000 + i), 480000u + 160u * i);
  for (uint16_t i = 0; i < 5; ++i) Send(1, static_cast<uint16_t>(100 + i), 1600u + 160u * i);
  Send(1, 98, 1280);  // late
  const wire::Rtp next = Send(2, 7, 7000000);
  EXPECT_EQ(next.sequence, 105u);
  EXPECT_NEAR(static_cast<int32_t>(next.timestamp - (1600 + 160 * 4)), 320, 20);
}

TEST_F(Outgoing, TimeGoesOnWhileADigitKeepsItsTimestamp) {
  Send(1, 1, 160);
  for (uint16_t i = 0; i < 50; ++i) {
    EXPECT_EQ(Send(1, static_cast<uint16_t>(2 + i), 320, 101).timestamp, 320u);
  }
  const wire::Rtp next = Send(2, 7, 7000000);
  EXPECT_EQ(next.sequence, 52u);
  EXPECT_NEAR(next.timestamp, 320u + 50 * 160, 20);  // a second of the digit is over
}

TEST_F(Outgoing, UnderSrtpAStreamBeginsInTheLowerHalf) {
  for (const int sequence : {0, 1, 0x7fff, 0x8000, 0x8001, 65'500, 0xffff}) {
    for (const bool srtp : {false, true}) {
      SCOPED_TRACE(sequence);
      far.out = {};
      far.out.flags = srtp ? session::kOutSrtp : 0;
      const auto first = static_cast<uint16_t>(srtp ? sequence & 0x7fff : sequence);
      for (uint16_t i = 0; i < 100; ++i) {
        const wire::Rtp sent = Send(9, static_cast<uint16_t>(sequence + i), 160u * i);
        EXPECT_EQ(sent.sequence, static_cast<uint16_t>(first + i));
        EXPECT_EQ(sent.ssrc, 9u);
        EXPECT_EQ(sent.timestamp, 160u * i);
      }
      // Whose numbers pass, its RTCP does.
      EXPECT_EQ((far.out.flags & session::kOutRewritten) != 0, first != sequence);
    }
  }
}

}  // namespace
}  // namespace relay::stage
