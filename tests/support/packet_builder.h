// Packets for tests, written by other code than the code under test.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace tests::support {

using Bytes = std::vector<uint8_t>;

inline void Put16(Bytes& bytes, uint32_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

inline void Put32(Bytes& bytes, uint32_t value) {
  Put16(bytes, value >> 16);
  Put16(bytes, value & 0xffff);
}

inline Bytes Words(std::initializer_list<uint32_t> words) {
  Bytes bytes;
  for (uint32_t word : words) Put32(bytes, word);
  return bytes;
}

inline Bytes Join(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// An RTP packet (RFC 3550 section 5.1) with designated initialisers.
struct RtpPacket {
  uint8_t version = 2;
  uint8_t payload_type = 0;
  bool marker = false;
  uint16_t sequence = 1;
  uint32_t timestamp = 160;
  uint32_t ssrc = 0x11111111;
  std::vector<uint32_t> contributors = {};
  Bytes extension = {};  // with its four bytes of header; empty = no X bit
  Bytes payload = Bytes(160, 0xd5);
  uint8_t padding = 0;  // bytes, the last of which says how many

  Bytes Build() const {
    Bytes bytes;
    bytes.push_back(static_cast<uint8_t>(version << 6 | (padding ? 0x20 : 0) |
                                         (extension.empty() ? 0 : 0x10) | contributors.size()));
    bytes.push_back(static_cast<uint8_t>((marker ? 0x80 : 0) | payload_type));
    Put16(bytes, sequence);
    Put32(bytes, timestamp);
    Put32(bytes, ssrc);
    for (uint32_t contributor : contributors) Put32(bytes, contributor);
    bytes = Join(Join(bytes, extension), payload);
    for (int i = 0; i < padding; ++i) bytes.push_back(i == padding - 1 ? padding : 0);
    return bytes;
  }
};

// One packet of an RTCP compound: `count` in its first byte, a body of whole words.
inline Bytes RtcpPart(uint8_t type, uint8_t count, const Bytes& body) {
  Bytes bytes{static_cast<uint8_t>(0x80 | count), type};
  Put16(bytes, static_cast<uint32_t>(body.size() / 4));
  return Join(bytes, body);
}

struct RtcpBlock {
  uint32_t ssrc = 0;
  uint32_t fraction_and_lost = 0;
  uint32_t sequence_max = 0;
  uint32_t jitter = 0;
  uint32_t lsr = 0;
  uint32_t dlsr = 0;

  Bytes Build() const { return Words({ssrc, fraction_and_lost, sequence_max, jitter, lsr, dlsr}); }
};

inline Bytes ReceiverReport(uint32_t ssrc, const std::vector<RtcpBlock>& blocks = {}) {
  Bytes body = Words({ssrc});
  for (const RtcpBlock& block : blocks) body = Join(body, block.Build());
  return RtcpPart(201, static_cast<uint8_t>(blocks.size()), body);
}

inline Bytes SenderReport(uint32_t ssrc, uint64_t ntp, uint32_t timestamp, uint32_t packets,
                          uint32_t bytes, const std::vector<RtcpBlock>& blocks = {}) {
  Bytes body = Words({ssrc, static_cast<uint32_t>(ntp >> 32), static_cast<uint32_t>(ntp), timestamp,
                      packets, bytes});
  for (const RtcpBlock& block : blocks) body = Join(body, block.Build());
  return RtcpPart(200, static_cast<uint8_t>(blocks.size()), body);
}

inline Bytes SourceDescription(uint32_t ssrc, std::string_view cname) {
  Bytes body = Words({ssrc});
  body.push_back(1);
  body.push_back(static_cast<uint8_t>(cname.size()));
  body.insert(body.end(), cname.begin(), cname.end());
  do {
    body.push_back(0);
  } while (body.size() % 4 != 0);
  return RtcpPart(202, 1, body);
}

inline Bytes Goodbye(uint32_t ssrc) {
  return RtcpPart(203, 1, Words({ssrc}));
}

// A telephone event's payload (RFC 4733 section 2.3).
inline Bytes Digit(uint8_t event, bool end, uint16_t duration) {
  Bytes bytes{event, static_cast<uint8_t>((end ? 0x80 : 0) | 10)};
  Put16(bytes, duration);
  return bytes;
}

}  // namespace tests::support
