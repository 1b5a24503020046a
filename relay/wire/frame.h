// Ethernet frames that carry UDP: what the raw ports peel off and put on.
//
//    0        6       12     14(18)          34+/54(+4)    +8
//    +--------+--------+------+---------------+-------------+-----------------+
//    | to     | from   | type | IPv4 20-60    | UDP         | payload         |
//    |        |        | +tag | IPv6 40       | 8           |                 |
//    +--------+--------+------+---------------+-------------+-----------------+
//
// Reading trusts nothing: every length is checked against what is really there. Writing follows
// one rule on every port (the egress rule below), so that no leg can tell which port it left by,
// nor anything of the far leg's network from a TTL or an identification that was passed through.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "relay/abi/counters.h"
#include "relay/abi/endpoint.h"

namespace relay::wire {

using MacAddress = std::array<uint8_t, 6>;

// ---- reading ------------------------------------------------------------------------------------

// X(Name, counter it moves, "sentence")
#define RELAY_FRAME_VERDICTS(X)                                                               \
  X(kUdp, kForwarded, "a UDP datagram")                                                       \
  X(kTruncated, kBadFrame, "the frame ends inside a header or before its datagram does")      \
  X(kTwoTags, kBadFrame, "more than one VLAN tag (QinQ)")                                     \
  X(kNotIp, kNotOurs, "neither IPv4 nor IPv6 (ARP, 802.3, ...)")                              \
  X(kBadVersion, kBadFrame, "the IP version is not what the Ethernet type says")              \
  X(kBadHeaderLength, kBadFrame, "the IPv4 header says to be shorter than 20 bytes")          \
  X(kBadTotalLength, kBadFrame, "the IP length has no room for the headers")                  \
  X(kBadIpChecksum, kBadChecksum, "the IPv4 header checksum is wrong")                        \
  X(kFragmented, kFragment, "an IPv4 or IPv6 fragment")                                       \
  X(kExtensionHeader, kNotOurs, "IPv6 extension headers, which no media sender has use for")  \
  X(kMappedAddress, kBadFrame, "an IPv4-mapped address in an IPv6 header (RFC 4291 2.5.5.2)") \
  X(kNotUdp, kNotOurs, "another protocol than UDP")                                           \
  X(kBadUdpLength, kBadFrame, "the UDP length does not fit into the IP length")

enum class FrameVerdict : uint8_t {
#define X(id, counter, sentence) id,
  RELAY_FRAME_VERDICTS(X)
#undef X
};

abi::Counter CounterOf(FrameVerdict verdict);
const char* SentenceOf(FrameVerdict verdict);

// A frame that was understood. Offsets are from its first byte.
struct Frame {
  MacAddress to;
  MacAddress from;
  abi::Endpoint source;       // VLAN included; interface is left 0
  abi::Endpoint destination;  // as above
  uint16_t ip_offset;
  uint16_t udp_offset;
  uint16_t payload_offset;
  uint16_t payload_length;
  uint8_t dscp;
  uint8_t hop_limit;
  uint16_t udp_checksum;  // as it lies in memory
};

// Whether the IPv4 header checksum is looked at: not when the NIC has done so.
enum class IpChecksum : uint8_t { kVerify, kTrust };

// Fills `frame` when the verdict is kUdp. The UDP checksum is not looked at.
FrameVerdict ReadFrame(std::span<const uint8_t> bytes, IpChecksum checksum, Frame* frame);

enum class UdpChecksum : uint8_t {
  kGood,
  kBad,      // also: missing in IPv6 (RFC 8200 section 8.1)
  kAbsent,   // IPv4 sender chose to send none (RFC 768)
  kPartial,  // only the pseudo-header is summed: a sender on the same host left it to a NIC that
             // the frame never saw
};

UdpChecksum VerifyUdp(std::span<const uint8_t> bytes, const Frame& frame);

// The sum of the payload, worked out from a checksum that is known to be good without reading the
// payload: what survives when the headers are written anew. Not for kAbsent or kPartial.
uint16_t PayloadSum(const Frame& frame);

// ---- writing ------------------------------------------------------------------------------------

// The egress rule.
inline constexpr uint8_t kHopLimit = 64;  // TTL
// DF is set and the identification is 0: an atomic datagram (RFC 6864 section 4.1).
inline constexpr uint16_t kFragmentField = 0x4000;
// ECN is 0: the relay answers no congestion signal for the far party (RFC 6679).

// IPv6 flow label (RFC 6437): the same for all packets of a flow, spread evenly, never 0.
uint32_t FlowLabel(const abi::Endpoint& source, const abi::Endpoint& destination);

struct Envelope {
  MacAddress to;
  MacAddress from;
  abi::Endpoint source;       // of the same address family as
  abi::Endpoint destination;  // this one, whose VLAN is used
  uint8_t dscp;
  bool udp_checksum;  // false: a pseudo-header sum only, for a NIC that finishes it
};

size_t HeaderLength(const Envelope& envelope);

// Writes all headers directly before `payload` and returns their length; HeaderLength bytes must
// be free there. `payload_sum` is the payload's sum when it is known (PayloadSum, kept up with
// ReplaceInSum), else null and the payload is read.
size_t WriteHeaders(const Envelope& envelope, std::span<uint8_t> payload,
                    const uint16_t* payload_sum = nullptr);

}  // namespace relay::wire
