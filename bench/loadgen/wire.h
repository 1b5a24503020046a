// How the generator's packets leave it and come back: through sockets, or as frames through a
// packet socket (raw_wire.h), AF_XDP (xdp_wire.h) or a DPDK device (dpdk_wire.h).
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "bench/loadgen/calls.h"
#include "bench/loadgen/stream.h"
#include "relay/abi/endpoint.h"

namespace bench::loadgen {

// Our own side of all streams. A few sockets carry all of them, because a relay keys on its own
// port and the packet names its stream: a packet costs the same for 10 calls and for 5,000.
struct FarEnd {
  std::string address = "127.0.0.1";
  uint16_t port_first = 50000;  // even ports: sockets of side A, then of side B
  uint16_t sockets = 2;         // a side
  // Frames leave by it: "v0", "xdp:v0", or "dpdk:net_memif0,...@MAC"; empty = the kernel's sockets.
  std::string device = {};
  std::string eal = {};  // words for DPDK
  uint16_t queues = 1;   // of a device of the last two: a party keeps to one, by its port
  bool reflect = false;  // what is sent comes back as it is
};

// Packets given to the kernel at once.
inline constexpr size_t kBatch = 64;

// Of an IPv4 endpoint.
inline sockaddr_in SocketAddressOf(const relay::abi::Endpoint& endpoint) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(endpoint.port);
  std::memcpy(&result.sin_addr, endpoint.address.bytes.data() + 12, sizeof result.sin_addr);
  return result;
}

class Wire {
 public:
  struct Heard {
    int side;  // where it came out, 0 = A, 1 = B
    sockaddr_in from;
    std::span<const uint8_t> packet;
    uint64_t now_ns;
  };
  using Taker = absl::FunctionRef<void(const Heard& heard)>;

  static absl::StatusOr<std::unique_ptr<Wire>> Open(const FarEnd& far);
  virtual ~Wire() = default;

  // What the relay is told to send to.
  std::vector<sockaddr_in> Endpoints(int side) const;

  // Learns whatever must be known before packets can go to these calls.
  virtual absl::Status Prepare(std::span<const Call> calls) = 0;
  // Room for the next packet from socket `index` of `side` to `to`, of at most kPacketMax bytes.
  // Written by the caller at once, sent by Flush at the latest.
  virtual std::span<uint8_t> Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
                                  size_t length) = 0;
  virtual void Flush() = 0;
  // Takes what has come, a bounded number.
  virtual void Receive(Taker take) = 0;

  // The streams of packets that our own kernel did not take, since the last call.
  std::vector<uint32_t> TakeRefused();

 protected:
  explicit Wire(const FarEnd& far) : far_(far) {}
  uint16_t PortOf(int side, size_t index) const;
  // A socket bound to one of our ports.
  absl::StatusOr<int> BindPort(int side, size_t index) const;

  const FarEnd far_;
  std::vector<uint32_t> refused_;
};

}  // namespace bench::loadgen
