#include "relay/wire/frame.h"

#include <bit>
#include <cassert>
#include <cstring>

#include "relay/wire/bytes.h"
#include "relay/wire/checksum.h"

namespace relay::wire {
namespace {

constexpr uint16_t kTypeIpv4 = 0x0800;
constexpr uint16_t kTypeIpv6 = 0x86dd;
constexpr uint16_t kTypeVlan = 0x8100;  // IEEE 802.1Q
constexpr uint16_t kTypeQinq = 0x88a8;  // IEEE 802.1ad
constexpr uint8_t kProtocolUdp = 17;
constexpr uint8_t kProtocolIpv6Fragment = 44;
constexpr size_t kEthernetLength = 14;
constexpr size_t kTagLength = 4;
constexpr size_t kIpv4Length = 20;
constexpr size_t kIpv6Length = 40;
constexpr size_t kUdpLength = 8;

// Words are put together in registers below.
static_assert(std::endian::native == std::endian::little);

// Host order value as it lies in memory: a summand.
constexpr uint16_t InMemory(uint32_t value) {
  return static_cast<uint16_t>(value << 8 | (value >> 8 & 0xff));
}

void StoreSum(uint8_t* at, uint16_t sum) {
  std::memcpy(at, &sum, 2);
}

// Address::Ipv4 in two whole words: what is put together from bytes is waited for by the next load
// of a word.
abi::Address LoadIpv4(const uint8_t* at) {
  uint32_t host;
  std::memcpy(&host, at, 4);
  const uint64_t halves[2] = {0, uint64_t{host} << 32 | 0xffff0000};
  abi::Address address;
  std::memcpy(address.bytes.data(), halves, 16);
  return address;
}

abi::Address LoadIpv6(const uint8_t* at) {
  abi::Address address;
  std::memcpy(address.bytes.data(), at, 16);
  return address;
}

bool IsIpv4(const abi::Endpoint& endpoint) {
  return endpoint.address.IsIpv4();
}

// Of the bytes that stand on the wire; not folded yet, so that a header is folded once.
uint64_t WideSum(const abi::Endpoint& endpoint) {
  uint32_t words[4];
  std::memcpy(words, endpoint.address.bytes.data(), sizeof(words));
  if (IsIpv4(endpoint)) return words[3];
  return uint64_t{words[0]} + words[1] + words[2] + words[3];
}

// RFC 768 and RFC 8200 section 8.1: both add up to the same, as the 32-bit fields of IPv6 are the
// 16-bit ones of IPv4 with zeros.
uint64_t PseudoHeaderWideSum(const abi::Endpoint& source, const abi::Endpoint& destination,
                             size_t udp_length) {
  return WideSum(source) + WideSum(destination) + InMemory(kProtocolUdp) +
         InMemory(static_cast<uint32_t>(udp_length));
}

uint16_t PseudoHeaderSum(const abi::Endpoint& source, const abi::Endpoint& destination,
                         size_t udp_length) {
  return FoldSum(PseudoHeaderWideSum(source, destination, udp_length));
}

// Pseudo-header and the UDP header less its checksum field.
uint16_t HeaderSum(const abi::Endpoint& source, const abi::Endpoint& destination,
                   size_t udp_length) {
  return FoldSum(PseudoHeaderWideSum(source, destination, udp_length) + InMemory(source.port) +
                 InMemory(destination.port) + InMemory(static_cast<uint32_t>(udp_length)));
}

// What is left of the frame while its headers are peeled.
struct Cursor {
  std::span<const uint8_t> bytes;
  size_t offset;

