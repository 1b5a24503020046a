#include "relay/port/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "relay/wire/frame.h"

namespace relay::port {
namespace {

std::string Text(const abi::Endpoint& endpoint) {
  char text[INET6_ADDRSTRLEN];
  if (endpoint.address.IsIpv4()) {
    inet_ntop(AF_INET, endpoint.address.bytes.data() + 12, text, sizeof(text));
    return absl::StrCat(text, ":", endpoint.port);
  }
  inet_ntop(AF_INET6, endpoint.address.bytes.data(), text, sizeof(text));
  return absl::StrCat("[", text, "]:", endpoint.port);
}

absl::Status BindError(int error, const abi::Endpoint& endpoint) {
  switch (error) {
    case EADDRINUSE:
      return absl::AlreadyExistsError(
          absl::StrCat("UDP port ", Text(endpoint), " is taken by another process"));
    case EADDRNOTAVAIL:
      return absl::FailedPreconditionError(
          absl::StrCat("address of ", Text(endpoint), " is not configured on this machine"));
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(
          absl::StrCat("no descriptor is left for ", Text(endpoint),
                       ": raise the limit of open files (LimitNOFILE= in the unit file)"));
    default:
      return absl::ErrnoToStatus(error, absl::StrCat("cannot bind ", Text(endpoint)));
  }
}

bool Set(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof(value)) == 0;
}

// The egress rule (wire/frame.h), said to the kernel; and what it shall tell about arrivals.
// IP_PMTUDISC_PROBE sets DF but believes no ICMP about the path: nobody may shrink a call.
bool ConfigureIpv4(int descriptor) {
  return Set(descriptor, IPPROTO_IP, IP_TTL, wire::kHopLimit) &&
         Set(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) &&
         Set(descriptor, IPPROTO_IP, IP_RECVTOS, 1);
}

bool ConfigureIpv6(int descriptor) {
  constexpr int kIpv6AutoFlowLabel = 70;  // linux/in6.h, which cannot stand beside netinet/in.h
  return Set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
         Set(descriptor, IPPROTO_IPV6, IPV6_UNICAST_HOPS, wire::kHopLimit) &&
         Set(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE) &&
         Set(descriptor, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) &&
         Set(descriptor, IPPROTO_IPV6, kIpv6AutoFlowLabel, 1);
}

bool BindToInterface(int descriptor, const std::vector<std::string>& interfaces, uint16_t index) {
  if (index >= interfaces.size() || interfaces[index].empty()) return true;
  const std::string& name = interfaces[index];
  return setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(),
                    static_cast<socklen_t>(name.size())) == 0;
}

}  // namespace

socklen_t WriteSocketAddress(const abi::Endpoint& endpoint, SocketAddress* address) {
  if (endpoint.address.IsIpv4()) {
    address->ipv4 = sockaddr_in{};
    address->ipv4.sin_family = AF_INET;
    address->ipv4.sin_port = htons(endpoint.port);
    std::memcpy(&address->ipv4.sin_addr, endpoint.address.bytes.data() + 12, 4);
    return sizeof(sockaddr_in);
  }
  address->ipv6 = sockaddr_in6{};
  address->ipv6.sin6_family = AF_INET6;
  address->ipv6.sin6_port = htons(endpoint.port);
  std::memcpy(&address->ipv6.sin6_addr, endpoint.address.bytes.data(), 16);
  return sizeof(sockaddr_in6);
}

SocketTable::SocketTable(uint32_t sockets_max, const SocketSettings& settings)
    : settings_(settings), sockets_(sockets_max) {
  free_.reserve(sockets_max);
  for (uint32_t i = sockets_max; i-- > 0;) free_.push_back(i);
}

SocketTable::~SocketTable() {
  for (const Socket& socket : sockets_) {
    if (socket.descriptor >= 0) close(socket.descriptor);
  }
}

