// A session description (RFC 8866) as the list of lines that it is.
//
// The reader is tolerant where carriers are careless: a missing s= or t= line, bare LF, spaces at
// the end of a line, lines in the wrong order, unknown lines. Every line is kept. The writer is
// strict: order of RFC 8866 section 9, CRLF, s= and t= always present.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/sdp/address.h"

namespace sipctl::sdp {

// Bounds of a body that is read. A trunk call needs about 400 bytes.
inline constexpr size_t kBytesMax = 64 * 1024;
inline constexpr size_t kLinesMax = 256;
inline constexpr size_t kLineBytesMax = 4096;
inline constexpr size_t kMediaMax = 8;
inline constexpr size_t kFormatsMax = 64;  // on one m= line

// "x=value". `number` is the line in the body that was read, from 1; 0 = made by us. It is no part
// of what the line says and therefore not compared.
struct Line {
  char type = 0;
  std::string value;
  uint16_t number = 0;

  bool operator==(const Line& other) const { return type == other.type && value == other.value; }
};

// o= (RFC 8866 section 5.2). The numbers stay text: peers send values beyond 64 bits.
struct Origin {
  std::string username;
  std::string session_id;
  std::string version;
  std::string address_type;  // "IP4", "IP6"
  std::string address;

  bool operator==(const Origin&) const = default;
};

// c= (RFC 8866 section 5.7). `host` is the text without a TTL or count behind '/'.
struct Connection {
  std::string address_type;
  std::string host;
  uint16_t line = 0;

  // Nothing when the peer wrote a name instead of an address.
  std::optional<IpAddress> address() const { return ParseIpAddress(host); }
};

// Seen from the side that wrote the description (RFC 8866 section 6.7).
enum class Direction : uint8_t { kInactive = 0, kSendOnly = 1, kRecvOnly = 2, kSendRecv = 3 };

std::string_view DirectionName(Direction direction);
// What the far side of `direction` sees: sendonly <-> recvonly.
Direction Mirror(Direction direction);
// What both allow, seen from one side.
Direction Intersect(Direction a, Direction b);

// a=rtpmap (RFC 8866 section 6.6).
struct RtpMap {
  uint8_t payload_type = 0;
  std::string encoding;  // as written; compare without case
  uint32_t clock_rate_hz = 0;
  uint32_t channels = 1;
};

// a=rtcp (RFC 3605). Without an address, RTCP goes where RTP goes.
struct RtcpAttribute {
  uint16_t port = 0;
  std::optional<std::string> host;
};

// The attributes of one level, `lines` of any type.
std::optional<std::string_view> FindAttribute(const std::vector<Line>& lines,
                                              std::string_view name);
std::vector<std::string_view> FindAttributes(const std::vector<Line>& lines, std::string_view name);

// One m= line with everything under it.
struct Media {
  std::string kind;  // "audio"
  uint16_t port = 0;
  uint16_t port_count = 1;           // "49170/2"
  std::string protocol;              // "RTP/AVP"
  std::vector<std::string> formats;  // payload types for RTP
  std::vector<Line> lines;           // all but the m= line, in the order read
  uint16_t line = 0;                 // of the m= line

  std::optional<Connection> connection() const;
  std::optional<Direction> direction() const;
  std::optional<RtpMap> rtpmap(uint8_t payload_type) const;
  std::optional<std::string_view> fmtp(uint8_t payload_type) const;  // the parameters alone
  std::optional<uint32_t> ptime_ms() const;
  std::optional<uint32_t> maxptime_ms() const;
  std::optional<RtcpAttribute> rtcp() const;
  bool rtcp_mux() const { return FindAttribute(lines, "rtcp-mux").has_value(); }
  // a=crypto (RFC 4568), the value after the colon, not looked into.
  std::vector<std::string_view> crypto() const { return FindAttributes(lines, "crypto"); }

  bool operator==(const Media& other) const;
};

struct Description {
  std::vector<Line> lines;  // session level, v= and o= included
  std::vector<Media> media;

  std::optional<Origin> origin() const;
  std::optional<Connection> connection() const;  // session level
  std::optional<Direction> direction() const;    // session level

  // What holds for one media section: its own line, else the session's, else the RFC's default.
  std::optional<Connection> ConnectionOf(const Media& section) const;
  Direction DirectionOf(const Media& section) const;

  bool operator==(const Description& other) const = default;
};

// Says the line of what it refuses: "SDP line 5: c= needs ...". Refused are only bodies whose
// meaning is lost; an attribute that cannot be read is kept as a line and has no typed value.
absl::StatusOr<Description> Parse(std::string_view body);

std::string Write(const Description& description);

}  // namespace sipctl::sdp