  size_t left() const { return bytes.size() - offset; }
  const uint8_t* at() const { return bytes.data() + offset; }
};

// Fills the IP part and leaves the cursor at the UDP header; `ip_payload` is what IP says follows.
FrameVerdict ReadIpv4(Cursor& cursor, IpChecksum checksum, Frame* frame, size_t* ip_payload) {
  if (cursor.left() < kIpv4Length) return FrameVerdict::kTruncated;
  const uint8_t* ip = cursor.at();
  if (ip[0] >> 4 != 4) return FrameVerdict::kBadVersion;
  const size_t header = static_cast<size_t>(ip[0] & 0x0f) * 4;
  if (header < kIpv4Length) return FrameVerdict::kBadHeaderLength;
  const size_t total = Load16(ip + 2);
  if (total < header) return FrameVerdict::kBadTotalLength;
  if (cursor.left() < total) return FrameVerdict::kTruncated;
  // More fragments, or an offset; DF and the reserved bit do not matter.
  if ((Load16(ip + 6) & 0x3fff) != 0) return FrameVerdict::kFragmented;
  if (ip[9] != kProtocolUdp) return FrameVerdict::kNotUdp;
  // After these two, so that a steering program that computes no checksum says the same of a frame.
  if (checksum == IpChecksum::kVerify && SumOf({ip, header}) != 0xffff) {
    return FrameVerdict::kBadIpChecksum;
  }
  frame->dscp = ip[1] >> 2;
  frame->hop_limit = ip[8];
  frame->source.address = LoadIpv4(ip + 12);
  frame->destination.address = LoadIpv4(ip + 16);
  cursor.offset += header;
  *ip_payload = total - header;
  return FrameVerdict::kUdp;
}

FrameVerdict ReadIpv6(Cursor& cursor, Frame* frame, size_t* ip_payload) {
  if (cursor.left() < kIpv6Length) return FrameVerdict::kTruncated;
  const uint8_t* ip = cursor.at();
  if (ip[0] >> 4 != 6) return FrameVerdict::kBadVersion;
  const size_t length = Load16(ip + 4);
  if (cursor.left() - kIpv6Length < length) return FrameVerdict::kTruncated;
  switch (ip[6]) {
    case kProtocolUdp:
      break;
    case kProtocolIpv6Fragment:
      return FrameVerdict::kFragmented;
    case 0:    // hop-by-hop options
    case 43:   // routing
    case 60:   // destination options
    case 135:  // mobility
      return FrameVerdict::kExtensionHeader;
    default:
      return FrameVerdict::kNotUdp;
  }
  frame->dscp = static_cast<uint8_t>((ip[0] & 0x0f) << 2 | ip[1] >> 6);
  frame->hop_limit = ip[7];
  frame->source.address = LoadIpv6(ip + 8);
  frame->destination.address = LoadIpv6(ip + 24);
  // Inside the relay such an address means IPv4: let nobody claim it from IPv6.
  if (IsIpv4(frame->source) || IsIpv4(frame->destination)) return FrameVerdict::kMappedAddress;
  cursor.offset += kIpv6Length;
  *ip_payload = length;
  return FrameVerdict::kUdp;
}

}  // namespace

abi::Counter CounterOf(FrameVerdict verdict) {
  constexpr abi::Counter kCounters[] = {
#define X(id, counter, sentence) abi::Counter::counter,
      RELAY_FRAME_VERDICTS(X)
#undef X
  };
  return kCounters[static_cast<uint8_t>(verdict)];
}

const char* SentenceOf(FrameVerdict verdict) {
  constexpr const char* kSentences[] = {
#define X(id, counter, sentence) sentence,
      RELAY_FRAME_VERDICTS(X)
#undef X
  };
  return kSentences[static_cast<uint8_t>(verdict)];
}

FrameVerdict ReadFrame(std::span<const uint8_t> bytes, IpChecksum checksum, Frame* frame) {
  *frame = Frame{};
  if (bytes.size() < kEthernetLength) return FrameVerdict::kTruncated;
  std::memcpy(frame->to.data(), bytes.data(), 6);
  std::memcpy(frame->from.data(), bytes.data() + 6, 6);
  Cursor cursor{.bytes = bytes, .offset = kEthernetLength};
  uint16_t type = Load16(bytes.data() + 12);
  if (type == kTypeVlan) {
    if (cursor.left() < kTagLength) return FrameVerdict::kTruncated;
    // Id 0 is a priority tag: the frame belongs to no VLAN (IEEE 802.1Q section 9.6).
    frame->source.vlan = frame->destination.vlan = Load16(cursor.at()) & 0x0fff;
    type = Load16(cursor.at() + 2);
    cursor.offset += kTagLength;
  }
  if (type == kTypeVlan || type == kTypeQinq) return FrameVerdict::kTwoTags;

  frame->ip_offset = static_cast<uint16_t>(cursor.offset);
  size_t ip_payload = 0;
  FrameVerdict verdict = FrameVerdict::kNotIp;
  if (type == kTypeIpv4) verdict = ReadIpv4(cursor, checksum, frame, &ip_payload);
  if (type == kTypeIpv6) verdict = ReadIpv6(cursor, frame, &ip_payload);
  if (verdict != FrameVerdict::kUdp) return verdict;

  if (ip_payload < kUdpLength) return FrameVerdict::kBadTotalLength;
  const uint8_t* udp = cursor.at();
  const size_t udp_length = Load16(udp + 4);
  if (udp_length < kUdpLength || udp_length > ip_payload) return FrameVerdict::kBadUdpLength;
  frame->source.port = Load16(udp);
  frame->destination.port = Load16(udp + 2);
  std::memcpy(&frame->udp_checksum, udp + 6, 2);
  frame->udp_offset = static_cast<uint16_t>(cursor.offset);
  frame->payload_offset = static_cast<uint16_t>(cursor.offset + kUdpLength);
  frame->payload_length = static_cast<uint16_t>(udp_length - kUdpLength);
  return FrameVerdict::kUdp;
}

UdpChecksum VerifyUdp(std::span<const uint8_t> bytes, const Frame& frame) {
  if (frame.udp_checksum == 0) {
    return IsIpv4(frame.source) ? UdpChecksum::kAbsent : UdpChecksum::kBad;
  }
  const size_t udp_length = kUdpLength + frame.payload_length;
  const uint16_t pseudo = PseudoHeaderSum(frame.source, frame.destination, udp_length);
  const uint16_t sum = AddSums(pseudo, SumOf(bytes.subspan(frame.udp_offset, udp_length)));
  if (sum == 0xffff) return UdpChecksum::kGood;
  return frame.udp_checksum == pseudo ? UdpChecksum::kPartial : UdpChecksum::kBad;
}

uint16_t PayloadSum(const Frame& frame) {
  return SubtractSums(
      static_cast<uint16_t>(~frame.udp_checksum),
      HeaderSum(frame.source, frame.destination, kUdpLength + frame.payload_length));
}

uint32_t FlowLabel(const abi::Endpoint& source, const abi::Endpoint& destination) {
  // Multiply and shift over the five-tuple; the label has to spread flows, not to keep a secret.
  uint64_t hash = uint64_t{source.port} << 16 | destination.port;
  for (const abi::Endpoint* endpoint : {&source, &destination}) {
    uint64_t halves[2];
    std::memcpy(halves, endpoint->address.bytes.data(), 16);
    for (uint64_t half : halves) hash = (hash ^ half ^ hash >> 29) * 0x9e3779b97f4a7c15;
  }
  const uint32_t label = static_cast<uint32_t>(hash >> 44);
  return label != 0 ? label : 1;
}

size_t HeaderLength(const Envelope& envelope) {
  return kEthernetLength + (envelope.destination.vlan != 0 ? kTagLength : 0) +
         (IsIpv4(envelope.destination) ? kIpv4Length : kIpv6Length) + kUdpLength;
}

namespace {

void WriteUdp(const Envelope& envelope, std::span<const uint8_t> payload,
              const uint16_t* payload_sum, uint8_t* udp) {
  const abi::Endpoint& source = envelope.source;
  const abi::Endpoint& destination = envelope.destination;
  const size_t length = kUdpLength + payload.size();
  Store16(udp, source.port);
  Store16(udp + 2, destination.port);
  Store16(udp + 4, static_cast<uint16_t>(length));
  if (!envelope.udp_checksum) {
    StoreSum(udp + 6, PseudoHeaderSum(source, destination, length));
    return;
  }
  const uint16_t sum = AddSums(HeaderSum(source, destination, length),
                               payload_sum != nullptr ? *payload_sum : SumOf(payload));
  // A checksum that comes to 0 is sent as all ones: 0 means "none" (RFC 768).
  StoreSum(udp + 6, sum == 0xffff ? 0xffff : static_cast<uint16_t>(~sum));
}

void WriteIpv4(const Envelope& envelope, size_t udp_length, uint8_t* ip) {
  // Summed before it is stored: a load of four bytes waits for stores of one and two.
  const uint64_t type = InMemory(0x4500u | static_cast<uint32_t>(envelope.dscp) << 2);
  const uint64_t length = InMemory(static_cast<uint32_t>(kIpv4Length + udp_length));
  constexpr uint64_t kFragment = InMemory(kFragmentField);
  constexpr uint16_t kLimitAndProtocol = InMemory(kHopLimit << 8 | kProtocolUdp);
  const uint64_t sum = type + length + kFragment + kLimitAndProtocol + WideSum(envelope.source) +
                       WideSum(envelope.destination);
  const uint64_t first = type | length << 16 | kFragment << 48;
  std::memcpy(ip, &first, 8);
  std::memcpy(ip + 8, &kLimitAndProtocol, 2);
  StoreSum(ip + 10, static_cast<uint16_t>(~FoldSum(sum)));
  std::memcpy(ip + 12, envelope.source.address.bytes.data() + 12, 4);
  std::memcpy(ip + 16, envelope.destination.address.bytes.data() + 12, 4);
}

void WriteIpv6(const Envelope& envelope, size_t udp_length, uint8_t* ip) {
  const uint32_t label = FlowLabel(envelope.source, envelope.destination);
  ip[0] = static_cast<uint8_t>(0x60 | envelope.dscp >> 2);
  ip[1] = static_cast<uint8_t>((envelope.dscp & 0x03) << 6 | label >> 16);
  Store16(ip + 2, static_cast<uint16_t>(label));
  Store16(ip + 4, static_cast<uint16_t>(udp_length));
  ip[6] = kProtocolUdp;
  ip[7] = kHopLimit;
  std::memcpy(ip + 8, envelope.source.address.bytes.data(), 16);
  std::memcpy(ip + 24, envelope.destination.address.bytes.data(), 16);
}

}  // namespace

size_t WriteHeaders(const Envelope& envelope, std::span<uint8_t> payload,
                    const uint16_t* payload_sum) {
  const bool ipv4 = IsIpv4(envelope.destination);
  assert(ipv4 == IsIpv4(envelope.source) && "one IP header has one address family");
  const size_t udp_length = kUdpLength + payload.size();
  uint8_t* at = payload.data() - kUdpLength;
  WriteUdp(envelope, payload, payload_sum, at);
  if (ipv4) {
    at -= kIpv4Length;
    WriteIpv4(envelope, udp_length, at);
  } else {
    at -= kIpv6Length;
    WriteIpv6(envelope, udp_length, at);
  }
  at -= 2;
  Store16(at, ipv4 ? kTypeIpv4 : kTypeIpv6);
  if (envelope.destination.vlan != 0) {
    // The priority is the DSCP's class selector: EF becomes 5, voice (IEEE 802.1Q annex I).
    at -= kTagLength;
    Store16(at, kTypeVlan);
    Store16(at + 2, static_cast<uint16_t>((envelope.dscp >> 3) << 13 | envelope.destination.vlan));
  }
  at -= 12;
  std::memcpy(at, envelope.to.data(), 6);
  std::memcpy(at + 6, envelope.from.data(), 6);
  return static_cast<size_t>(payload.data() - at);
}

}  // namespace relay::wire
