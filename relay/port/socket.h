// The kernel's UDP sockets as the uring port keeps them: one for each local port, unconnected, so
// that one socket hears every source and no ICMP error comes back through it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/counters.h"
#include "relay/abi/endpoint.h"
#include "relay/port/port.h"

namespace relay::port {

// Of either family, as the kernel wants it.
union SocketAddress {
  sockaddr any;
  sockaddr_in ipv4;
  sockaddr_in6 ipv6;
};

// Returns the length in use.
socklen_t WriteSocketAddress(const abi::Endpoint& endpoint, SocketAddress* address);

enum class SocketState : uint8_t {
  kFree,
  kBound,    // by the conductor; no worker has it yet
  kOpen,     // adopted by the worker
  kClosing,  // dropped; the kernel has not let go of it yet
};

struct Socket {
  int descriptor = -1;
  uint32_t dropped = 0;  // by the kernel, as it last told (SO_RXQ_OVFL counts up for ever)
  abi::LocalEndpoint local{};
  uint16_t interface = 0;
  uint16_t vlan = 0;
  SocketState state = SocketState::kFree;
  bool ipv4 = false;
  bool registered = false;  // io_uring: in its table of files
  bool armed = false;       // io_uring: a receive is under way
  uint8_t dscp = 0;         // set on the socket
};

struct SocketSettings {
  uint32_t receive_buffer_bytes = 0;  // SO_RCVBUF; 0 = the kernel's default
  // By interface index; a socket is bound to the interface of its endpoint unless the name is
  // empty or there is none (SO_BINDTODEVICE).
  std::vector<std::string> interfaces = {};
};

// Fixed at start; a socket's index is its handle.
class SocketTable {
 public:
  SocketTable(uint32_t sockets_max, const SocketSettings& settings);
  ~SocketTable();
  SocketTable(const SocketTable&) = delete;
  SocketTable& operator=(const SocketTable&) = delete;

  // Conductor thread. kAlreadyExists: the port is taken; kResourceExhausted: no handle or no
  // descriptor is left; kFailedPrecondition: the address is not on this machine.
  absl::StatusOr<Handle> Bind(abi::LocalEndpoint local, const abi::Endpoint& as);

  void Unbind(Handle handle);  // conductor thread; never adopted

  // Worker thread. Gives port, descriptor and handle back.
  void Close(Handle handle, abi::CounterBlock& counters);

  Socket& operator[](Handle handle) { return sockets_[handle]; }
  uint32_t size() const { return static_cast<uint32_t>(sockets_.size()); }
  uint32_t bound() const;

 private:
  void Free(Handle handle);

  const SocketSettings settings_;
  std::vector<Socket> sockets_;
  mutable std::mutex mutex_;  // Bind and Close; neither is on a packet's way
  std::vector<Handle> free_;
};

// Room for what the kernel tells beside a datagram: drops and traffic class.
inline constexpr size_t kControlLength = 2 * CMSG_SPACE(sizeof(uint32_t));

// Beside a datagram, as recvmsg told it.
struct Told {
  const uint8_t* from;  // a sockaddr of the socket's family
  const uint8_t* control;
  size_t control_length;
};

// Fills all of the packet that is not its payload.
void DescribeReceived(Socket& socket, Handle handle, const Told& told, abi::CounterBlock& counters,
                      Packet* packet);

// Makes what is sent through the socket from now on carry this DSCP.
void SetDscp(Socket& socket, uint8_t dscp);

}  // namespace relay::port
