// RTCP (RFC 3550 section 6): checking, walking, writing and translating compound packets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace relay::wire {

enum class RtcpType : uint8_t {
  kSenderReport = 200,
  kReceiverReport = 201,
  kSourceDescription = 202,
  kGoodbye = 203,
  kApplication = 204,
  kTransportFeedback = 205,  // RFC 4585
  kPayloadFeedback = 206,    // RFC 4585
  kExtendedReport = 207,     // RFC 3611
};

inline constexpr size_t kRtcpHeaderLength = 4;
inline constexpr size_t kReportBlockLength = 24;
inline constexpr uint8_t kSdesCname = 1;

// One packet of a compound.
struct RtcpPacket {
  RtcpType type;
  uint8_t count;                  // report blocks, SDES chunks, BYE sources, or feedback format
  std::span<const uint8_t> body;  // after the four bytes of the header, padding taken off
};

// RFC 3550 appendix A.2: the lengths add up, each version is 2, the first packet is a report
// without padding, only the last may be padded. Also that each packet's body holds what its count
// says, so that walkers need not look again.
bool IsRtcpCompound(std::span<const uint8_t> data);

// Walks a compound that IsRtcpCompound accepted.
class RtcpWalk {
 public:
  explicit RtcpWalk(std::span<const uint8_t> compound) : rest_(compound) {}
  bool Next(RtcpPacket* packet);

 private:
  std::span<const uint8_t> rest_;
};

struct SenderInfo {
  uint32_t ssrc;
  uint64_t ntp;
  uint32_t timestamp;
  uint32_t packets;
  uint32_t bytes;  // of payload
};

struct ReportBlock {
  uint32_t ssrc;
  uint8_t fraction_lost;  // 1/256
  int32_t lost;           // 24 bits, signed
  uint32_t sequence_max;  // extended
  uint32_t jitter;        // timestamp units
  uint32_t sr_ntp;        // LSR
  uint32_t sr_delay;      // DLSR, 1/65536 s
};

// `packet` is a sender report.
SenderInfo ReadSenderInfo(const RtcpPacket& packet);
// `packet` is a sender or receiver report, index < count.
ReportBlock ReadReportBlock(const RtcpPacket& packet, size_t index);

// A compound of our own: SR (with `sender`) or RR, at most one block, SDES with a CNAME.
struct RtcpReport {
  uint32_t ssrc;
  const SenderInfo* sender = nullptr;
  const ReportBlock* block = nullptr;
  std::span<const char> cname;  // 1-255 bytes
};
inline constexpr size_t kRtcpReportLengthMax = 28 + kReportBlockLength + 8 + 2 + 255 + 4;

// Returns the length written, 0 when `out` is too small.
size_t WriteRtcpReport(const RtcpReport& report, std::span<uint8_t> out);

// What the names and numbers of one side are on the other.
struct RtcpMapping {
  // The stream of the one who sent the compound.
  uint32_t sender_from;
  uint32_t sender_to;
  uint32_t timestamp_offset;  // added
  // The stream it reports about, as it knows it, and as its source does.
  uint32_t source_from;
  uint32_t source_to;
  uint32_t sequence_offset;  // added to the extended highest sequence number
  std::span<const char> cname;
};

// Writes `compound` (accepted by IsRtcpCompound) as the other side may see it: reports with mapped
// names, blocks about others left out, SDES reduced to our CNAME, feedback with mapped names where
// no sequence number in it would lie. BYE, APP and XR do not cross. Returns the length written, 0
// when nothing is left or `out` is too small.
size_t TranslateRtcp(std::span<const uint8_t> compound, const RtcpMapping& mapping,
                     std::span<uint8_t> out);

}  // namespace relay::wire
