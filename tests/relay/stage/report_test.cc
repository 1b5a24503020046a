// RTCP of a leg: where it goes, when, and whether it may be another leg's.
#include "relay/stage/report.h"

#include <gtest/gtest.h>

#include <array>

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
