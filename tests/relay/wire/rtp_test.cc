#include "relay/wire/rtp.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace relay::wire {
namespace {

using tests::support::Bytes;
using tests::support::RtpPacket;

RtpFault Parse(const Bytes& bytes, Rtp* rtp) {
  return ParseRtp(bytes.data(), bytes.size(), rtp);
}

TEST(Rtp, ReadsEveryFieldOfTheHeader) {
  Rtp rtp{};
  const Bytes bytes = RtpPacket{.payload_type = 101,
                                .marker = true,
                                .sequence = 0x1234,
                                .timestamp = 0x89abcdef,
                                .ssrc = 0xfedcba98,
                                .payload = Bytes(20, 1)}
                          .Build();
  ASSERT_EQ(Parse(bytes, &rtp), RtpFault::kNone);
  EXPECT_EQ(rtp.payload_type, 101);
  EXPECT_TRUE(rtp.marker);
  EXPECT_EQ(rtp.sequence, 0x1234);
  EXPECT_EQ(rtp.timestamp, 0x89abcdefu);
  EXPECT_EQ(rtp.ssrc, 0xfedcba98u);
  EXPECT_EQ(rtp.payload_offset, 12u);
  EXPECT_EQ(rtp.payload_length, 20u);
}

TEST(Rtp, FindsThePayloadBetweenItsNeighbours) {
  Rtp rtp{};
  const Bytes bytes = RtpPacket{.contributors = {7, 8, 9},
                                .extension = {0xbe, 0xde, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2},
                                .payload = Bytes(10, 0xaa),
                                .padding = 6}
                          .Build();
  ASSERT_EQ(Parse(bytes, &rtp), RtpFault::kNone);
  EXPECT_EQ(rtp.payload_offset, 12u + 12 + 12);
  EXPECT_EQ(rtp.payload_length, 10u);
}

TEST(Rtp, RefusesEveryPrefixOfALadenHeader) {
  const Bytes whole = RtpPacket{
      .contributors = {7, 8, 9},
      .extension = {0xbe, 0xde, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2},
      .payload = {}}.Build();
  Rtp rtp{};
  for (size_t length = 0; length < whole.size(); ++length) {
    const Bytes prefix(whole.begin(), whole.begin() + static_cast<long>(length));
    EXPECT_EQ(Parse(prefix, &rtp), RtpFault::kTooShort) << length;
  }
  EXPECT_EQ(Parse(whole, &rtp), RtpFault::kNone);
  EXPECT_EQ(rtp.payload_length, 0u);
}

TEST(Rtp, PaddingMayFillThePayloadButNoMore) {
  Rtp rtp{};
  EXPECT_EQ(Parse(RtpPacket{.payload = {}, .padding = 4}.Build(), &rtp), RtpFault::kNone);
  EXPECT_EQ(rtp.payload_length, 0u);
  Bytes bytes = RtpPacket{.payload = {}, .padding = 4}.Build();
  bytes.back() = 5;
  EXPECT_EQ(Parse(bytes, &rtp), RtpFault::kBadPadding);
  bytes.back() = 0;
  EXPECT_EQ(Parse(bytes, &rtp), RtpFault::kBadPadding);
  bytes.resize(12);  // padding bit, no padding
  EXPECT_EQ(Parse(bytes, &rtp), RtpFault::kBadPadding);
}

TEST(Rtp, OtherVersionsAreNotRead) {
  Rtp rtp{};
  for (const uint8_t version : {0, 1, 3}) {
    EXPECT_EQ(Parse(RtpPacket{.version = version}.Build(), &rtp), RtpFault::kBadVersion);
  }
}

TEST(Rtp, WhatIsWrittenIsReadAndNothingElseChanges) {
  Bytes bytes = RtpPacket{.contributors = {1}, .payload = Bytes(9, 3)}.Build();
  const Bytes expected = RtpPacket{.payload_type = 96,
                                   .marker = true,
                                   .sequence = 65535,
                                   .timestamp = 5,
                                   .ssrc = 6,
                                   .contributors = {1},
                                   .payload = Bytes(9, 3)}
                             .Build();
  Rtp rtp{};
  ASSERT_EQ(Parse(expected, &rtp), RtpFault::kNone);
  WriteRtp(bytes.data(), rtp);
  EXPECT_EQ(bytes, expected);
}

}  // namespace
}  // namespace relay::wire
