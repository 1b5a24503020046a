// Looks at the machine before the uring port starts, and says in whole sentences what will hurt
// later and which line to type. Nothing here is fatal: a port that is taken is stepped around.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace relay::port {

struct PreflightPlan {
  uint16_t port_first;
  uint16_t port_last;
  uint32_t addresses;             // local addresses that use the range
  uint32_t receive_buffer_bytes;  // SO_RCVBUF that will be asked for; 0 = the kernel's default
};

// What the machine says of itself.
struct MachineFacts {
  uint64_t descriptors;      // soft limit of open files, after it was raised
  uint64_t descriptors_max;  // hard limit
  uint16_t ephemeral_first;  // net.ipv4.ip_local_port_range, also for IPv6
  uint16_t ephemeral_last;
  std::string reserved_ports;         // net.ipv4.ip_local_reserved_ports, "10000-39999,50000"
  uint64_t receive_buffer_bytes_max;  // net.core.rmem_max; 0 = not known
  uint64_t locked_bytes_max = 0;      // soft limit of locked memory, after it was raised
  bool may_lock_all = false;          // CAP_IPC_LOCK: no such limit
};

// Raises the soft limits of open files (which is low for the sake of select(2), which the relay
// does not use) and of locked memory to the hard ones, then reads the rest.
MachineFacts PrepareMachine();

// One sentence a trouble; empty when all is well.
std::vector<std::string> Warnings(const PreflightPlan& plan, const MachineFacts& facts);

// True when a list in the kernel's form names every port from `first` to `last`.
bool CoversPorts(std::string_view list, uint16_t first, uint16_t last);

}  // namespace relay::port
