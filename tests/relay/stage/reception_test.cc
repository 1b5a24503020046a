#include "relay/stage/reception.h"

#include <gtest/gtest.h>

namespace relay::stage {
namespace {

class Listening : public testing::Test {
 protected:
  Listening() {
    leg.path.format_count = 2;
    leg.formats[0] = abi::EqualFormat(8, abi::Codec::kPcma, 8000);
    leg.formats[1] = abi::EqualFormat(101, abi::Codec::kTelephoneEvent, 8000);
    leg.reception.payload_type = session::kNoPayloadType;
  }

  Receipt Hear(uint16_t sequence, uint32_t ssrc = 1, uint8_t payload_type = 8) {
    const wire::Rtp rtp{
        .ssrc = ssrc, .timestamp = timestamp, .sequence = sequence, .payload_type = payload_type};
    return Receive(leg, rtp, 172, now);
  }
  uint64_t lost() const { return Expected(leg.reception) - leg.reception.packets; }

  session::Leg leg{};
  TimeNs now = kSecond;
  uint32_t timestamp = 0;
};

TEST_F(Listening, CountsWhatIsMissing) {
  for (uint16_t i = 100; i < 200; ++i) {
    if (i % 10 == 5) continue;
    EXPECT_EQ(Hear(i), Receipt::kNew);
  }
  EXPECT_EQ(Expected(leg.reception), 100u);
  EXPECT_EQ(lost(), 10u);
  EXPECT_EQ(leg.reception.received_packets, 90u);
  EXPECT_EQ(leg.reception.received_bytes, 90u * 172);
}

TEST_F(Listening, FollowsTheSequenceOverItsEnd) {
  for (int round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < 65536; i += 64) Hear(static_cast<uint16_t>(i));
  }
  EXPECT_EQ(leg.reception.sequence_max >> 16, 1u + 2);
  EXPECT_EQ(leg.totals.reordered_packets, 0u);
}

TEST_F(Listening, LatePacketsAreNotLostAndDuplicatesAreNotNew) {
  EXPECT_EQ(Hear(10), Receipt::kNew);
  EXPECT_EQ(Hear(12), Receipt::kNew);
  EXPECT_EQ(lost(), 1u);
  EXPECT_EQ(Hear(11), Receipt::kNew);
  EXPECT_EQ(lost(), 0u);
  EXPECT_EQ(leg.totals.reordered_packets, 1u);
  EXPECT_EQ(Hear(11), Receipt::kDuplicate);
  EXPECT_EQ(Hear(12), Receipt::kDuplicate);
  EXPECT_EQ(leg.totals.duplicate_packets, 2u);
  EXPECT_EQ(Hear(9), Receipt::kNew);  // from before the first
  EXPECT_EQ(lost(), 0u);
  EXPECT_EQ(Expected(leg.reception), 4u);
}

TEST_F(Listening, AGreatLeapNeedsASecondPacket) {
  Hear(100);
  EXPECT_EQ(Hear(30000), Receipt::kNew);
  EXPECT_EQ(Hear(101), Receipt::kNew);
  EXPECT_EQ(lost(), 0u);
  EXPECT_EQ(Hear(50000), Receipt::kNew);
  EXPECT_EQ(Hear(50001), Receipt::kNew);
  EXPECT_EQ(leg.reception.sequence_max & 0xffff, 50001u);
  EXPECT_EQ(lost(), 0u);
  EXPECT_EQ(leg.totals.expected_former, 2u);
}

TEST_F(Listening, AnotherSsrcIsAnotherSource) {
  Hear(100);
  Hear(103);
  EXPECT_EQ(Hear(5, 2), Receipt::kNewSource);
  EXPECT_EQ(leg.totals.source_changes, 1u);
  EXPECT_EQ(leg.totals.expected_former, 4u);
  EXPECT_EQ(leg.totals.unique_former, 2u);
  EXPECT_EQ(Expected(leg.reception), 1u);
}

TEST_F(Listening, AnEvenStreamHasNoJitter) {
  for (uint16_t i = 0; i < 200; ++i) {
    Hear(i);
    now += 20 * kMillisecond;
    timestamp += 160;
  }
  EXPECT_LE(leg.reception.jitter_q4 >> 4, 1u);
}

TEST_F(Listening, JitterComesToTheMeanOfItsDifferences) {
  // Every other packet is 5 ms late: transit changes by 40 units each time.
  for (uint16_t i = 0; i < 400; ++i) {
    const TimeNs at = now;
    if (i % 2 != 0) now += 5 * kMillisecond;
    Hear(i);
    now = at + 20 * kMillisecond;
    timestamp += 160;
  }
  EXPECT_NEAR(leg.reception.jitter_q4 >> 4, 40, 2);
}

TEST_F(Listening, ADigitDoesNotLookLikeJitter) {
  for (uint16_t i = 0; i < 100; ++i) {
    const bool digit = i >= 40 && i < 60;  // all with the timestamp of its start
    Hear(i, 1, digit ? 101 : 8);
    now += 20 * kMillisecond;
    if (!digit) timestamp += 160;
    if (i == 59) timestamp += 20 * 160;
  }
  EXPECT_LE(leg.reception.jitter_q4 >> 4, 1u);
}

}  // namespace
}  // namespace relay::stage
