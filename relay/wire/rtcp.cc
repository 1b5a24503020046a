#include "relay/wire/rtcp.h"

#include <cstring>

#include "relay/wire/bytes.h"

namespace relay::wire {
namespace {

constexpr size_t kSenderInfoLength = 24;  // with the SSRC
constexpr size_t kReceiverSsrcLength = 4;

bool IsReport(RtcpType type) {
  return type == RtcpType::kSenderReport || type == RtcpType::kReceiverReport;
}

size_t BlocksOffset(RtcpType type) {
  return type == RtcpType::kSenderReport ? kSenderInfoLength : kReceiverSsrcLength;
}

// The least a body of this type must hold.
size_t BodyLengthMin(RtcpType type, uint8_t count) {
  switch (type) {
    case RtcpType::kSenderReport:
    case RtcpType::kReceiverReport:
      return BlocksOffset(type) + kReportBlockLength * count;
    case RtcpType::kSourceDescription:
      return size_t{8} * count;  // an SSRC, and at least the zero that ends its items
    case RtcpType::kGoodbye:
      return size_t{4} * count;
    case RtcpType::kApplication:
    case RtcpType::kTransportFeedback:
    case RtcpType::kPayloadFeedback:
      return 8;
    case RtcpType::kExtendedReport:
      return 4;
  }
  return 0;
}

// Writes into a span, and remembers when it was too small.
class Writer {
 public:
  explicit Writer(std::span<uint8_t> out) : out_(out) {}

  bool fits() const { return fits_; }
  size_t length() const { return length_; }

  uint8_t* Take(size_t bytes) {
    if (!fits_ || bytes > out_.size() - length_) {
      fits_ = false;
      return nullptr;
    }
    uint8_t* at = out_.data() + length_;
    length_ += bytes;
    return at;
  }

  // Starts a packet whose length is known.
  uint8_t* Packet(RtcpType type, uint8_t count, size_t body) {
    uint8_t* at = Take(kRtcpHeaderLength + body);
    if (at == nullptr) return nullptr;
    at[0] = static_cast<uint8_t>(0x80 | count);
    at[1] = static_cast<uint8_t>(type);
    Store16(at + 2, static_cast<uint16_t>(body / 4));  // in words, less one
    return at + kRtcpHeaderLength;
  }

