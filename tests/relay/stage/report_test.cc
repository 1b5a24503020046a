// RTCP of a leg: where it goes, when, and whether it may be another leg's.
#include "relay/stage/report.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "relay/stage/rewrite.h"
#include "tests/support/packet_builder.h"

namespace relay::stage {
namespace {

TEST(Report, IntervalsLieBetweenHalfAndOneAndAHalfAndAreCorrected) {
  constexpr double kCorrection = 2.71828 - 1.5;  // RFC 3550 section 6.3.1
  const double interval = static_cast<double>(kRtcpInterval) / kCorrection;
  EXPECT_NEAR(static_cast<double>(NextReportAfter(0)), 0.5 * interval, 0.01 * interval);
  EXPECT_NEAR(static_cast<double>(NextReportAfter(0xffffffff)), 1.5 * interval, 0.01 * interval);
  EXPECT_LT(NextReportAfter(1u << 30), NextReportAfter(3u << 30));
}

TEST(Report, IdentityPassesWhileNeitherStreamWasRenamed) {
  session::Leg a{};
  session::Leg b{};
  EXPECT_TRUE(IdentityPasses(a, b));
  b.out.flags = session::kOutRewritten;
  EXPECT_FALSE(IdentityPasses(a, b));
  EXPECT_FALSE(IdentityPasses(b, a));
}

TEST(Report, ALegThatNeitherHeardNorSaidAnythingHasNothingToReport) {
  session::Leg leg{};
  std::array<uint8_t, kRtcpLengthMax> out;
  EXPECT_EQ(MakeReport(leg, kSecond, 0, out), 0u);
}

using tests::support::Bytes;

// RFC 3550 section 6.4.1: what its SSRC has sent, payload alone.
TEST(Report, ASenderReportCountsPayloadOfItsStream) {
  const TimeNs now = 2 * kSecond;
  const auto expected = [](uint32_t ssrc, uint32_t packets, uint32_t octets) {
    return tests::support::Join(
        tests::support::SenderReport(ssrc, uint64_t{2'208'988'802} << 32, 8000, packets, octets),
        tests::support::SourceDescription(ssrc, "cname-of-tandem!"));
  };
  session::Leg leg{};
  std::memcpy(leg.rtcp.cname, "cname-of-tandem!", session::kCnameLength);
  leg.out.flags = session::kOutStarted;
  leg.out.ssrc = 7;
  leg.out.timestamp_last = 8000;
  leg.out.SetSentTick(now);
  leg.out.sent_packets = 10;
  leg.out.sent_bytes = 10 * (12 + 160) + 44;
  leg.totals.sent_overhead = 44;
  std::array<uint8_t, kRtcpLengthMax> out;
  size_t length = MakeReport(leg, now, 0, out);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + length), expected(7, 10, 1600));

  wire::Rtp rtp{};
  RenameStream(leg, &rtp, 8);
  leg.out.sent_packets += 3;
  leg.out.sent_bytes += 3 * (12 + 80) + 4;
  leg.totals.sent_overhead += 4;
  length = MakeReport(leg, now, 0, out);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + length), expected(8, 3, 240));
}

TEST(Report, WithMuxRtcpTakesTheWayOfRtp) {
  session::Leg leg{};
  leg.out.flags = session::kOutRtcpMux;
  leg.out.local = {.address = 0, .port = 10000};
  leg.out.handle = 3;
  leg.out.SetRemote({.address = abi::Address::Ipv4(192, 0, 2, 1), .port = 4000});
  const RtcpPath path = RtcpPathOf(leg);
  EXPECT_EQ(path.remote, leg.out.Remote());
  EXPECT_EQ(path.local, leg.out.local);
  EXPECT_EQ(path.handle, 3u);
}

}  // namespace
}  // namespace relay::stage
