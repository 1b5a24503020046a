#include "tests/support/frame_corpus.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <span>

#include "relay/wire/checksum.h"

namespace support {
namespace {

using relay::wire::Frame;
using Bytes = std::vector<uint8_t>;

constexpr size_t kRoom = 128;
constexpr size_t kTypeAt = 12;

void Store16(Bytes& bytes, size_t at, size_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

void SealIpv4(Bytes& bytes, size_t ip, size_t header) {
  Store16(bytes, ip + 10, 0);
  const uint16_t sum = relay::wire::SumOf(std::span(bytes).subspan(ip, header));
  const uint16_t field = static_cast<uint16_t>(~sum);
  std::memcpy(&bytes[ip + 10], &field, 2);
}

// A good RTP packet, PCMA.
Bytes Rtp() {
  Bytes payload(172, 0xd5);
  const uint8_t header[] = {0x80, 8, 0x12, 0x34, 0, 0, 0, 0xa0, 1, 2, 3, 4};
  std::ranges::copy(header, payload.begin());
  return payload;
}

class Corpus {
 public:
  explicit Corpus(const CorpusParties& parties) : parties_(parties) {}

  std::vector<CorpusFrame> Make() {
    for (const bool ipv4 : {true, false}) {
      Cut(ipv4);
      Lengths(ipv4);
      Checksums(ipv4);
      Protocols(ipv4);
      Payloads(ipv4);
      Noise(ipv4);
    }
    Ipv4Headers();
    Ipv6Headers();
    ExtensionHeaders();
    Tags();
    Types();
    return std::move(frames_);
  }

  std::vector<CorpusFrame> MakeGood() {
    for (const bool ipv4 : {true, false}) {
      Add("plain", 0, ipv4, Next(ipv4));
      Add("priority tag", 5, ipv4, Tagged(Next(ipv4), 0x8100, 5 << 13));
      for (const size_t padding : {1, 46, 300}) {  // behind what IP counts
        Bytes frame = Next(ipv4);
        frame.resize(frame.size() + padding, 0xee);
        Add("trailer", padding, ipv4, frame);
      }
    }
    for (const size_t words : {1, 2, 5, 10}) Add("options", 4 * words, true, Options(words));
    Bytes frame = Next(true);
    Store16(frame, UdpAt(true) + 6, 0);  // RFC 768: the sender made none
    Add("no UDP checksum", 0, true, frame);
    frame = Options(3);
    Store16(frame, UdpAt(true) + 12 + 6, 0);
    Add("options and no UDP checksum", 0, true, frame);
    for (const size_t flags : {0x0000, 0x8000, 0xc000}) {  // DF is the relay's own choice
      frame = Next(true);
      Store16(frame, 20, flags);
      SealIpv4(frame, 14, 20);
      Add("flags", flags, true, frame);
    }
    frame = Next(false);
    frame[15] = 0xff, frame[16] = 0xff, frame[17] = 0xff;
    Add("flow label", 0xfffff, false, frame);
    return std::move(frames_);
  }

 private:
  Bytes Good(bool ipv4, const Bytes& payload, uint16_t vlan = 0) const {
    Bytes bytes(kRoom + payload.size());
    std::ranges::copy(payload, bytes.begin() + kRoom);
    relay::wire::Envelope envelope{.to = parties_.to,
                                   .from = parties_.from,
                                   .source = ipv4 ? parties_.far4 : parties_.far6,
                                   .destination = ipv4 ? parties_.own4 : parties_.own6,
                                   .dscp = 46,
                                   .udp_checksum = true};
    envelope.destination.vlan = vlan;
    const size_t headers = relay::wire::WriteHeaders(envelope, std::span(bytes).subspan(kRoom));
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(kRoom - headers));
    return bytes;
  }
  Bytes Good(bool ipv4) const { return Good(ipv4, Rtp()); }
  // A good one that comes after those before it.
  Bytes Next(bool ipv4) {
    Bytes payload = Rtp();
    Store16(payload, 2, ++sequence_);
    return Good(ipv4, payload);
  }
  static Bytes Tagged(Bytes frame, size_t type, size_t tag) {
    Bytes bytes(4);
    Store16(bytes, 0, type);
    Store16(bytes, 2, tag);
    frame.insert(frame.begin() + kTypeAt, bytes.begin(), bytes.end());
    return frame;
  }
  // IPv4 with so many words of options: record route (RFC 791) and no-operations.
  Bytes Options(size_t words) {
    Bytes frame = Next(true);
    Bytes options(4 * words, 1);
    if (words >= 2) std::ranges::copy(Bytes{7, 7, 4, 0, 0, 0, 0}, options.begin());
    frame.insert(frame.begin() + 34, options.begin(), options.end());
    frame[14] = static_cast<uint8_t>(0x45 + words);
    Store16(frame, 16, frame.size() - 14);
    SealIpv4(frame, 14, 20 + 4 * words);
    return frame;
  }
  static size_t UdpAt(bool ipv4) { return ipv4 ? 34 : 54; }

  void Add(const std::string& what, size_t number, bool ipv4, Bytes bytes) {
    if (bytes.size() < 14 || bytes.size() > 1514) return;
    frames_.push_back({what + " " + std::to_string(number) + (ipv4 ? " v4" : " v6"), bytes});
  }

  // At every length; with and without an IP header that admits to it.
  void Cut(bool ipv4) {
    const Bytes good = Good(ipv4);
    for (size_t length = 14; length < good.size(); ++length) {
      Add("cut at", length, ipv4,
          Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(length)));
      if (length < UdpAt(ipv4)) continue;
      Bytes honest(good.begin(), good.begin() + static_cast<ptrdiff_t>(length));
      if (ipv4) {
        Store16(honest, 16, length - 14);
        SealIpv4(honest, 14, 20);
      } else {
        Store16(honest, 18, length - 54);
      }
      Add("cut by IP at", length, ipv4, honest);
    }
  }

