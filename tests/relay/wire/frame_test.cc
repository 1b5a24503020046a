#include "relay/wire/frame.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "relay/wire/checksum.h"

namespace relay::wire {
namespace {

using Bytes = std::vector<uint8_t>;

// The checksum as RFC 1071 section 1 tells it, byte by byte: the oracle.
uint16_t SlowSum(const Bytes& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0));
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<uint16_t>(sum);
}

uint16_t Big(uint16_t in_memory) {
  uint8_t bytes[2];
  std::memcpy(bytes, &in_memory, 2);
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

// Somebody else's frame, byte by byte: 192.168.1.10:5004 -> 192.168.1.20:5006, "hello", padded to
// 60 bytes, with an identification, a TTL of 63 and no UDP checksum.
const Bytes kForeign = {0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01,
                        0x08, 0x00, 0x45, 0xb8, 0x00, 0x21, 0x12, 0x34, 0x40, 0x00, 0x3f, 0x11,
                        0x00, 0x00, 0xc0, 0xa8, 0x01, 0x0a, 0xc0, 0xa8, 0x01, 0x14, 0x13, 0x8c,
                        0x13, 0x8e, 0x00, 0x0d, 0x00, 0x00, 'h',  'e',  'l',  'l',  'o',  0,
                        0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0};

abi::Address Ipv6(uint8_t last) {
  return {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xab, last}};
}

struct Flow {
  const char* name;
  abi::Endpoint source;
  abi::Endpoint destination;
};

const Flow kFlows[] = {
    {"IPv4",
     {.address = abi::Address::Ipv4(192, 0, 2, 1), .port = 10000},
     {.address = abi::Address::Ipv4(203, 0, 113, 7), .port = 40001}},
    {"IPv4 in a VLAN",
     {.address = abi::Address::Ipv4(192, 0, 2, 1), .port = 10000, .vlan = 77},
     {.address = abi::Address::Ipv4(203, 0, 113, 7), .port = 40001, .vlan = 77}},
    {"IPv6", {.address = Ipv6(1), .port = 10000}, {.address = Ipv6(2), .port = 40001}},
    {"IPv6 in a VLAN",
     {.address = Ipv6(1), .port = 10000, .vlan = 4094},
     {.address = Ipv6(2), .port = 40001, .vlan = 4094}},
};

Envelope EnvelopeOf(const Flow& flow) {
  return {.to = {2, 0, 0, 0, 0, 2},
          .from = {2, 0, 0, 0, 0, 1},
          .source = flow.source,
          .destination = flow.destination,
          .dscp = 46,
          .udp_checksum = true};
}

Bytes Payload(size_t length) {
  Bytes payload(length);
  for (size_t i = 0; i < length; ++i) payload[i] = static_cast<uint8_t>(i * 37 + 11);
  return payload;
}

Bytes Write(const Envelope& envelope, const Bytes& payload, const uint16_t* sum = nullptr) {
  Bytes buffer(128 + payload.size());
  std::ranges::copy(payload, buffer.begin() + 128);
  const size_t length = WriteHeaders(envelope, {buffer.data() + 128, payload.size()}, sum);
  EXPECT_EQ(length, HeaderLength(envelope));
  return {buffer.begin() + static_cast<long>(128 - length), buffer.end()};
}

FrameVerdict Read(const Bytes& bytes, Frame* frame = nullptr,
                  IpChecksum checksum = IpChecksum::kVerify) {
  Frame ignored;
  // A copy that ends where the frame does, so that the address sanitizer sees every step too far.
  const Bytes exact(bytes);
  return ReadFrame(exact, checksum, frame != nullptr ? frame : &ignored);
}

void FixIpChecksum(Bytes& bytes, size_t ip) {
  bytes[ip + 10] = bytes[ip + 11] = 0;
  const size_t header = static_cast<size_t>(bytes[ip] & 15) * 4;
  const uint16_t sum = SlowSum(
      {bytes.begin() + static_cast<long>(ip), bytes.begin() + static_cast<long>(ip + header)});
  bytes[ip + 10] = static_cast<uint8_t>(~sum >> 8);
  bytes[ip + 11] = static_cast<uint8_t>(~sum);
}

