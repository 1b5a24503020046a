// What a device and a machine must be like for AF_XDP, one sentence each where they are not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "relay/port/preflight.h"

namespace relay::port {

// What a device says of itself (ethtool).
struct DeviceFacts {
  std::string name;
  uint32_t mtu = 0;
  uint32_t queues = 1;  // that receive
  bool lro = false;
  bool strips_vlan = false;
  bool up = true;
};

DeviceFacts ReadDevice(const std::string& name, uint32_t mtu, bool up);

struct XdpPlan {
  uint16_t workers = 1;
  uint16_t port_first = 0;
  uint16_t port_last = 0;
  bool vlan = false;     // an address of the device lies in a VLAN
  uint32_t buffers = 0;  // of a worker
  size_t devices = 1;    // that share them
};

// What forbids to start: too few queues, a port range that the kernel may lend to others, too
// little memory that may be locked.
absl::Status Obstacle(const XdpPlan& plan, const DeviceFacts& device, const MachineFacts& machine);
// What will be missed otherwise.
std::vector<std::string> Warnings(const XdpPlan& plan, const DeviceFacts& device);

}  // namespace relay::port