 private:
  std::span<uint8_t> out_;
  size_t length_ = 0;
  bool fits_ = true;
};

void StoreSenderInfo(uint8_t* at, const SenderInfo& sender) {
  Store32(at, sender.ssrc);
  Store64(at + 4, sender.ntp);
  Store32(at + 12, sender.timestamp);
  Store32(at + 16, sender.packets);
  Store32(at + 20, sender.bytes);
}

void StoreReportBlock(uint8_t* at, const ReportBlock& block) {
  Store32(at, block.ssrc);
  Store32(at + 4,
          (uint32_t{block.fraction_lost} << 24) | (static_cast<uint32_t>(block.lost) & 0x00ffffff));
  Store32(at + 8, block.sequence_max);
  Store32(at + 12, block.jitter);
  Store32(at + 16, block.sr_ntp);
  Store32(at + 20, block.sr_delay);
}

// One chunk with one item, ended by one to four zeros (section 6.5).
void WriteCname(Writer& writer, uint32_t ssrc, std::span<const char> cname) {
  const size_t items = 2 + cname.size();
  const size_t padded = (items / 4 + 1) * 4;
  uint8_t* at = writer.Packet(RtcpType::kSourceDescription, 1, 4 + padded);
  if (at == nullptr) return;
  Store32(at, ssrc);
  std::memset(at + 4, 0, padded);
  at[4] = kSdesCname;
  at[5] = static_cast<uint8_t>(cname.size());
  std::memcpy(at + 6, cname.data(), cname.size());
}

void TranslateReport(const RtcpPacket& packet, const RtcpMapping& mapping, Writer& writer) {
  uint8_t kept = 0;
  for (uint8_t i = 0; i < packet.count; ++i) {
    kept += ReadReportBlock(packet, i).ssrc == mapping.source_from;
  }
  const size_t blocks = BlocksOffset(packet.type);
  uint8_t* at = writer.Packet(packet.type, kept, blocks + kept * kReportBlockLength);
  if (at == nullptr) return;
  if (packet.type == RtcpType::kSenderReport) {
    SenderInfo sender = ReadSenderInfo(packet);
    sender.ssrc = mapping.sender_to;
    sender.timestamp += mapping.timestamp_offset;
    StoreSenderInfo(at, sender);
  } else {
    Store32(at, mapping.sender_to);
  }
  at += blocks;
  for (uint8_t i = 0; i < packet.count; ++i) {
    ReportBlock block = ReadReportBlock(packet, i);
    if (block.ssrc != mapping.source_from) continue;
    block.ssrc = mapping.source_to;
    block.sequence_max += mapping.sequence_offset;
    StoreReportBlock(at, block);
    at += kReportBlockLength;
  }
}

// Only feedback about the one stream we know, and only while its sequence numbers are the same on
// both sides, because they stand inside the feedback.
void TranslateFeedback(const RtcpPacket& packet, const RtcpMapping& mapping, Writer& writer) {
  if (mapping.sequence_offset != 0) return;
  if (Load32(packet.body.data() + 4) != mapping.source_from) return;
  uint8_t* at = writer.Packet(packet.type, packet.count, packet.body.size());
  if (at == nullptr) return;
  std::memcpy(at, packet.body.data(), packet.body.size());
  Store32(at, mapping.sender_to);
  Store32(at + 4, mapping.source_to);
}

}  // namespace

bool IsRtcpCompound(std::span<const uint8_t> data) {
  bool first = true;
  while (!data.empty()) {
    if (data.size() < kRtcpHeaderLength || (data[0] & 0xc0) != 0x80) return false;
    const RtcpType type{data[1]};
    if (first && !IsReport(type)) return false;
    const size_t length = kRtcpHeaderLength + 4 * size_t{Load16(data.data() + 2)};
    if (length > data.size()) return false;
    size_t body = length - kRtcpHeaderLength;
    if (data[0] & 0x20) {
      if (first || length != data.size()) return false;
      const size_t padding = data[length - 1];
      if (padding == 0 || padding % 4 != 0 || padding > body) return false;
      body -= padding;
    }
    if (body < BodyLengthMin(type, data[0] & 0x1f)) return false;
    data = data.subspan(length);
    first = false;
  }
  return !first;
}

bool RtcpWalk::Next(RtcpPacket* packet) {
  if (rest_.empty()) return false;
  const size_t length = kRtcpHeaderLength + 4 * size_t{Load16(rest_.data() + 2)};
  const size_t padding = (rest_[0] & 0x20) ? rest_[length - 1] : 0;
  packet->type = RtcpType{rest_[1]};
  packet->count = rest_[0] & 0x1f;
  packet->body = rest_.subspan(kRtcpHeaderLength, length - kRtcpHeaderLength - padding);
  rest_ = rest_.subspan(length);
  return true;
}

SenderInfo ReadSenderInfo(const RtcpPacket& packet) {
  const uint8_t* at = packet.body.data();
  return {.ssrc = Load32(at),
          .ntp = Load64(at + 4),
          .timestamp = Load32(at + 12),
          .packets = Load32(at + 16),
          .bytes = Load32(at + 20)};
}

ReportBlock ReadReportBlock(const RtcpPacket& packet, size_t index) {
  const uint8_t* at = packet.body.data() + BlocksOffset(packet.type) + index * kReportBlockLength;
  const uint32_t lost = Load32(at + 4) & 0x00ffffff;
  return {.ssrc = Load32(at),
          .fraction_lost = at[4],
          .lost = static_cast<int32_t>(lost << 8) >> 8,
          .sequence_max = Load32(at + 8),
          .jitter = Load32(at + 12),
          .sr_ntp = Load32(at + 16),
          .sr_delay = Load32(at + 20)};
}

size_t WriteRtcpReport(const RtcpReport& report, std::span<uint8_t> out) {
  Writer writer(out);
  const RtcpType type = report.sender ? RtcpType::kSenderReport : RtcpType::kReceiverReport;
  const uint8_t count = report.block ? 1 : 0;
  const size_t blocks = BlocksOffset(type);
  uint8_t* at = writer.Packet(type, count, blocks + count * kReportBlockLength);
  if (at == nullptr) return 0;
  if (report.sender) {
    StoreSenderInfo(at, *report.sender);
  }
  Store32(at, report.ssrc);
  if (report.block) StoreReportBlock(at + blocks, *report.block);
  WriteCname(writer, report.ssrc, report.cname);
  return writer.fits() ? writer.length() : 0;
}

size_t TranslateRtcp(std::span<const uint8_t> compound, const RtcpMapping& mapping,
                     std::span<uint8_t> out) {
  Writer writer(out);
  bool named = false;
  RtcpWalk walk(compound);
  for (RtcpPacket packet; walk.Next(&packet);) {
    switch (packet.type) {
      case RtcpType::kSenderReport:
      case RtcpType::kReceiverReport:
        if (Load32(packet.body.data()) != mapping.sender_from) break;
        TranslateReport(packet, mapping, writer);
        // Each compound needs a CNAME (section 6.1), whether or not one was sent.
        if (!named) WriteCname(writer, mapping.sender_to, mapping.cname);
        named = true;
        break;
      case RtcpType::kTransportFeedback:
      case RtcpType::kPayloadFeedback:
        if (named) TranslateFeedback(packet, mapping, writer);
        break;
      default:
        break;  // SDES is ours; BYE, APP, XR and the unknown stay on their side
    }
  }
  return writer.fits() ? writer.length() : 0;
}

}  // namespace relay::wire