// ---- sums ---------------------------------------------------------------------------------------

TEST(Checksum, SumsEqualTheRfcForEveryLength) {
  std::mt19937 random(1);
  for (size_t length = 0; length <= 200; ++length) {
    Bytes bytes(length);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    EXPECT_EQ(Big(SumOf(bytes)), SlowSum(bytes)) << length;
  }
  EXPECT_EQ(SumOf(Bytes(1500, 0xff)), 0xffff);
  EXPECT_EQ(SumOf(Bytes(1500, 0x00)), 0);
}

TEST(Checksum, TheExampleOfRfc1071) {
  EXPECT_EQ(Big(SumOf(Bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7})), 0xddf2);
}

TEST(Checksum, TheExampleOfRfc1624) {
  // Section 4: checksum 0xDD2F, a field changes from 0x5555 to 0x3285, the result is 0x0000.
  const Bytes before = {0x55, 0x55};
  const Bytes after = {0x32, 0x85};
  const uint16_t sum = Big(static_cast<uint16_t>(~0xdd2f));
  EXPECT_EQ(static_cast<uint16_t>(~ReplaceInSum(sum, before, after)), 0x0000);
}

TEST(Checksum, ReplacingEqualsSummingAnew) {
  std::mt19937 random(2);
  for (int round = 0; round < 1000; ++round) {
    Bytes bytes(60);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const uint16_t sum = SumOf(bytes);
    const Bytes before(bytes.begin() + 8, bytes.begin() + 20);
    for (size_t i = 8; i < 20; ++i) bytes[i] = static_cast<uint8_t>(random());
    const Bytes after(bytes.begin() + 8, bytes.begin() + 20);
    EXPECT_EQ(ReplaceInSum(sum, before, after), SumOf(bytes));
  }
}

// ---- writing and reading ------------------------------------------------------------------------

TEST(Frame, WhatIsWrittenIsReadAgain) {
  for (const Flow& flow : kFlows) {
    for (size_t length : {0, 1, 12, 171, 172, 1472}) {
      SCOPED_TRACE(std::string(flow.name) + ", " + std::to_string(length));
      const Bytes payload = Payload(length);
      const Bytes bytes = Write(EnvelopeOf(flow), payload);
      Frame frame;
      ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
      EXPECT_EQ(frame.source, flow.source);
      EXPECT_EQ(frame.destination, flow.destination);
      EXPECT_EQ(frame.dscp, 46);
      EXPECT_EQ(frame.hop_limit, 64);
      EXPECT_EQ(frame.to[5], 2);
      EXPECT_EQ(frame.from[5], 1);
      ASSERT_EQ(frame.payload_length, length);
      EXPECT_TRUE(std::equal(payload.begin(), payload.end(), bytes.begin() + frame.payload_offset));
      EXPECT_EQ(VerifyUdp(bytes, frame), UdpChecksum::kGood);
      // Only the payload's words are left when the headers are taken out of the checksum.
      EXPECT_EQ(AddSums(PayloadSum(frame), 0x1234), AddSums(SumOf(payload), 0x1234));
    }
  }
}

TEST(Frame, HeadersByteByByte) {
  const Bytes bytes = Write(EnvelopeOf(kFlows[1]), {'h', 'i'});
  const Bytes head(bytes.begin(), bytes.begin() + 46);
  // The two checksums were computed by hand outside of this code.
  const Bytes expected = {2,    0,    0,    0,    0,    2,    2,    0,    0,    0,   0,   1,
                          0x81, 0x00, 0xa0, 77,   0x08, 0x00, 0x45, 0xb8, 0,    30,  0,   0,
                          0x40, 0x00, 64,   17,   0x3c, 0x0e, 192,  0,    2,    1,   203, 0,
                          113,  7,    0x27, 0x10, 0x9c, 0x41, 0,    10,   0xd6, 0x15};
  EXPECT_EQ(head, expected);
}

