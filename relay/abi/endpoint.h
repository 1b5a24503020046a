// Addresses and endpoints as every record of the contract carries them.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace relay::abi {

// An IPv6 address in network byte order. An IPv4 address is held as ::ffff:a.b.c.d (RFC 4291
// section 2.5.5.2), so that comparing, hashing and storing have one case and not two.
struct Address {
  std::array<uint8_t, 16> bytes;

  // These two by words: each packet asks several times, and twelve bytes one after the other, or a
  // call of memcmp, cost more than all the rest of an IPv4 header.
  constexpr bool operator==(const Address& other) const {
    const auto mine = Halves(), theirs = other.Halves();
    return ((mine[0] ^ theirs[0]) | (mine[1] ^ theirs[1])) == 0;
  }
  constexpr bool IsIpv4() const {
    static_assert(std::endian::native == std::endian::little);
    const auto halves = Halves();
    return halves[0] == 0 && (halves[1] & 0xffffffff) == 0xffff0000;
  }
  constexpr std::array<uint64_t, 2> Halves() const {
    return std::bit_cast<std::array<uint64_t, 2>>(bytes);
  }
  constexpr bool IsUnspecified() const {
    for (int i = 0; i < 12; ++i) {
      if (bytes[i] != 0 && !(IsIpv4() && i >= 10)) return false;
    }
    return bytes[12] == 0 && bytes[13] == 0 && bytes[14] == 0 && bytes[15] == 0;
  }
  // fe80::/10: means something only together with an interface (RFC 4007 section 6).
  constexpr bool IsLinkLocalIpv6() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
  static constexpr Address Ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    return Address{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}};
  }
};
static_assert(sizeof(Address) == 16 && std::is_trivially_copyable_v<Address>);

// Somebody else's socket: where a packet came from or goes to. `interface` and `vlan` say through
// which network it is reached, because two trunks may use the same private addresses.
struct Endpoint {
  Address address;
  uint16_t port;       // host byte order; 0 = not known yet
  uint16_t vlan;       // 802.1Q id 1-4094; 0 = untagged
  uint16_t interface;  // index into the relay's list of interfaces; 0 = the first
  uint16_t reserved;   // zero

  bool operator==(const Endpoint&) const = default;
};
static_assert(sizeof(Endpoint) == 24 && std::is_trivially_copyable_v<Endpoint>);

// One of our own sockets: an index into the segment's table of local addresses (`LocalAddress` in
// segment.h, which knows interface, VLAN and address) and a port. Small enough to be the key of a
// direct index.
struct LocalEndpoint {
  uint16_t address;  // 0 .. kLocalAddressesMax - 1
  uint16_t port;     // host byte order; RTP even, its RTCP the odd one above

  bool operator==(const LocalEndpoint&) const = default;
};
static_assert(sizeof(LocalEndpoint) == 4 && std::is_trivially_copyable_v<LocalEndpoint>);

// A network in CIDR notation. `prefix_length` counts bits of the 16-byte form: an IPv4 /24 is 120.
struct Network {
  Address address;
  uint8_t prefix_length;  // 0-128
  uint8_t reserved[7];    // zero

  constexpr bool Contains(const Address& candidate) const {
    int bits = prefix_length;
    for (int i = 0; i < 16 && bits > 0; ++i, bits -= 8) {
      const uint8_t mask = bits >= 8 ? 0xff : static_cast<uint8_t>(0xff << (8 - bits));
      if ((address.bytes[i] ^ candidate.bytes[i]) & mask) return false;
    }
    return true;
  }
};
static_assert(sizeof(Network) == 24 && std::is_trivially_copyable_v<Network>);

}  // namespace relay::abi
