#include "sipctl/sip/packet_filter.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"

namespace sipctl::sip {
namespace {

constexpr uint32_t kWholePacket = std::numeric_limits<uint32_t>::max();
// Of a socket's program offset 0 is the UDP or TCP header; the IP header is reached so.
constexpr uint32_t kIpv4Source = static_cast<uint32_t>(SKF_NET_OFF) + 12;
constexpr uint32_t kIpv6Source = static_cast<uint32_t>(SKF_NET_OFF) + 8;
constexpr int kMappedBits = 96;  // ::ffff:0:0/96, in which an IPv4 address is kept

uint32_t Word(const relay::abi::Address& address, size_t index) {
  uint32_t word = 0;
  for (size_t i = 0; i < 4; ++i) word = word << 8 | address.bytes[4 * index + i];
  return word;
}

uint32_t Mask(int bits) {
  return bits <= 0 ? 0 : kWholePacket << (32 - std::min(bits, 32));
}

struct Range {
  uint32_t first;
  uint32_t last;
};

bool HoldsAllIpv4(const Network& network) {
  const relay::abi::Address any = relay::abi::Address::Ipv4(0, 0, 0, 0);
  for (size_t i = 0; i < 3; ++i) {
    const uint32_t mask = Mask(network.prefix_length - 32 * static_cast<int>(i));
    if ((Word(any, i) & mask) != Word(network.address, i)) return false;
  }
  return network.prefix_length <= kMappedBits;
}

// Sorted, and none touches another.
std::vector<Range> Ipv4Ranges(std::span<const Network> permitted) {
  std::vector<Range> ranges;
  for (const Network& network : permitted) {
    if (HoldsAllIpv4(network)) return {{0, kWholePacket}};
    if (!network.address.IsIpv4()) continue;
    const uint32_t first = Word(network.address, 3);
    ranges.push_back({first, first | ~Mask(network.prefix_length - kMappedBits)});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> merged;
  for (const Range& range : ranges) {
    if (!merged.empty() && range.first <= uint64_t{merged.back().last} + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

sock_filter Do(uint16_t code, uint32_t operand) {
  return {code, 0, 0, operand};
}
// How many instructions are skipped when it is so, and when not.
sock_filter Jump(uint16_t comparison, uint32_t operand, uint8_t when_true, uint8_t when_false) {
  return {static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), when_true, when_false, operand};
}

std::vector<sock_filter> Ipv4Filter(std::span<const Network> permitted) {
  std::vector<sock_filter> program{Do(BPF_LD | BPF_W | BPF_ABS, kIpv4Source)};
  for (const Range& range : Ipv4Ranges(permitted)) {
    program.push_back(Jump(BPF_JGE, range.first, 0, 2));
    program.push_back(Jump(BPF_JGT, range.last, 1, 0));
    program.push_back(Do(BPF_RET | BPF_K, kWholePacket));
  }
  return program;
}

std::vector<sock_filter> Ipv6Filter(std::span<const Network> permitted) {
  std::vector<sock_filter> program;
  for (const Network& network : permitted) {
    if (network.address.IsIpv4()) continue;
    std::vector<sock_filter> compare;
    for (int bits = network.prefix_length, i = 0; bits > 0; bits -= 32, ++i) {
      const auto word = static_cast<uint32_t>(i);
      compare.push_back(Do(BPF_LD | BPF_W | BPF_ABS, kIpv6Source + 4 * word));
      if (bits < 32) compare.push_back(Do(BPF_ALU | BPF_AND | BPF_K, Mask(bits)));
      compare.push_back(Jump(BPF_JEQ, Word(network.address, word), 0, 0));
    }
    compare.push_back(Do(BPF_RET | BPF_K, kWholePacket));
    // Each comparison that fails goes to the next network.
    for (size_t i = 0; i < compare.size(); ++i) {
      if (BPF_CLASS(compare[i].code) != BPF_JMP) continue;
      compare[i].jf = static_cast<uint8_t>(compare.size() - i - 1);
    }
    program.insert(program.end(), compare.begin(), compare.end());
  }
  return program;
}

}  // namespace

std::vector<sock_filter> PacketFilter(std::span<const Network> permitted, Family family) {
  std::vector<sock_filter> program =
      family == Family::kIpv4 ? Ipv4Filter(permitted) : Ipv6Filter(permitted);
  program.push_back(Do(BPF_RET | BPF_K, 0));
  return program;
}

absl::Status AttachFilter(int fd, std::span<const sock_filter> program) {
  const auto detach = [fd] {
    const int ignored = 0;
    setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
  };
  if (program.size() > BPF_MAXINSNS) {
    detach();
    return absl::ResourceExhaustedError(
        absl::StrCat("a socket filter of ", program.size(), " instructions is too long"));
  }
  const sock_fprog attached{static_cast<unsigned short>(program.size()),
                            const_cast<sock_filter*>(program.data())};  // NOLINT: not written to
  const auto attach = [&] {
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof attached) == 0;
  };
  if (attach()) return absl::OkStatus();
  int error = errno;
  detach();
  // The old program and the new one are charged together for a moment: alone it may fit.
  if (error == ENOMEM) {
    if (attach()) return absl::OkStatus();
    error = errno;
  }
  return absl::ErrnoToStatus(error,
                             absl::StrCat("no socket filter of ", program.size(), " instructions"));
}

}  // namespace sipctl::sip