TEST(Frame, ReadsAFrameWithPaddingAndForeignFields) {
  Bytes bytes = kForeign;
  FixIpChecksum(bytes, 14);
  Frame frame;
  ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
  EXPECT_EQ(frame.source.address, abi::Address::Ipv4(192, 168, 1, 10));
  EXPECT_EQ(frame.source.port, 5004);
  EXPECT_EQ(frame.destination.port, 5006);
  EXPECT_EQ(frame.payload_length, 5);
  EXPECT_EQ(frame.hop_limit, 63);
  EXPECT_EQ(frame.dscp, 46);
  EXPECT_EQ(VerifyUdp(bytes, frame), UdpChecksum::kAbsent);
}

TEST(Frame, ReadsIpv4Options) {
  Bytes bytes = Write(EnvelopeOf(kFlows[0]), Payload(20));
  bytes.insert(bytes.begin() + 34, {0x94, 0x04, 0x00, 0x00});  // router alert (RFC 2113)
  bytes[14] = 0x46;
  bytes[17] = static_cast<uint8_t>(bytes[17] + 4);
  FixIpChecksum(bytes, 14);
  Frame frame;
  ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
  EXPECT_EQ(frame.payload_offset, 46);
  EXPECT_EQ(VerifyUdp(bytes, frame), UdpChecksum::kGood);
}

TEST(Frame, APriorityTagIsNoVlan) {
  Bytes bytes = Write(EnvelopeOf(kFlows[1]), Payload(20));
  bytes[14] = 0xe0;
  bytes[15] = 0;
  Frame frame;
  ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
  EXPECT_EQ(frame.destination.vlan, 0);
}

// ---- what is refused ----------------------------------------------------------------------------

TEST(Frame, TruncatedAtEveryLength) {
  for (const Flow& flow : kFlows) {
    const Bytes bytes = Write(EnvelopeOf(flow), Payload(40));
    for (size_t length = 0; length < bytes.size(); ++length) {
      const Bytes cut(bytes.begin(), bytes.begin() + static_cast<long>(length));
      EXPECT_EQ(Read(cut), FrameVerdict::kTruncated) << flow.name << " at " << length;
    }
  }
}

// IP offset 14 in all of these: the flows without VLAN.
struct Lie {
  const char* sentence;
  int flow;
  std::vector<std::pair<size_t, uint8_t>> changes;  // offset, byte
  FrameVerdict verdict;
};

const Lie kLies[] = {
    {"an ARP type", 0, {{12, 0x08}, {13, 0x06}}, FrameVerdict::kNotIp},
    {"an 802.3 length", 0, {{12, 0x00}, {13, 0x40}}, FrameVerdict::kNotIp},
    {"802.1ad", 0, {{12, 0x88}, {13, 0xa8}}, FrameVerdict::kTwoTags},
    {"802.1Q in 802.1Q", 1, {{16, 0x81}, {17, 0x00}}, FrameVerdict::kTwoTags},
    {"802.1ad in 802.1Q", 1, {{16, 0x88}, {17, 0xa8}}, FrameVerdict::kTwoTags},
    {"version 6 under type IPv4", 0, {{14, 0x65}}, FrameVerdict::kBadVersion},
    {"version 4 under type IPv6", 2, {{14, 0x45}}, FrameVerdict::kBadVersion},
    {"an IPv4 header of 16 bytes", 0, {{14, 0x44}}, FrameVerdict::kBadHeaderLength},
    {"an IPv4 header of 60 bytes in 50", 0, {{14, 0x4f}, {17, 50}}, FrameVerdict::kBadTotalLength},
    {"a total length inside the IP header", 0, {{16, 0}, {17, 19}}, FrameVerdict::kBadTotalLength},
    {"a total length inside the UDP header", 0, {{16, 0}, {17, 27}}, FrameVerdict::kBadTotalLength},
    {"a total length of zero", 0, {{16, 0}, {17, 0}}, FrameVerdict::kBadTotalLength},
    {"a total length beyond the frame", 0, {{16, 0x01}}, FrameVerdict::kTruncated},
    {"an IPv6 length beyond the frame", 2, {{18, 0x01}}, FrameVerdict::kTruncated},
    {"an IPv6 length inside the UDP header", 2, {{18, 0}, {19, 7}}, FrameVerdict::kBadTotalLength},
    {"an IPv6 jumbogram", 2, {{18, 0}, {19, 0}}, FrameVerdict::kBadTotalLength},
    {"more fragments", 0, {{20, 0x20}}, FrameVerdict::kFragmented},
    {"a fragment offset", 0, {{21, 0x01}}, FrameVerdict::kFragmented},
    {"TCP", 0, {{23, 6}}, FrameVerdict::kNotUdp},
    {"UDP-Lite", 0, {{23, 136}}, FrameVerdict::kNotUdp},
    {"ICMPv6", 2, {{20, 58}}, FrameVerdict::kNotUdp},
    {"an IPv6 fragment", 2, {{20, 44}}, FrameVerdict::kFragmented},
    {"hop-by-hop options", 2, {{20, 0}}, FrameVerdict::kExtensionHeader},
    {"a routing header", 2, {{20, 43}}, FrameVerdict::kExtensionHeader},
    {"destination options", 2, {{20, 60}}, FrameVerdict::kExtensionHeader},
    {"a UDP length of 7", 0, {{38, 0}, {39, 7}}, FrameVerdict::kBadUdpLength},
    {"a UDP length of 0", 2, {{58, 0}, {59, 0}}, FrameVerdict::kBadUdpLength},
    {"a UDP length beyond IP", 0, {{38, 0}, {39, 49}}, FrameVerdict::kBadUdpLength},
    {"a UDP length beyond IPv6", 2, {{58, 0xff}}, FrameVerdict::kBadUdpLength},
};

