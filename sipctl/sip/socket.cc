#include "sipctl/sip/socket.h"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sipctl::sip {
namespace {

constexpr int kListenBacklog = 1024;
constexpr int kKeepIdleS = 60;  // of silence, then the kernel asks whether the peer is there
constexpr int kKeepIntervalS = 5;
constexpr int kUdpBufferBytes = 4 << 20;  // a burst of INVITEs while a turn is long

void SetOption(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof value);
}

absl::Status Failure(std::string_view what, const SocketAddress& address) {
  return absl::ErrnoToStatus(errno, absl::StrCat(std::string(what), " ", ToString(address)));
}

enum class Use { kListen, kConnect };

absl::StatusOr<Socket> OpenBound(int type, const SocketAddress& bind_to, Use use = Use::kListen) {
  const int family = bind_to.address.IsIpv4() ? AF_INET : AF_INET6;
  Socket socket(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0) return Failure("no socket for", bind_to);
  if (family == AF_INET6) SetOption(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (type == SOCK_STREAM) SetOption(socket.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
  // The port is chosen at connect, when the kernel knows that only the pair must be unique.
  if (use == Use::kConnect) SetOption(socket.fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  KernelAddress address(bind_to);
  if (bind(socket.fd(), address.data(), address.size) != 0) return Failure("cannot bind", bind_to);
  return socket;
}

}  // namespace

void Socket::Reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  Close();
}

KernelAddress::KernelAddress(const SocketAddress& address) {
  const auto& bytes = address.address.bytes;
  if (address.address.IsIpv4()) {
    auto* ipv4 = reinterpret_cast<sockaddr_in*>(&storage);
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(address.port);
    std::memcpy(&ipv4->sin_addr, bytes.data() + 12, 4);
    size = sizeof(sockaddr_in);
  } else {
    auto* ipv6 = reinterpret_cast<sockaddr_in6*>(&storage);
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(address.port);
    std::memcpy(&ipv6->sin6_addr, bytes.data(), 16);
    size = sizeof(sockaddr_in6);
  }
}

SocketAddress KernelAddress::ToSocketAddress() const {
  SocketAddress address;
  if (storage.ss_family == AF_INET) {
    const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&storage);
    uint8_t bytes[4];
    std::memcpy(bytes, &ipv4->sin_addr, 4);
    address.address = relay::abi::Address::Ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
    address.port = ntohs(ipv4->sin_port);
  } else {
    const auto* ipv6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    std::memcpy(address.address.bytes.data(), &ipv6->sin6_addr, 16);
    address.port = ntohs(ipv6->sin6_port);
  }
  return address;
}

absl::StatusOr<Socket> OpenUdp(const SocketAddress& bind_to) {
  absl::StatusOr<Socket> socket = OpenBound(SOCK_DGRAM, bind_to);
  if (!socket.ok()) return socket;
  // What the plain option may ask for is capped by net.core.rmem_max; the forced one, which needs
  // CAP_NET_ADMIN, is not.
  SetOption(socket->fd(), SOL_SOCKET, SO_RCVBUF, kUdpBufferBytes);
  SetOption(socket->fd(), SOL_SOCKET, SO_RCVBUFFORCE, kUdpBufferBytes);
  SetOption(socket->fd(), SOL_SOCKET, SO_SNDBUF, kUdpBufferBytes);
  SetOption(socket->fd(), SOL_SOCKET, SO_RXQ_OVFL, 1);
  SetOption(socket->fd(), SOL_SOCKET, SO_TIMESTAMPNS, 1);
  return socket;
}

absl::StatusOr<Socket> OpenListener(const SocketAddress& bind_to) {
  absl::StatusOr<Socket> socket = OpenBound(SOCK_STREAM, bind_to);
  if (!socket.ok()) return socket;
  if (listen(socket->fd(), kListenBacklog) != 0) return Failure("cannot listen on", bind_to);
  return socket;
}

absl::StatusOr<Socket> OpenConnection(const SocketAddress& from, const SocketAddress& to) {
  if (from.address.IsIpv4() != to.address.IsIpv4()) {
    return absl::InvalidArgumentError(
        absl::StrCat(ToString(to), " cannot be reached from ", ToString(from)));
  }
  absl::StatusOr<Socket> socket =
      OpenBound(SOCK_STREAM, SocketAddress{from.address, 0}, Use::kConnect);
  if (!socket.ok()) return socket;
  KernelAddress address(to);
  if (connect(socket->fd(), address.data(), address.size) != 0 && errno != EINPROGRESS) {
    return Failure("cannot connect to", to);
  }
  return socket;
}

void TuneConnection(int fd, TimeMs unacknowledged_ms) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(unacknowledged_ms));
  // Beside the pings, and where those are off.
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleS);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalS);
}

SocketAddress LocalAddressOf(int fd) {
  KernelAddress address;
  if (getsockname(fd, address.data(), &address.size) != 0) return {};
  return address.ToSocketAddress();
}

uint8_t ReceiveBufferFullPercent(int fd) {
  uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t size = sizeof memory;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) != 0) return 0;
  const uint64_t used = memory[SK_MEMINFO_RMEM_ALLOC];
  const uint64_t all = std::max<uint64_t>(memory[SK_MEMINFO_RCVBUF], 1);
  return static_cast<uint8_t>(std::min<uint64_t>(100 * used / all, 100));
}

size_t UnreadBytes(int fd) {
  int bytes = 0;
  if (ioctl(fd, SIOCINQ, &bytes) != 0) return 0;
  return static_cast<size_t>(bytes);
}

size_t UnacknowledgedBytes(int fd) {
  int bytes = 0;
  if (ioctl(fd, SIOCOUTQ, &bytes) != 0) return 0;
  return static_cast<size_t>(bytes);
}

}  // namespace sipctl::sip
