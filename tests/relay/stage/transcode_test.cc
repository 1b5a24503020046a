#include "relay/stage/transcode.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace relay::stage {
namespace {

using tests::support::Bytes;
using tests::support::RtpPacket;

// Only the payload, whatever stands before and behind it, and as the speaker's format says.
TEST(Transcode, ChangesThePayloadAndNothingElse) {
  const kernels::G711& g711 = kernels::G711For(kernels::Isa::kScalar);
  Bytes codes(256);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  Bytes other(256);
  for (const bool alaw : {true, false}) {
    (alaw ? g711.alaw_to_ulaw : g711.ulaw_to_alaw)(other.data(), codes.data(), codes.size());
    session::Leg speaker{};
    speaker.reception.alaw_formats = alaw ? 4 : 0xfb;
    RtpPacket packet{.payload_type = 8,
                     .marker = true,
                     .contributors = {1, 2, 3},
                     .extension = {0xbe, 0xde, 0, 1, 1, 2, 3, 4},
                     .payload = codes,
                     .padding = 7};
    Bytes bytes = packet.Build();
    packet.payload = other;
    const Bytes expected = packet.Build();
    wire::Rtp rtp{};
    ASSERT_EQ(wire::ParseRtp(bytes.data(), bytes.size(), &rtp), wire::RtpFault::kNone);
    Transcode(g711, speaker, 2, bytes.data(), rtp);
    EXPECT_EQ(bytes, expected) << (alaw ? "A-law" : "mu-law");
  }
}

TEST(Transcoding, ABurstMayHaveBothLawsInAnyOrder) {
  const kernels::G711& g711 = kernels::G711For(kernels::Isa::kScalar);
  session::Leg speakers[2] = {};
  speakers[1].reception.alaw_formats = 1;
  Transcoding transcoding;
  for (int burst = 0; burst < 2; ++burst) {
    std::vector<Bytes> packets, expected;
    for (size_t i = 0; i < kBurstMax; ++i) {
      RtpPacket packet{.payload = Bytes(i, static_cast<uint8_t>(3 * i))};
      packets.push_back(packet.Build());
      expected.push_back(packets.back());
      wire::Rtp rtp{};
      ASSERT_EQ(wire::ParseRtp(packets[i].data(), packets[i].size(), &rtp), wire::RtpFault::kNone);
      const session::Leg& speaker = speakers[i % 3 == 0];
      Transcode(g711, speaker, 0, expected[i].data(), rtp);
      transcoding.Add(speaker, 0, packets[i].data(), rtp);
    }
    EXPECT_EQ(transcoding.Run(g711), kBurstMax);
    EXPECT_EQ(packets, expected);
  }
  EXPECT_EQ(transcoding.Run(g711), 0u);
}

}  // namespace
}  // namespace relay::stage