absl::StatusOr<Handle> SocketTable::Bind(abi::LocalEndpoint local, const abi::Endpoint& as) {
  abi::Endpoint endpoint = as;
  endpoint.port = local.port;
  SocketAddress address;
  const socklen_t length = WriteSocketAddress(endpoint, &address);
  const bool ipv4 = endpoint.address.IsIpv4();

  const int descriptor =
      socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (descriptor < 0) return BindError(errno, endpoint);
  if (!BindToInterface(descriptor, settings_.interfaces, as.interface)) {
    const int error = errno;
    close(descriptor);
    return absl::ErrnoToStatus(
        error, absl::StrCat("cannot bind to interface ", settings_.interfaces[as.interface]));
  }
  const bool configured =
      Set(descriptor, SOL_SOCKET, SO_RXQ_OVFL, 1) &&
      (settings_.receive_buffer_bytes == 0 ||
       Set(descriptor, SOL_SOCKET, SO_RCVBUF, static_cast<int>(settings_.receive_buffer_bytes))) &&
      (ipv4 ? ConfigureIpv4(descriptor) : ConfigureIpv6(descriptor));
  if (!configured || bind(descriptor, &address.any, length) != 0) {
    const int error = errno;
    close(descriptor);
    return BindError(error, endpoint);
  }

  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    close(descriptor);
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", sockets_.size(), " sockets of this worker are in use"));
  }
  const Handle handle = free_.back();
  free_.pop_back();
  sockets_[handle] = Socket{.descriptor = descriptor,
                            .local = local,
                            .interface = as.interface,
                            .vlan = as.vlan,
                            .state = SocketState::kBound,
                            .ipv4 = ipv4};
  return handle;
}

void SocketTable::Close(Handle handle, abi::CounterBlock& counters) {
  const Socket& socket = sockets_[handle];
  // Drops are told with the next packet only; here the last ones are asked for.
  uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof(memory);
  if (getsockopt(socket.descriptor, SOL_SOCKET, SO_MEMINFO, memory, &length) == 0) {
    counters.Add(abi::Counter::kKernelDropped, memory[SK_MEMINFO_DROPS] - socket.dropped);
  }
  Free(handle);
}

void SocketTable::Unbind(Handle handle) {
  Free(handle);
}

void SocketTable::Free(Handle handle) {
  close(sockets_[handle].descriptor);
  const std::lock_guard lock(mutex_);
  sockets_[handle] = Socket{};
  free_.push_back(handle);
}

uint32_t SocketTable::bound() const {
  const std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(sockets_.size() - free_.size());
}

namespace {

abi::Endpoint ReadSocketAddress(const Socket& socket, const uint8_t* from) {
  abi::Endpoint endpoint{.vlan = socket.vlan, .interface = socket.interface};
  if (socket.ipv4) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, from, sizeof(ipv4));
    uint8_t bytes[4];
    std::memcpy(bytes, &ipv4.sin_addr, 4);
    endpoint.address = abi::Address::Ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
    endpoint.port = ntohs(ipv4.sin_port);
  } else {
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, from, sizeof(ipv6));
    std::memcpy(endpoint.address.bytes.data(), &ipv6.sin6_addr, 16);
    endpoint.port = ntohs(ipv6.sin6_port);
  }
  return endpoint;
}

}  // namespace

void DescribeReceived(Socket& socket, Handle handle, const Told& told, abi::CounterBlock& counters,
                      Packet* packet) {
  packet->local = socket.local;
  packet->handle = handle;
  packet->remote = ReadSocketAddress(socket, told.from);
  packet->checksum = Checksum::kGood;  // the kernel has looked

  const uint8_t* at = told.control;
  for (size_t left = told.control_length; left >= CMSG_LEN(1);) {
    cmsghdr header;
    std::memcpy(&header, at, sizeof(header));
    if (header.cmsg_len < CMSG_LEN(1) || header.cmsg_len > left) break;
    const uint8_t* value = at + CMSG_LEN(0);
    if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SO_RXQ_OVFL &&
        header.cmsg_len >= CMSG_LEN(sizeof(uint32_t))) {
      uint32_t dropped;
      std::memcpy(&dropped, value, sizeof(dropped));
      counters.Add(abi::Counter::kKernelDropped, dropped - socket.dropped);
      socket.dropped = dropped;
    } else if ((header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_TOS) ||
               (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_TCLASS)) {
      packet->dscp = static_cast<uint8_t>(*value >> 2);  // the low byte, where it is an int
    }
    const size_t step = CMSG_ALIGN(header.cmsg_len);
    if (step >= left) break;
    at += step;
    left -= step;
  }
}

void SetDscp(Socket& socket, uint8_t dscp) {
  const bool set = socket.ipv4 ? Set(socket.descriptor, IPPROTO_IP, IP_TOS, dscp << 2)
                               : Set(socket.descriptor, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2);
  // Also when refused, so that a mark nobody may set costs one call and not one a packet.
  static_cast<void>(set);
  socket.dscp = dscp;
}

}  // namespace relay::port
