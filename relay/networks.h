// The ports that the options ask for, and what they share over all workers: opened before the
// assembly, and gone after it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "relay/capabilities.h"
#include "relay/conductor/assembly.h"
#include "relay/options.h"
#include "relay/port/dpdk.h"
#include "relay/port/neighbour.h"
#include "relay/port/upkeep.h"
#include "relay/port/xdp.h"

namespace relay {

class Networks {
 public:
  // Opens the devices and says which port each local address belongs to. A raw port is a worker's
  // first where there is one: it is the one that a worker sleeps in. Fills in the addresses' VLANs.
  absl::Status Open(Options* options);

  // Valid as long as both.
  conductor::Assembly::MakePorts PortMaker(const Options& options);

  bool has_sockets() const { return uring_; }
  // Index of the worker's port by which a local address is reached.
  const std::vector<uint8_t>& port_of_address() const { return port_of_address_; }
  std::vector<port::Upkeep*> upkeeps() const;
  abi::PlacementKind placement() const;
  // What the process must still be allowed when its ports are open.
  CapabilitySet capabilities(const Options& options) const;
  // For the log.
  std::vector<std::string> Report() const;

 private:
  absl::Status OpenXdp(Options* options, const std::vector<std::string>& devices);
  absl::Status OpenDpdk(const Options& options, std::vector<port::DpdkDeviceOptions> devices);
  absl::Status OpenHops(const Options& options, const std::vector<std::string>& devices);
  // Takes away what an xdp relay before this one left in the way of the kernel's sockets.
  void LetSocketsHear(const Options& options);
  // Addresses that no raw port reaches need the kernel's sockets.
  absl::Status Divide(const Options& options, const std::vector<bool>& raw);
  absl::StatusOr<std::unique_ptr<port::Port>> MakeRaw(uint16_t worker, abi::CounterBlock* counters);

  std::unique_ptr<port::XdpNetwork> xdp_;
  std::unique_ptr<port::Dpdk> dpdk_;
  std::unique_ptr<port::NextHops> hops_;  // null: no raw port, or one whose next hop is given
  std::vector<uint8_t> port_of_address_;
  bool uring_ = false;
  bool memory_ = false;
};

}  // namespace relay
