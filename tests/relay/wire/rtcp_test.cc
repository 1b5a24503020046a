#include "relay/wire/rtcp.h"

#include <gtest/gtest.h>

#include <string_view>

#include "tests/support/packet_builder.h"

namespace relay::wire {
namespace {

using tests::support::Bytes;
using tests::support::Goodbye;
using tests::support::Join;
using tests::support::ReceiverReport;
using tests::support::RtcpBlock;
using tests::support::RtcpPart;
using tests::support::SenderReport;
using tests::support::SourceDescription;
using tests::support::Words;

constexpr std::string_view kCname = "a-name-of-ours";

TEST(Rtcp, AcceptsWhatRfc3550Describes) {
  EXPECT_TRUE(IsRtcpCompound(ReceiverReport(1)));
  EXPECT_TRUE(IsRtcpCompound(Join(SenderReport(1, 2, 3, 4, 5, {{.ssrc = 9}}),
                                  Join(SourceDescription(1, "x@y"), Goodbye(1)))));
  Bytes padded = Join(ReceiverReport(1), RtcpPart(203, 1, Words({1, 0x00000004})));
  padded[8] |= 0x20;
  EXPECT_TRUE(IsRtcpCompound(padded));
}

TEST(Rtcp, RefusesWhatA2Refuses) {
  EXPECT_FALSE(IsRtcpCompound({}));
  EXPECT_FALSE(IsRtcpCompound(SourceDescription(1, "first")));
  EXPECT_FALSE(IsRtcpCompound(Goodbye(1)));
  Bytes version = Join(ReceiverReport(1), Goodbye(1));
  version[8] = 0x41;
  EXPECT_FALSE(IsRtcpCompound(version));
  Bytes padded = ReceiverReport(1);
  padded[0] |= 0x20;
  padded.back() = 4;
  EXPECT_FALSE(IsRtcpCompound(padded));
  Bytes trailing = ReceiverReport(1);
  trailing.push_back(0);
  EXPECT_FALSE(IsRtcpCompound(trailing));
}

TEST(Rtcp, RefusesCountsThatItsLengthsDoNotHold) {
  EXPECT_FALSE(IsRtcpCompound(RtcpPart(201, 1, Words({1}))));
  EXPECT_FALSE(IsRtcpCompound(RtcpPart(200, 0, Words({1, 2, 3, 4, 5}))));
  EXPECT_FALSE(IsRtcpCompound(Join(ReceiverReport(1), RtcpPart(203, 2, Words({1})))));
  EXPECT_FALSE(IsRtcpCompound(Join(ReceiverReport(1), RtcpPart(206, 1, Words({1})))));
}

TEST(Rtcp, RefusesEveryPrefix) {
  const Bytes whole =
      Join(SenderReport(1, 2, 3, 4, 5, {{.ssrc = 9}}), SourceDescription(1, "someone"));
  const size_t first = 28 + 24;
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(IsRtcpCompound({whole.data(), length}), length == first) << length;
  }
}

TEST(Rtcp, WritesWhatItReads) {
  const SenderInfo sender{
      .ssrc = 7, .ntp = 0x0102030405060708, .timestamp = 9, .packets = 10, .bytes = 11};
  const ReportBlock block{.ssrc = 12,
                          .fraction_lost = 13,
                          .lost = -2,
                          .sequence_max = 15,
                          .jitter = 16,
                          .sr_ntp = 17,
                          .sr_delay = 18};
  uint8_t out[256];
  const size_t length =
      WriteRtcpReport({.ssrc = 7, .sender = &sender, .block = &block, .cname = kCname}, out);
  const Bytes expected = Join(SenderReport(7, 0x0102030405060708, 9, 10, 11,
                                           {{.ssrc = 12,
                                             .fraction_and_lost = 0x0dfffffe,
                                             .sequence_max = 15,
                                             .jitter = 16,
                                             .lsr = 17,
                                             .dlsr = 18}}),
                              SourceDescription(7, kCname));
  EXPECT_EQ(Bytes(out, out + length), expected);

  RtcpPacket packet;
  ASSERT_TRUE(IsRtcpCompound({out, length}));
  ASSERT_TRUE(RtcpWalk({out, length}).Next(&packet));
  EXPECT_EQ(ReadSenderInfo(packet).ntp, sender.ntp);
  EXPECT_EQ(ReadReportBlock(packet, 0).lost, -2);
  EXPECT_EQ(ReadReportBlock(packet, 0).sr_delay, 18u);
}

TEST(Rtcp, WritesNothingIntoASpanThatIsTooSmall) {
  uint8_t out[64];
  for (size_t room = 0; room < 36; ++room) {
    EXPECT_EQ(WriteRtcpReport({.ssrc = 7, .cname = kCname}, {out, room}), 0u) << room;
  }
  EXPECT_EQ(WriteRtcpReport({.ssrc = 7, .cname = kCname}, out), 36u);
}

Bytes Translate(const Bytes& compound, const RtcpMapping& mapping) {
  EXPECT_TRUE(IsRtcpCompound(compound));
  uint8_t out[512];
  const size_t length = TranslateRtcp(compound, mapping, out);
  EXPECT_TRUE(length == 0 || IsRtcpCompound({out, length}));
  return Bytes(out, out + length);
}

constexpr RtcpMapping kMapping{.sender_from = 0xa,
                               .sender_to = 0xb,
                               .timestamp_offset = 1000,
                               .source_from = 0xc,
                               .source_to = 0xd,
                               .sequence_offset = 0u - 50,
                               .cname = kCname};

TEST(Rtcp, TranslatesNamesTimesAndSequences) {
  const Bytes in = Join(
      SenderReport(0xa, 77, 5, 6, 7, {{.ssrc = 0xc, .sequence_max = 0x10010}, {.ssrc = 0xeeee}}),
      SourceDescription(0xa, "alice@10.0.0.1"));
  const Bytes out =
      Join(SenderReport(0xb, 77, 1005, 6, 7, {{.ssrc = 0xd, .sequence_max = 0x10010 - 50}}),
           SourceDescription(0xb, kCname));
  EXPECT_EQ(Translate(in, kMapping), out);
}

TEST(Rtcp, NothingPrivateOrFinalCrosses) {
  const Bytes app = RtcpPart(204, 1, Words({0xa, 0x41424344, 1, 2}));
  const Bytes extended = RtcpPart(207, 0, Words({0xa, 0x04000002, 1, 2}));
  const Bytes in = Join(ReceiverReport(0xa), Join(app, Join(extended, Goodbye(0xa))));
  EXPECT_EQ(Translate(in, kMapping), Join(ReceiverReport(0xb), SourceDescription(0xb, kCname)));
  EXPECT_TRUE(Translate(ReceiverReport(0x99), kMapping).empty());
}

TEST(Rtcp, FeedbackCrossesOnlyWhileSequencesAreTheSame) {
  const Bytes in = Join(ReceiverReport(0xa), RtcpPart(205, 1, Words({0xa, 0xc, 0x00100000})));
  const Bytes report = Join(ReceiverReport(0xb), SourceDescription(0xb, kCname));
  EXPECT_EQ(Translate(in, kMapping), report);
  RtcpMapping same = kMapping;
  same.sequence_offset = 0;
  EXPECT_EQ(Translate(in, same), Join(report, RtcpPart(205, 1, Words({0xb, 0xd, 0x00100000}))));
}

}  // namespace
}  // namespace relay::wire
