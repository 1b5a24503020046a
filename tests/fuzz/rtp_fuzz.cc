// Any bytes as an RTP packet: what is read lies inside, and writing it back changes nothing.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "relay/wire/demux.h"
#include "relay/wire/rtp.h"
#include "relay/wire/telephone_event.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace wire = relay::wire;
  // A copy of exactly this size, so that a byte too far is seen.
  std::vector<uint8_t> bytes(data, data + size);
  const wire::Protocol protocol = wire::Classify(bytes.data(), bytes.size());
  wire::Rtp rtp{};
  if (wire::ParseRtp(bytes.data(), bytes.size(), &rtp) != wire::RtpFault::kNone) return 0;
  if (protocol != wire::Protocol::kRtp && protocol != wire::Protocol::kRtcp) std::abort();
  if (size_t{rtp.payload_offset} + rtp.payload_length > size) std::abort();
  wire::TelephoneEvent event;
  wire::ParseTelephoneEvent(bytes.data() + rtp.payload_offset, rtp.payload_length, &event);
  const std::vector<uint8_t> before = bytes;
  wire::WriteRtp(bytes.data(), rtp);
  if (bytes != before) std::abort();
  return 0;
}
