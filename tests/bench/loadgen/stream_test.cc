#include "bench/loadgen/stream.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

namespace bench::loadgen {
namespace {

using Bytes = std::array<uint8_t, kPacket>;

Bytes Next(Stream* stream, uint64_t now_ns = 1000) {
  Bytes bytes{};
  stream->Write(bytes, now_ns);
  return bytes;
}

void Deliver(Stream* stream, const Bytes& bytes) {
  const auto mark = ReadMark(bytes);
  ASSERT_TRUE(mark.has_value());
  stream->Received(*mark, bytes);
}

TEST(Stream, WritesRtpOfPcma) {
  Stream stream(3, 7);
  const Bytes first = Next(&stream);
  const Bytes second = Next(&stream);
  EXPECT_EQ(first[0], 0x80);
  EXPECT_EQ(first[1], 0x88);  // marker and payload type 8
  EXPECT_EQ(second[1], 8);
  const auto mark = ReadMark(second);
  ASSERT_TRUE(mark.has_value());
  EXPECT_EQ(mark->run, 3u);
  EXPECT_EQ(mark->stream, 7u);
  EXPECT_EQ(mark->count, 1u);
  EXPECT_EQ(second[7] - first[7], 160);  // timestamp
}

TEST(Stream, ForeignPacketsHaveNoMark) {
  Bytes bytes{};
  EXPECT_FALSE(ReadMark(bytes).has_value());
  EXPECT_FALSE(ReadMark(std::vector<uint8_t>(20, 0x80)).has_value());
}

TEST(Stream, CountsLossDuplicatesAndReordering) {
  Stream stream(1, 0);
  std::vector<Bytes> packets;
  for (int i = 0; i < 6; ++i) packets.push_back(Next(&stream));
  for (const int i : {0, 1, 3, 2, 3, 5}) Deliver(&stream, packets[i]);  // 4 is lost
  const StreamTotals& totals = stream.totals();
  EXPECT_EQ(totals.sent, 6u);
  EXPECT_EQ(totals.received, 5u);
  EXPECT_EQ(totals.lost(), 1u);
  EXPECT_EQ(totals.reordered, 1u);
  EXPECT_EQ(totals.duplicate, 1u);
  EXPECT_EQ(totals.out_of_step, 0u);
}

TEST(Stream, ARelayMayChooseOtherSequenceNumbersButMustKeepStep) {
  Stream stream(1, 0);
  for (int i = 0; i < 4; ++i) {
    Bytes bytes = Next(&stream);
    bytes[3] = static_cast<uint8_t>(bytes[3] + 40 + (i == 3));
    Deliver(&stream, bytes);
  }
  EXPECT_EQ(stream.totals().out_of_step, 1u);
}

TEST(Stream, AGapLongerThanTheWindowIsLossAndNothingElse) {
  Stream stream(1, 0);
  Deliver(&stream, Next(&stream));
  for (int i = 0; i < 1000; ++i) Next(&stream);
  Deliver(&stream, Next(&stream));
  Deliver(&stream, Next(&stream));
  EXPECT_EQ(stream.totals().received, 3u);
  EXPECT_EQ(stream.totals().lost(), 1000u);
  EXPECT_EQ(stream.totals().duplicate, 0u);
}

TEST(Stream, WhatOurKernelRefusedIsNotLost) {
  Stream stream(1, 0);
  Next(&stream);
  stream.Refused();
  Deliver(&stream, Next(&stream));
  EXPECT_EQ(stream.totals().lost(), 0u);
  EXPECT_EQ(stream.totals().refused, 1u);
}

TEST(Stream, PacketsWithoutMarksAreToldApartByNumbersThatWrap) {
  Stream stream(1, 0);
  EXPECT_EQ(stream.ReceivedUnmarked(0), std::nullopt) << "none was sent";
  for (int i = 0; i < 3; ++i) stream.SentUnmarked();
  EXPECT_EQ(stream.ReceivedUnmarked(0), 0u);
  EXPECT_EQ(stream.ReceivedUnmarked(2), 2u);
  EXPECT_EQ(stream.ReceivedUnmarked(1), 1u);
  EXPECT_EQ(stream.ReceivedUnmarked(1), 1u);
  EXPECT_EQ(stream.ReceivedUnmarked(3), std::nullopt) << "not sent yet";
  EXPECT_EQ(stream.totals().received, 3u);
  EXPECT_EQ(stream.totals().reordered, 1u);
  EXPECT_EQ(stream.totals().duplicate, 1u);
  EXPECT_EQ(stream.totals().lost(), 0u);
  for (uint64_t i = 3; i < 70'000; ++i) stream.SentUnmarked();
  EXPECT_EQ(stream.ReceivedUnmarked(static_cast<uint16_t>(69'000)), 69'000u);
}

}  // namespace
}  // namespace bench::loadgen