  void Lengths(bool ipv4) {
    const size_t udp = UdpAt(ipv4);
    for (size_t length = 0; length < 260; ++length) {
      Bytes frame = Good(ipv4);
      if (length != frame.size() - udp) {
        Store16(frame, udp + 4, length);
        Add("UDP length", length, ipv4, frame);
      }
      frame = Good(ipv4);
      const size_t after = ipv4 ? frame.size() - 14 : frame.size() - 54;
      if (length == after) continue;
      Store16(frame, ipv4 ? 16 : 18, length);
      if (ipv4) SealIpv4(frame, 14, 20);
      Add("IP length", length, ipv4, frame);
    }
    for (size_t length : {0x7fff, 0x8000, 0xff00, 0xffff}) {
      Bytes frame = Good(ipv4);
      Store16(frame, udp + 4, length);
      Add("UDP length", length, ipv4, frame);
    }
  }

  void Checksums(bool ipv4) {
    const size_t udp = UdpAt(ipv4);
    for (size_t bit = 0; bit < 16; ++bit) {
      Bytes frame = Good(ipv4);
      frame[udp + 6 + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      Add("UDP checksum bit", bit, ipv4, frame);
      if (!ipv4) continue;
      frame = Good(ipv4);
      frame[24 + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      Add("IP checksum bit", bit, ipv4, frame);
    }
    if (ipv4) return;
    Bytes frame = Good(ipv4);
    Store16(frame, udp + 6, 0);  // RFC 8200 section 8.1
    Add("no UDP checksum", 0, ipv4, frame);
  }

  void Protocols(bool ipv4) {
    for (size_t protocol = 0; protocol < 256; ++protocol) {
      if (protocol == 17) continue;
      Bytes frame = Good(ipv4);
      frame[ipv4 ? 23 : 20] = static_cast<uint8_t>(protocol);
      if (ipv4) SealIpv4(frame, 14, 20);
      Add("protocol", protocol, ipv4, frame);
    }
  }

  // Good frames around bad RTP and RTCP.
  void Payloads(bool ipv4) {
    for (size_t first = 0; first < 256; ++first) {
      if (first >> 6 == 2) continue;
      Bytes payload = Rtp();
      payload[0] = static_cast<uint8_t>(first);
      Add("first byte", first, ipv4, Good(ipv4, payload));
    }
    for (size_t length = 0; length < 12; ++length) {
      Bytes payload = Rtp();
      payload.resize(length);
      Add("RTP of length", length, ipv4, Good(ipv4, payload));
    }
    for (size_t sources = 1; sources < 16; ++sources) {
      Bytes payload = Rtp();
      payload[0] = static_cast<uint8_t>(0x80 | sources);
      payload.resize(12 + 4 * sources - 1);
      Add("CSRC count", sources, ipv4, Good(ipv4, payload));
    }
    for (size_t words : {40, 41, 100, 0x7fff, 0xffff}) {
      Bytes payload = Rtp();
      payload[0] = 0x90;
      Store16(payload, 14, words);
      Add("extension of words", words, ipv4, Good(ipv4, payload));
    }
    for (size_t padding = 161; padding < 257; ++padding) {
      Bytes payload = Rtp();
      payload[0] = 0xa0;
      payload.back() = static_cast<uint8_t>(padding);  // 256: none
      Add("padding", padding, ipv4, Good(ipv4, payload));
    }
    for (size_t type = 192; type < 224; ++type) {
      Bytes payload = Rtp();
      payload[1] = static_cast<uint8_t>(type);
      Store16(payload, 2, 0x4000);
      Add("RTCP too long of type", type, ipv4, Good(ipv4, payload));
    }
    for (size_t type = 0; type < 64; ++type) {
      if (type == 8) continue;  // the leg's own
      Bytes payload = Rtp();
      payload[1] = static_cast<uint8_t>(type);
      Add("payload type", type, ipv4, Good(ipv4, payload));
    }
    Add("too long", 1473, ipv4, Good(ipv4, Bytes(1473, 0x80)));
  }

  // Any bytes behind the link addresses changed; the checksums are left as they were.
  void Noise(bool ipv4) {
    std::mt19937 random(ipv4 ? 4 : 6);
    for (size_t i = 0; i < 1000; ++i) {
      Bytes frame = Good(ipv4);
      const size_t faults = 1 + random() % 8;
      for (size_t fault = 0; fault < faults; ++fault) {
        // In the headers mostly. Not the IPv6 label and hop limit, which nobody has to check.
        const size_t at = UdpAt(ipv4) + 4 + random() % (random() % 4 == 0 ? 160 : 4);
        frame[at] = static_cast<uint8_t>(frame[at] + 1 + random() % 255);
      }
      // Two changes may cancel out in the sum: then the frame is good.
      Frame read;
      if (relay::wire::ReadFrame(frame, relay::wire::IpChecksum::kVerify, &read) ==
              relay::wire::FrameVerdict::kUdp &&
          relay::wire::VerifyUdp(frame, read) != relay::wire::UdpChecksum::kBad) {
        continue;
      }
      Add("noise", i, ipv4, frame);
    }
  }

  void Ipv4Headers() {
    for (size_t first = 0; first < 256; ++first) {
      if (first == 0x45) continue;
      Bytes frame = Good(true);
      frame[14] = static_cast<uint8_t>(first);
      // A header of another length that is true in itself, so that the UDP header is elsewhere.
      SealIpv4(frame, 14, std::max<size_t>(20, (first & 15) * 4));
      Add("version and length", first, true, frame);
    }
    for (size_t field : {1, 2, 100, 0x1fff, 0x2000, 0x2001, 0x3fff, 0x6000, 0x6001}) {
      Bytes frame = Good(true);
      Store16(frame, 20, field);
      SealIpv4(frame, 14, 20);
      Add("fragment", field, true, frame);
    }
  }

  void Ipv6Headers() {
    for (size_t version = 0; version < 16; ++version) {
      if (version == 6) continue;
      Bytes frame = Good(false);
      frame[14] = static_cast<uint8_t>(version << 4);
      Add("version", version, false, frame);
    }
    for (size_t at : {22, 38}) {  // ::ffff:a.b.c.d as source and as destination
      Bytes frame = Good(false);
      std::fill(frame.begin() + static_cast<ptrdiff_t>(at),
                frame.begin() + static_cast<ptrdiff_t>(at + 10), uint8_t{0});
      frame[at + 10] = frame[at + 11] = 0xff;
      Add("mapped address", at, false, frame);
    }
  }

  // Well-formed ones before a good UDP header: not looked behind (RFC 8200 section 4).
  void ExtensionHeaders() {
    for (const uint8_t kind : {0, 43, 44, 60, 135}) {
      for (size_t words = 1; words < 5; ++words) {
        Bytes frame = Good(false);
        Bytes header(8 * words);
        header[0] = 17;
        if (kind != 44) header[1] = static_cast<uint8_t>(words - 1);
        if (kind == 0 || kind == 60) {
          header[2] = 1;  // PadN
          header[3] = static_cast<uint8_t>(header.size() - 4);
        }
        frame[20] = kind;
        frame.insert(frame.begin() + 54, header.begin(), header.end());
        Store16(frame, 18, frame.size() - 54);
        Add("extension header, kind and words", kind * 10 + words, false, frame);
      }
    }
  }

  void Tags() {
    for (const bool ipv4 : {true, false}) {
      // IEEE 802.1ad, alone and before a tag of a customer's.
      Add("service tag", 5, ipv4, Tagged(Good(ipv4), 0x88a8, 5));
      Add("service tag of no VLAN", 0, ipv4, Tagged(Good(ipv4), 0x88a8, 0));
      Add("service and customer tag", 5, ipv4, Tagged(Good(ipv4, Rtp(), 6), 0x88a8, 5));
      Add("customer and service tag", 5, ipv4, Tagged(Tagged(Good(ipv4), 0x88a8, 5), 0x8100, 6));
    }
    for (size_t id = 1; id < 4095; id += 61) {
      Add("VLAN", id, true, Good(true, Rtp(), static_cast<uint16_t>(id)));
      Add("VLAN", id, false, Good(false, Rtp(), static_cast<uint16_t>(id)));
      Add("two tags", id, true, Tagged(Good(true, Rtp(), static_cast<uint16_t>(id)), 0x8100, 5));
    }
  }

  void Types() {
    std::mt19937 random(2);
    for (size_t i = 0; i < 100; ++i) {
      const size_t type = random() & 0xffff;
      if (type == 0x0800 || type == 0x86dd || type == 0x8100 || type == 0x88a8) continue;
      Bytes frame = Good(true);
      Store16(frame, kTypeAt, type);
      Add("type", type, true, frame);
    }
    Bytes frame = Good(true);
    Store16(frame, kTypeAt, 0x86dd);
    Add("type of the other", 4, true, frame);
    frame = Good(false);
    Store16(frame, kTypeAt, 0x0800);
    Add("type of the other", 6, false, frame);
  }

  const CorpusParties parties_;
  size_t sequence_ = 0x1234;
  std::vector<CorpusFrame> frames_;
};

}  // namespace

std::vector<CorpusFrame> BadFrames(const CorpusParties& parties) {
  return Corpus(parties).Make();
}

std::vector<CorpusFrame> GoodFrames(const CorpusParties& parties) {
  return Corpus(parties).MakeGood();
}

}  // namespace support
