// Any bytes as a frame. What is accepted lies inside the frame, and written anew it is read as the
// same datagram.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "relay/wire/checksum.h"
#include "relay/wire/frame.h"

namespace {

using relay::wire::Frame;
using relay::wire::FrameVerdict;
using relay::wire::IpChecksum;
using relay::wire::UdpChecksum;

void Demand(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  Frame frame;
  // Checksums are trusted here, because mutations would hardly ever get past them.
  if (relay::wire::ReadFrame(bytes, IpChecksum::kTrust, &frame) != FrameVerdict::kUdp) return 0;
  Demand(size_t{frame.payload_offset} + frame.payload_length <= size);
  const UdpChecksum checksum = relay::wire::VerifyUdp(bytes, frame);

  std::vector<uint8_t> copy(128 + frame.payload_length);
  const auto payload = bytes.subspan(frame.payload_offset, frame.payload_length);
  std::ranges::copy(payload, copy.begin() + 128);
  const relay::wire::Envelope envelope{.to = frame.to,
                                       .from = frame.from,
                                       .source = frame.source,
                                       .destination = frame.destination,
                                       .dscp = frame.dscp,
                                       .udp_checksum = true};
  if (frame.payload_length > 65535 - 8 - 20) return 0;  // cannot be written with these headers
  const size_t length =
      relay::wire::WriteHeaders(envelope, {copy.data() + 128, frame.payload_length});
  const std::span<const uint8_t> written(copy.data() + 128 - length, length + payload.size());
  Frame again;
  Demand(relay::wire::ReadFrame(written, IpChecksum::kVerify, &again) == FrameVerdict::kUdp);
  Demand(again.source == frame.source && again.destination == frame.destination);
  Demand(again.dscp == frame.dscp && again.payload_length == frame.payload_length);
  Demand(relay::wire::VerifyUdp(written, again) == UdpChecksum::kGood);
  if (checksum == UdpChecksum::kGood) {
    // 0 and 0xffff are the same sum.
    const uint16_t kept = relay::wire::PayloadSum(frame) % 0xffff;
    Demand(kept == relay::wire::SumOf(payload) % 0xffff);
  }
  return 0;
}
