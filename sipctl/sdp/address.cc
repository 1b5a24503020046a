#include "sipctl/sdp/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

constexpr std::array<uint8_t, 12> kIpv4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Of the 16-byte form, `bits` from the front.
IpAddress Mask(const IpAddress& address, int bits) {
  IpAddress masked = address;
  for (int i = 0; i < 16; ++i, bits -= 8) {
    if (bits >= 8) continue;
    masked.bytes[i] &= bits <= 0 ? 0 : static_cast<uint8_t>(0xff << (8 - bits));
  }
  return masked;
}

}  // namespace

bool IpAddress::IsIpv4() const {
  return std::equal(kIpv4Prefix.begin(), kIpv4Prefix.end(), bytes.begin());
}

bool IpAddress::IsUnspecified() const {
  const int first = IsIpv4() ? 12 : 0;
  return std::all_of(bytes.begin() + first, bytes.end(), [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::IsLoopback() const {
  if (IsIpv4()) return bytes[12] == 127;
  return bytes[15] == 1 &&
         std::all_of(bytes.begin(), bytes.end() - 1, [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::IsMulticast() const {
  return IsIpv4() ? (bytes[12] & 0xf0) == 0xe0 : bytes[0] == 0xff;
}

bool IpAddress::IsBroadcast() const {
  return IsIpv4() &&
         std::all_of(bytes.begin() + 12, bytes.end(), [](uint8_t byte) { return byte == 0xff; });
}

bool IpAddress::IsLinkLocal() const {
  if (IsIpv4()) return bytes[12] == 169 && bytes[13] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool IpAddress::IsPrivate() const {
  if (!IsIpv4()) return (bytes[0] & 0xfe) == 0xfc;
  const uint8_t a = bytes[12];
  const uint8_t b = bytes[13];
  return a == 10 || (a == 172 && (b & 0xf0) == 16) || (a == 192 && b == 168) ||
         (a == 100 && (b & 0xc0) == 64);
}

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (text.find(':') == std::string_view::npos) return std::nullopt;
  }
  if (text.size() > INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string terminated(text);
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data() + 12) == 1) {
    std::copy(kIpv4Prefix.begin(), kIpv4Prefix.end(), address.bytes.begin());
    return address;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

std::string FormatIpAddress(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.IsIpv4()) {
    inet_ntop(AF_INET, address.bytes.data() + 12, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, address.bytes.data(), text, sizeof(text));
  }
  return text;
}

std::string FormatIpEndpoint(const IpEndpoint& endpoint) {
  const std::string host = FormatIpAddress(endpoint.address);
  return endpoint.address.IsIpv4() ? Concat(host, ":", endpoint.port)
                                   : Concat("[", host, "]:", endpoint.port);
}

bool IpNetwork::Contains(const IpAddress& candidate) const {
  return Mask(candidate, prefix_length) == Mask(address, prefix_length);
}

std::optional<IpNetwork> ParseIpNetwork(std::string_view text, std::string* error) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = ParseIpAddress(text.substr(0, slash));
  if (!address.has_value()) {
    *error = "it is no IP address; a network is written like 192.0.2.0/24 or 2001:db8::/32";
    return std::nullopt;
  }
  const int width = address->IsIpv4() ? 32 : 128;
  int length = width;
  if (slash != std::string_view::npos) {
    length = ParseNumber<uint8_t>(text.substr(slash + 1)).value_or(255);
    if (length > width) {
      *error = Concat("the part after '/' must be a number from 0 to ", width);
      return std::nullopt;
    }
  }
  const IpNetwork network = {*address, static_cast<uint8_t>(length + (128 - width))};
  const IpAddress masked = Mask(*address, network.prefix_length);
  if (masked != *address) {
    *error =
        Concat("the address has bits behind the mask; write ", FormatIpAddress(masked), "/", length,
               " for the network or ", FormatIpAddress(*address), "/", width, " for the one host");
    return std::nullopt;
  }
  return network;
}

std::string FormatIpNetwork(const IpNetwork& network) {
  return Concat(FormatIpAddress(network.address), "/",
                network.prefix_length - (network.address.IsIpv4() ? 96 : 0));
}

}  // namespace sipctl::sdp
