#include "relay/wire/demux.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace relay::wire {
namespace {

using tests::support::Bytes;

Protocol ClassifyBytes(const Bytes& bytes) {
  return Classify(bytes.data(), bytes.size());
}

TEST(Demux, TheFirstByteDecidesAsRfc7983Says) {
  // Zeros behind it, so that nothing looks like UDPTL.
  for (int first = 0; first < 256; ++first) {
    Bytes bytes(32, 0);
    bytes[0] = static_cast<uint8_t>(first);
    const Protocol expected = first <= 3                   ? Protocol::kStun
                              : first < 20                 ? Protocol::kUnknown
                              : first < 64                 ? Protocol::kDtls
                              : first < 80                 ? Protocol::kUnknown
                              : first < 128 || first > 191 ? Protocol::kBadVersion
                                                           : Protocol::kRtp;
    EXPECT_EQ(ClassifyBytes(bytes), expected) << first;
  }
}

TEST(Demux, TheSecondByteTellsRtcpFromRtpAsRfc5761Says) {
  for (int second = 0; second < 256; ++second) {
    const Bytes bytes{0x80, static_cast<uint8_t>(second), 0, 0};
    EXPECT_EQ(ClassifyBytes(bytes),
              second >= 192 && second <= 223 ? Protocol::kRtcp : Protocol::kRtp)
        << second;
  }
}

TEST(Demux, ShortDatagramsAreNothing) {
  EXPECT_EQ(Classify(nullptr, 0), Protocol::kUnknown);
  EXPECT_EQ(ClassifyBytes({0x80}), Protocol::kBadVersion);
  EXPECT_EQ(ClassifyBytes({0x00}), Protocol::kStun);
}

TEST(Demux, UdptlIsKnownByItsLengthsAndStunByItsCookie) {
  EXPECT_EQ(ClassifyBytes({0, 1, 2, 9, 9, 0x00, 0}), Protocol::kUdptl);
  EXPECT_EQ(ClassifyBytes({9, 1, 2, 9, 9, 0x80, 0}), Protocol::kUdptl);
  EXPECT_EQ(ClassifyBytes({9, 1, 2, 9, 9, 0x40, 0}), Protocol::kUnknown);
  EXPECT_EQ(ClassifyBytes({9, 1, 200, 9, 9, 0x00, 0}), Protocol::kUnknown);
  Bytes stun(20, 0);
  stun[2] = 16;  // a length that would fit UDPTL
  for (int i = 0; i < 4; ++i) stun[4 + i] = static_cast<uint8_t>(kStunCookie >> (24 - 8 * i));
  EXPECT_EQ(ClassifyBytes(stun), Protocol::kStun);
}

}  // namespace
}  // namespace relay::wire