TEST(Frame, Lies) {
  for (const Lie& lie : kLies) {
    Bytes bytes = Write(EnvelopeOf(kFlows[lie.flow]), Payload(40));
    ASSERT_EQ(Read(bytes), FrameVerdict::kUdp);
    for (const auto& [offset, byte] : lie.changes) bytes[offset] = byte;
    // The lie itself shall be found, not the checksum that it breaks.
    EXPECT_EQ(Read(bytes, nullptr, IpChecksum::kTrust), lie.verdict) << lie.sentence;
  }
}

TEST(Frame, AnIpv4MappedAddressInIpv6IsRefused) {
  for (size_t address : {22u, 38u}) {
    Bytes bytes = Write(EnvelopeOf(kFlows[2]), Payload(4));
    const abi::Address mapped = abi::Address::Ipv4(10, 0, 0, 1);
    std::ranges::copy(mapped.bytes, bytes.begin() + static_cast<long>(address));
    EXPECT_EQ(Read(bytes), FrameVerdict::kMappedAddress);
  }
}

TEST(Frame, AUdpLengthShortOfIpEndsThePayload) {
  Bytes bytes = Write(EnvelopeOf(kFlows[0]), Payload(40));
  bytes[39] = 8 + 30;
  Frame frame;
  ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
  EXPECT_EQ(frame.payload_length, 30);
}

TEST(Frame, EveryVerdictHasACounterAndASentence) {
  EXPECT_EQ(CounterOf(FrameVerdict::kFragmented), abi::Counter::kFragment);
  EXPECT_EQ(CounterOf(FrameVerdict::kBadIpChecksum), abi::Counter::kBadChecksum);
  EXPECT_EQ(CounterOf(FrameVerdict::kBadUdpLength), abi::Counter::kBadFrame);
  EXPECT_STREQ(SentenceOf(FrameVerdict::kNotUdp), "another protocol than UDP");
}

// ---- checksums of frames ------------------------------------------------------------------------

TEST(Frame, EveryFlippedBitOfAnIpv4HeaderIsSeen) {
  const Bytes good = Write(EnvelopeOf(kFlows[0]), Payload(40));
  for (size_t bit = 0; bit < 160; ++bit) {
    Bytes bytes = good;
    bytes[14 + bit / 8] = static_cast<uint8_t>(bytes[14 + bit / 8] ^ 1 << bit % 8);
    EXPECT_NE(Read(bytes), FrameVerdict::kUdp) << "bit " << bit;
  }
}

