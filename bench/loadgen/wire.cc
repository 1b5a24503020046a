#include "bench/loadgen/wire.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/loadgen/dpdk_wire.h"
#include "bench/loadgen/raw_wire.h"
#include "bench/loadgen/socket_wire.h"
#include "bench/loadgen/xdp_wire.h"

namespace bench::loadgen {

absl::StatusOr<std::unique_ptr<Wire>> Wire::Open(const FarEnd& far) {
  if (far.device.empty()) return SocketWire::Open(far);
  if (far.device.starts_with("dpdk:")) return std::make_unique<DpdkWire>(far);
  if (far.device.starts_with("xdp:")) return std::make_unique<XdpWire>(far);
  return RawWire::Open(far);
}

std::vector<sockaddr_in> Wire::Endpoints(int side) const {
  std::vector<sockaddr_in> result;
  for (size_t i = 0; i < far_.sockets; ++i) {
    result.push_back(*Ipv4Endpoint(far_.address, PortOf(side, i)));
  }
  return result;
}

uint16_t Wire::PortOf(int side, size_t index) const {
  // Even ports only: the odd one above would be RTCP's.
  return static_cast<uint16_t>(far_.port_first +
                               2 * (static_cast<size_t>(side) * far_.sockets + index));
}

absl::StatusOr<int> Wire::BindPort(int side, size_t index) const {
  const uint16_t port = PortOf(side, index);
  auto address = Ipv4Endpoint(far_.address, port);
  if (!address.ok()) return address.status();
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  if (bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    const int error = errno;
    close(fd);
    return absl::ErrnoToStatus(error, absl::StrCat("bind ", far_.address, ":", port));
  }
  return fd;
}

std::vector<uint32_t> Wire::TakeRefused() {
  return std::exchange(refused_, {});
}

}  // namespace bench::loadgen
