#include "relay/stage/split.h"

#include <gtest/gtest.h>

namespace relay::stage {
namespace {

TEST(Split, PiecesFollowEachOtherInNumberAndTime) {
  wire::Rtp whole{};
  whole.marker = true;
  whole.sequence = 0xffff;
  whole.timestamp = 0xffffff38;
  whole.payload_offset = 12;
  whole.payload_length = 400;  // 50 ms
  ASSERT_EQ(PieceCount(whole, 160), 3u);
  const uint32_t lengths[] = {160, 160, 80};
  for (uint32_t i = 0; i < 3; ++i) {
    const wire::Rtp piece = PieceOf(whole, i, 160);
    EXPECT_EQ(piece.marker, i == 0);
    EXPECT_EQ(piece.sequence, static_cast<uint16_t>(0xffff + i));
    EXPECT_EQ(piece.timestamp, 0xffffff38 + i * 160);
    EXPECT_EQ(piece.payload_offset, 12 + i * 160);
    EXPECT_EQ(piece.payload_length, lengths[i]);
  }
}

TEST(Split, APacketWithoutAPayloadIsOnePiece) {
  wire::Rtp empty{};
  empty.payload_offset = 12;
  EXPECT_EQ(PieceCount(empty, 160), 1u);
  EXPECT_EQ(PieceOf(empty, 0, 160).payload_length, 0u);
}

TEST(Split, ALimitIsBytesOfEightToTheMillisecond) {
  session::Leg leg{};
  EXPECT_EQ(PayloadMax(leg), 0xffff) << "no limit";
  leg.path.packet_ms_max = 30;
  EXPECT_EQ(PayloadMax(leg), 240);
}

TEST(Split, LateIsALittleBehindAndOfTheSameSource) {
  session::Out out{};
  wire::Rtp none{};
  EXPECT_FALSE(IsLate(out, none)) << "nothing was sent yet";
  out.flags = session::kOutStarted;
  out.source_ssrc = 7;
  out.sequence_offset = 3;
  out.sequence_last = 1;
  wire::Rtp rtp{};
  rtp.ssrc = 7;
  rtp.sequence = static_cast<uint16_t>(0xfffe);  // is sent as 1
  EXPECT_TRUE(IsLate(out, rtp));
  rtp.sequence = 0xffff;
  EXPECT_FALSE(IsLate(out, rtp)) << "the next one";
  rtp.sequence = static_cast<uint16_t>(0xfffe - kMisorderMax - 1);
  EXPECT_FALSE(IsLate(out, rtp)) << "started again";
  rtp.sequence = 0xfffe;
  rtp.ssrc = 8;
  EXPECT_FALSE(IsLate(out, rtp)) << "somebody else";
}

}  // namespace
}  // namespace relay::stage
