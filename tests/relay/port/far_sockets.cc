#include "tests/relay/port/far_sockets.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "relay/port/socket.h"

namespace relay::port {

FarSockets::~FarSockets() {
  for (const auto& [port, descriptor] : sockets_) close(descriptor);
}

abi::Endpoint FarSockets::Open(uint16_t port) {
  SocketAddress address;
  socklen_t length = WriteSocketAddress({.address = address_, .port = port}, &address);
  const bool ipv4 = address_.IsIpv4();
  const int descriptor = socket(address.any.sa_family, SOCK_DGRAM, 0);
  const int one = 1;
  if (bind(descriptor, &address.any, length) != 0 ||
      getsockname(descriptor, &address.any, &length) != 0 ||
      setsockopt(descriptor, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_RECVTOS : IPV6_RECVTCLASS,
                 &one, sizeof(one)) != 0) {
    std::abort();
  }
  abi::Endpoint endpoint{.address = address_};
  endpoint.port = ntohs(ipv4 ? address.ipv4.sin_port : address.ipv6.sin6_port);
  sockets_[endpoint.port] = descriptor;
  return endpoint;
}

void FarSockets::Say(const abi::Endpoint& from, const abi::Endpoint& to,
                     std::span<const uint8_t> payload, uint8_t dscp) {
  SocketAddress address;
  const socklen_t length = WriteSocketAddress(to, &address);
  const int descriptor = sockets_.at(from.port);
  const bool ipv4 = address_.IsIpv4();
  const int mark = dscp << 2;
  setsockopt(descriptor, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_TOS : IPV6_TCLASS, &mark,
             sizeof(mark));
  if (sendto(descriptor, payload.data(), payload.size(), 0, &address.any, length) !=
      static_cast<ssize_t>(payload.size())) {
    std::abort();
  }
}

std::optional<Heard> FarSockets::Hear(const abi::Endpoint& at) {
  pollfd ready{.fd = sockets_.at(at.port), .events = POLLIN, .revents = 0};
  if (poll(&ready, 1, 1000) != 1) return std::nullopt;
  std::vector<uint8_t> payload(kBufferSize);
  SocketAddress address;
  alignas(cmsghdr) uint8_t control[kControlLength];
  iovec vector{.iov_base = payload.data(), .iov_len = payload.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof(address);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t length = recvmsg(ready.fd, &message, 0);
  if (length < 0) return std::nullopt;
  payload.resize(static_cast<size_t>(length));
  Heard heard{.payload = std::move(payload), .from = {}, .dscp = 0};
  if (address_.IsIpv4()) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&address.ipv4.sin_addr);
    heard.from.address = abi::Address::Ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
    heard.from.port = ntohs(address.ipv4.sin_port);
  } else {
    std::copy_n(address.ipv6.sin6_addr.s6_addr, 16, heard.from.address.bytes.begin());
    heard.from.port = ntohs(address.ipv6.sin6_port);
  }
  const cmsghdr* told = CMSG_FIRSTHDR(&message);
  if (told != nullptr) heard.dscp = static_cast<uint8_t>(*CMSG_DATA(told) >> 2);
  return heard;
}

}  // namespace relay::port
