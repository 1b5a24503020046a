// AF_XDP: frames from and to a network device that the kernel keeps driving. No DPDK, no hugepages.
//
//   conductor                                    worker 0..n-1
//   XdpNetwork: devices, steering programs,      XdpPort: one socket for each of its queues
//     guards, preflight, statistics                |   ^ in place: a frame is received, rewritten
//     and
//         |  xdp_steer.bpf.c                       v   | sent from where it lies, also out of
//         another
//         +--> UDP to our range -> socket        UMEM (a memfd a worker)                     device
//         +--> all else         -> kernel
//
// Queue q of every device belongs to worker q mod workers, for an AF_XDP socket takes the frames of
// one queue alone. The next hops are the kernel's (neighbour.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/abi/placement.h"
#include "relay/abi/segment.h"
#include "relay/port/hop_reader.h"
#include "relay/port/port.h"
#include "relay/port/upkeep.h"
#include "relay/port/xdp_mode.h"

namespace relay::port {

struct XdpOptions {
  std::vector<std::string> devices;          // "eth0"; a VLAN device is named by --listen alone
  std::vector<abi::LocalAddress> addresses;  // of the relay; VLAN filled in by XdpNetwork::Place
  uint16_t workers = 1;
  XdpMode mode = XdpMode::kAuto;
  uint32_t busy_poll_us = 0;  // 0 = interrupts; else the worker drives the queue itself
  uint32_t buffers = 16384;   // a worker, at most XdpUmem::kSpreadSize bytes each
  bool dispatcher = false;    // other programs' XDP on the devices: libxdp calls all in turn
};

class XdpNetwork final : public Upkeep {
 public:
  // Fills in each address's VLAN from its interface (eth0.100 is VLAN 100 of eth0), and says which
  // addresses are reached by `devices`: true in the answer's place.
  static absl::StatusOr<std::vector<bool>> Place(const std::vector<std::string>& devices,
                                                 std::span<abi::LocalAddress> addresses);

  // Checks the machine, loads and attaches the programs. One sentence says what is missing and what
  // to type.
  static absl::StatusOr<std::unique_ptr<XdpNetwork>> Open(const XdpOptions& options);
  ~XdpNetwork() override;  // after its ports

  // NextHops::Approach, bound.
  using Approaching = std::function<void(uint16_t local, const abi::Address& remote)>;
  // Queues are opened in AttachThread, on the worker's thread.
  absl::StatusOr<std::unique_ptr<Port>> MakePort(uint16_t worker, abi::CounterBlock* counters,
                                                 HopReader* hops, Approaching approach);

  // One queue a worker on each device, and nothing is known of how they are chosen: hand-over.
  abi::PlacementKind placement_kind() const;
  // The guard of a device that no relay uses any more.
  static absl::Status Release(const std::string& device);
  // Before kernel sockets of `addresses` are opened: a guard that a relay with this port left would
  // drop what comes for them. Takes those off, and says so; a sentence, too, where it cannot.
  static std::vector<std::string> TakeGuardsOff(std::span<const abi::LocalAddress> addresses);
  // For the log: devices, modes, queues.
  std::vector<std::string> Report() const;

  int descriptor() const override { return -1; }
  void Turn(TimeNs now, abi::CounterBlock& counters) override;
  std::vector<std::string> TakeNews() override;

  // ---- for tests ----
  static uint32_t BuffersFree(Port& port);
  static uint32_t Bound(const Port& port);

  struct Parts;

 private:
  explicit XdpNetwork(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace relay::port