TEST(Frame, EveryFlippedBitAfterTheIpHeaderIsSeen) {
  for (const Flow& flow : kFlows) {
    const Bytes good = Write(EnvelopeOf(flow), Payload(21));
    Frame frame;
    ASSERT_EQ(Read(good, &frame), FrameVerdict::kUdp);
    for (size_t i = frame.udp_offset; i < good.size(); ++i) {
      if (i - frame.udp_offset == 4 || i - frame.udp_offset == 5) continue;  // the length, above
      for (int bit = 0; bit < 8; ++bit) {
        Bytes bytes = good;
        bytes[i] = static_cast<uint8_t>(bytes[i] ^ 1 << bit);
        ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
        EXPECT_EQ(VerifyUdp(bytes, frame), UdpChecksum::kBad) << flow.name << " byte " << i;
      }
    }
  }
}

TEST(Frame, NoChecksumIsAllowedInIpv4Only) {
  for (const Flow& flow : kFlows) {
    Bytes bytes = Write(EnvelopeOf(flow), Payload(20));
    Frame frame;
    ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
    bytes[frame.udp_offset + 6u] = bytes[frame.udp_offset + 7u] = 0;
    ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
    EXPECT_EQ(VerifyUdp(bytes, frame),
              flow.source.address.IsIpv4() ? UdpChecksum::kAbsent : UdpChecksum::kBad);
  }
}

TEST(Frame, APseudoHeaderSumIsPartial) {
  for (const Flow& flow : kFlows) {
    Envelope envelope = EnvelopeOf(flow);
    envelope.udp_checksum = false;
    const Bytes bytes = Write(envelope, Payload(20));
    Frame frame;
    ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
    EXPECT_EQ(VerifyUdp(bytes, frame), UdpChecksum::kPartial) << flow.name;
  }
}

TEST(Frame, AChecksumThatComesToZeroIsSentAsAllOnes) {
  const Envelope envelope = EnvelopeOf(kFlows[0]);
  // One word of payload that makes the whole sum 0xffff: the checksum of an empty word.
  Frame frame;
  ASSERT_EQ(Read(Write(envelope, {0, 0}), &frame), FrameVerdict::kUdp);
  Bytes payload(2);
  std::memcpy(payload.data(), &frame.udp_checksum, 2);
  const Bytes bytes = Write(envelope, payload);
  ASSERT_EQ(Read(bytes, &frame), FrameVerdict::kUdp);
  EXPECT_EQ(frame.udp_checksum, 0xffff);
  EXPECT_EQ(VerifyUdp(bytes, frame), UdpChecksum::kGood);
}

TEST(Frame, ARewriteWithThePayloadSumEqualsOneThatReadsThePayload) {
  for (const Flow& from : kFlows) {
    for (const Flow& to : kFlows) {  // IPv4 to IPv6 and into a VLAN as well
      Bytes payload = Payload(172);
      const Bytes arrived = Write(EnvelopeOf(from), payload);
      Frame frame;
      ASSERT_EQ(Read(arrived, &frame), FrameVerdict::kUdp);
      const Bytes before(payload.begin(), payload.begin() + 12);
      for (size_t i = 0; i < 12; ++i) payload[i] = static_cast<uint8_t>(payload[i] ^ 0x5a);
      const uint16_t sum =
          ReplaceInSum(PayloadSum(frame), before, Bytes(payload.begin(), payload.begin() + 12));
      EXPECT_EQ(Write(EnvelopeOf(to), payload, &sum), Write(EnvelopeOf(to), payload))
          << from.name << " to " << to.name;
    }
  }
}

TEST(Frame, FlowLabelsAreSteadyAndSpread) {
  const Flow& flow = kFlows[2];
  EXPECT_EQ(FlowLabel(flow.source, flow.destination), FlowLabel(flow.source, flow.destination));
  std::vector<uint32_t> labels;
  for (uint16_t port = 10000; port < 11000; ++port) {
    abi::Endpoint source = flow.source;
    source.port = port;
    labels.push_back(FlowLabel(source, flow.destination));
    EXPECT_GT(labels.back(), 0u);
    EXPECT_LT(labels.back(), 1u << 20);
  }
  std::ranges::sort(labels);
  EXPECT_GT(std::ranges::unique(labels).begin() - labels.begin(), 990);
}

}  // namespace
}  // namespace relay::wire
