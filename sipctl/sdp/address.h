// An IP address and a network, as SDP bodies and the configuration name them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sipctl::sdp {

// Network byte order; IPv4 is held as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), the same form as
// in the relay's contract, so that a conversion is a copy.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  bool operator==(const IpAddress&) const = default;
  auto operator<=>(const IpAddress&) const = default;

  template <typename H>
  friend H AbslHashValue(H state, const IpAddress& address) {
    return H::combine_contiguous(std::move(state), address.bytes.data(), address.bytes.size());
  }

  bool IsIpv4() const;
  bool IsUnspecified() const;  // 0.0.0.0 or ::
  bool IsLoopback() const;     // 127.0.0.0/8 or ::1
  bool IsMulticast() const;    // 224.0.0.0/4 or ff00::/8
  bool IsBroadcast() const;    // 255.255.255.255
  bool IsLinkLocal() const;    // 169.254.0.0/16 or fe80::/10
  bool IsPrivate() const;      // RFC 1918, RFC 4193, RFC 6598
};

// Accepts "192.0.2.1", "2001:db8::1" and "[2001:db8::1]"; nothing for names, zones and masks.
// "::ffff:192.0.2.1" is the IPv4 address.
std::optional<IpAddress> ParseIpAddress(std::string_view text);

// "192.0.2.1" or "2001:db8::1", without brackets.
std::string FormatIpAddress(const IpAddress& address);

// An address with a port in host byte order; port 0 = unknown.
struct IpEndpoint {
  IpAddress address;
  uint16_t port = 0;

  bool operator==(const IpEndpoint&) const = default;
};

// "192.0.2.1:5060" or "[2001:db8::1]:5060".
std::string FormatIpEndpoint(const IpEndpoint& endpoint);

// A network in CIDR notation. `prefix_length` counts bits of the 16-byte form: an IPv4 /24 is 120.
struct IpNetwork {
  IpAddress address;
  uint8_t prefix_length = 128;

  bool operator==(const IpNetwork&) const = default;

  bool Contains(const IpAddress& candidate) const;
};

// "192.0.2.0/24", "2001:db8::/32" or a bare address (all bits). On failure `*error` says what is
// wrong and, where it can be known, what to write instead (host bits behind the mask).
std::optional<IpNetwork> ParseIpNetwork(std::string_view text, std::string* error);

std::string FormatIpNetwork(const IpNetwork& network);

}  // namespace sipctl::sdp
