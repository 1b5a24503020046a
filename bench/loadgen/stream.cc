#include "bench/loadgen/stream.h"

#include <arpa/inet.h>

#include <cstring>

namespace bench::loadgen {
namespace {

void Put16(uint8_t* at, uint16_t value) {
  value = htons(value);
  std::memcpy(at, &value, sizeof value);
}

void Put32(uint8_t* at, uint32_t value) {
  value = htonl(value);
  std::memcpy(at, &value, sizeof value);
}

uint16_t Get16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return ntohs(value);
}

}  // namespace

std::optional<Mark> ReadMark(std::span<const uint8_t> packet) {
  if (packet.size() != kPacket || packet[0] != 0x80) return std::nullopt;
  Mark mark;
  std::memcpy(&mark, packet.data() + kRtpHeader, sizeof mark);
  if (mark.magic != kMarkMagic) return std::nullopt;
  return mark;
}

void StreamTotals::Add(const StreamTotals& other) {
  sent += other.sent;
  refused += other.refused;
  received += other.received;
  duplicate += other.duplicate;
  reordered += other.reordered;
  out_of_step += other.out_of_step;
}

void Stream::Write(std::span<uint8_t, kPacket> packet, uint64_t now_ns) {
  const uint64_t count = totals_.sent++;
  uint8_t* bytes = packet.data();
  bytes[0] = 0x80;
  bytes[1] = static_cast<uint8_t>(kPcma | (count == 0 ? 0x80 : 0));  // marker: a talkspurt begins
  // Every stream starts somewhere else (RFC 3550: random), so that some wrap during a run.
  Put16(bytes + 2, static_cast<uint16_t>(index_ * 40503u + count));
  Put32(bytes + 4, static_cast<uint32_t>(count * kSamples));
  Put32(bytes + 8, 0x54000000u ^ (run_ << 20) ^ index_);
  const Mark mark{kMarkMagic, run_, index_, count, now_ns};
  std::memcpy(bytes + kRtpHeader, &mark, sizeof mark);
}

bool Stream::Seen(uint64_t count) {
  if (count >= next_) {
    // Forget what the window moves over; after a gap longer than the window, all of it.
    for (uint64_t i = next_; i <= count && i < next_ + kWindow; ++i) {
      window_[i % kWindow / 64] &= ~(uint64_t{1} << (i % 64));
    }
    if (count - next_ >= kWindow) std::memset(window_, 0, sizeof window_);
    next_ = count + 1;
  } else if (next_ - count > kWindow) {
    return true;
  }
  uint64_t& word = window_[count % kWindow / 64];
  const uint64_t bit = uint64_t{1} << (count % 64);
  const bool seen = (word & bit) != 0;
  word |= bit;
  return seen;
}

bool Stream::CountReceived(uint64_t count) {
  const bool late = count + 1 < next_;
  if (Seen(count)) {
    ++totals_.duplicate;
    return false;
  }
  ++totals_.received;
  totals_.reordered += late;
  return true;
}

std::optional<uint64_t> Stream::ReceivedUnmarked(uint16_t low_bits) {
  if (totals_.sent == 0) return std::nullopt;
  const uint64_t newest = totals_.sent - 1;
  const auto behind = static_cast<uint16_t>(newest - low_bits);
  if (behind > newest) return std::nullopt;
  CountReceived(newest - behind);
  return newest - behind;
}

void Stream::Received(const Mark& mark, std::span<const uint8_t> packet) {
  if (!CountReceived(mark.count)) return;
  const uint16_t offset = static_cast<uint16_t>(Get16(packet.data() + 2) - mark.count);
  if (!offset_) offset_ = offset;
  totals_.out_of_step += *offset_ != offset;
}

}  // namespace bench::loadgen
