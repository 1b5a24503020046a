// Kernel sockets as the transport uses them: non-blocking, close-on-exec, IPv6 without IPv4.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/status/statusor.h"
#include "sipctl/clock.h"
#include "sipctl/sip/transport.h"

namespace sipctl::sip {

// Closes what it holds.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() { Close(); }

  int fd() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  // The peer gets RST and nothing else.
  void Reset();

 private:
  int fd_;
};

// An address as system calls want it.
struct KernelAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  KernelAddress() = default;
  explicit KernelAddress(const SocketAddress& address);
  SocketAddress ToSocketAddress() const;
  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
};

absl::StatusOr<Socket> OpenUdp(const SocketAddress& bind_to);
absl::StatusOr<Socket> OpenListener(const SocketAddress& bind_to);
// Begins to connect from the address of `from` (any port), so that the peer's access list knows us.
absl::StatusOr<Socket> OpenConnection(const SocketAddress& from, const SocketAddress& to);
// Options of every connection, ours and accepted ones: no Nagle delay, and an end after
// `unacknowledged_ms` without a sign of the peer (trap T-05).
void TuneConnection(int fd, TimeMs unacknowledged_ms);
SocketAddress LocalAddressOf(int fd);
// What waits to be read, as the kernel charges it, of what it lets wait: at 100 it drops.
uint8_t ReceiveBufferFullPercent(int fd);
// Bytes that have come and were not read.
size_t UnreadBytes(int fd);
// Bytes written that the peer has not acknowledged.
size_t UnacknowledgedBytes(int fd);

}  // namespace sipctl::sip
