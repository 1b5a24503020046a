// Who may reach a socket, told to the kernel: what comes from anywhere else ends in front of it, a
// datagram without a copy or a wake-up, a SYN without an answer (trap T-35).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "relay/abi/endpoint.h"

namespace sipctl::sip {

struct Network {
  relay::abi::Address address;  // no bits behind the mask
  uint8_t prefix_length = 128;  // of the 128 bits; an IPv4 host is 128, too
};

enum class Family : uint8_t { kIpv4, kIpv6 };

// The program of a socket that takes packets of one family, which is what ours do. Classic BPF:
// it needs no privilege. It drops no packet that comes from one of `permitted`.
std::vector<sock_filter> PacketFilter(std::span<const Network> permitted, Family family);

// Takes the place of the program before it, in one step. A program that the kernel does not take
// (4096 instructions at most, and net.core.optmem_max bytes) leaves the socket with none.
absl::Status AttachFilter(int fd, std::span<const sock_filter> program);

}  // namespace sipctl::sip
