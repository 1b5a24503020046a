// One RTP stream of the generator: what is sent (RFC 3550 section 5.1, PCMA, 20 ms a packet) and
// what has come back of it.
//
// The relay may change SSRC, sequence numbers and payload type, so the packet carries its true name
// in the payload: stream, count and the time of sending. The RTP header is checked besides: its
// sequence number must keep step with the count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace bench::loadgen {

inline constexpr size_t kRtpHeader = 12;
inline constexpr uint8_t kPcma = 8;        // RFC 3551 table 4
inline constexpr uint32_t kSamples = 160;  // 20 ms of G.711, a byte each
inline constexpr size_t kPayload = kSamples;
inline constexpr size_t kPacket = kRtpHeader + kPayload;
inline constexpr size_t kPacketMax = kPacket + 16;  // the longest: with GCM's tag behind it
inline constexpr uint64_t kPacketsPerSecond = 50;

// First bytes of the payload, host byte order: it never leaves the machine.
struct Mark {
  uint64_t magic;
  uint32_t run;     // packets of an earlier measurement are strangers
  uint32_t stream;  // index in this run
  uint64_t count;   // 0, 1, 2, ... in this stream
  uint64_t sent_ns;
};
inline constexpr uint64_t kMarkMagic = 0x4e454744414f4c54;

// Reads the mark of a packet; nothing when it is not one of ours.
std::optional<Mark> ReadMark(std::span<const uint8_t> packet);

struct StreamTotals {
  uint64_t sent = 0;
  uint64_t refused = 0;   // of those sent, by our own kernel
  uint64_t received = 0;  // each packet once
  uint64_t duplicate = 0;
  uint64_t reordered = 0;    // came after a later one
  uint64_t out_of_step = 0;  // RTP sequence number does not follow the count
  uint64_t lost() const { return sent - refused - received; }
  void Add(const StreamTotals& other);
};

class Stream {
 public:
  Stream(uint32_t run, uint32_t index) : run_(run), index_(index) {}

  // Writes the next packet and counts it as sent.
  void Write(std::span<uint8_t, kPacket> packet, uint64_t now_ns);
  // A packet written did not get out: the kernel refused it. Nobody can have lost it.
  void Refused() { ++totals_.refused; }

  void Received(const Mark& mark, std::span<const uint8_t> packet);

  // The same of packets without marks (speech.h), of whose count the RTP header has 16 bits.
  void SentUnmarked() { ++totals_.sent; }
  // Which of those sent it is; nothing when it is none.
  std::optional<uint64_t> ReceivedUnmarked(uint16_t low_bits);

  const StreamTotals& totals() const { return totals_; }

 private:
  // A count this far behind the newest is taken for a duplicate: five seconds.
  static constexpr size_t kWindowWords = 4;
  static constexpr uint64_t kWindow = kWindowWords * 64;

  bool Seen(uint64_t count);
  bool CountReceived(uint64_t count);

  StreamTotals totals_;
  uint32_t run_;
  uint32_t index_;
  uint64_t next_ = 0;  // the newest count received, plus 1
  std::optional<uint16_t> offset_;
  uint64_t window_[kWindowWords] = {};  // bit count % kWindow: received
};

}  // namespace bench::loadgen
