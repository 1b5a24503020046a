// Any bytes as an RTCP compound: walking stays inside, and a translation is a compound again.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "relay/wire/rtcp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace wire = relay::wire;
  const std::vector<uint8_t> bytes(data, data + size);
  if (!wire::IsRtcpCompound(bytes)) return 0;
  uint32_t sender = 0;
  uint32_t sum = 0;
  wire::RtcpWalk walk(bytes);
  for (wire::RtcpPacket packet; walk.Next(&packet);) {
    for (const uint8_t byte : packet.body) sum += byte;
    const bool report = packet.type == wire::RtcpType::kSenderReport ||
                        packet.type == wire::RtcpType::kReceiverReport;
    if (packet.type == wire::RtcpType::kSenderReport) sender = wire::ReadSenderInfo(packet).ssrc;
    for (uint8_t i = 0; report && i < packet.count; ++i)
      sum += wire::ReadReportBlock(packet, i).jitter;
  }
  static constexpr std::string_view kCname = "fuzz";
  const wire::RtcpMapping mapping{.sender_from = sender,
                                  .sender_to = 2,
                                  .timestamp_offset = sum,
                                  .source_from = 0,
                                  .source_to = 4,
                                  .sequence_offset = sum & 1,
                                  .cname = kCname};
  std::array<uint8_t, 1024> out;
  const size_t room = sum % (out.size() + 1);
  const size_t length = wire::TranslateRtcp(bytes, mapping, {out.data(), room});
  if (length > room) std::abort();
  if (length != 0 && !wire::IsRtcpCompound({out.data(), length})) std::abort();
  return 0;
}
