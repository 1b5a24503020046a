// DPDK poll-mode drivers: NICs taken from the kernel, and virtual devices (memif, af_packet,
// af_xdp, tap, pcap, ring). Neither this header nor any other shows DPDK: who includes it needs
// none.
//
//   conductor                              worker 0..n-1
//   Dpdk: EAL, devices, links, counts      Port: queue n of every device
//         ^                                 |   ^ in place: an mbuf is received, rewritten, sent
//         |                                 v   |
//   ExceptionPath (TAP) <-- bounded copies - what is not ours
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/abi/placement.h"
#include "relay/abi/segment.h"
#include "relay/port/port.h"
#include "relay/port/upkeep.h"
#include "relay/wire/frame.h"

namespace relay::port {

class DpdkDevice;
class HopReader;

struct DpdkDeviceOptions {
  // What EAL calls it, with the driver's own arguments: "0000:01:00.0",
  // "net_memif0,role=server,socket=/run/x.sock".
  std::string device;
  // The kernel's network device that stands for it: its addresses, routes and neighbours count. One
  // that does not exist is made, as a TAP through which the kernel gets what is not ours. Empty:
  // what is not ours is dropped.
  std::string interface = {};
  // The only next hop, where no kernel knows any: every packet goes there.
  std::optional<wire::MacAddress> next_hop = {};
};

// DEVICE, DEVICE@INTERFACE or DEVICE@MAC, as it stands behind `--port dpdk:`.
absl::StatusOr<DpdkDeviceOptions> ParseDpdkDevice(std::string_view text);

struct DpdkOptions {
  std::string eal = {};                      // further words for EAL
  std::vector<DpdkDeviceOptions> devices;    // by interface index of the addresses
  std::vector<abi::LocalAddress> addresses;  // of the relay
  abi::Placement placement = abi::EvenPlacement(abi::PlacementKind::kNone, 1);
  uint32_t buffers = 16384;     // a worker; those in the rings come on top
  uint16_t descriptors = 1024;  // of a ring: packets that wait while nobody looks
};

class Dpdk final : public Upkeep {
 public:
  // Takes the devices. One sentence says what is missing and what to type.
  static absl::StatusOr<std::unique_ptr<Dpdk>> Open(const DpdkOptions& options);
  ~Dpdk() override;  // after its ports

  // Kernel devices by egress index, for NextHops; a name is empty where there is none.
  std::vector<std::string> kernel_devices() const;
  // How packets are spread over the workers: what was granted.
  abi::PlacementKind placement_kind() const;

  // NextHops::Approach, bound.
  using Approaching = std::function<void(uint16_t local, const abi::Address& remote)>;
  // `hops` of the same worker; null where all devices have a static next hop.
  absl::StatusOr<std::unique_ptr<Port>> MakePort(uint16_t worker, abi::CounterBlock* counters,
                                                 HopReader* hops, Approaching approach = {});

  int descriptor() const override;
  void Turn(TimeNs now, abi::CounterBlock& counters) override;
  // Modes in force, links that came and went.
  std::vector<std::string> TakeNews() override;

  // Free buffers of a worker's port: what must be back to its first value when a test ends.
  static uint32_t BuffersFree(const Port& port);
  static uint32_t Bound(const Port& port);

 private:
  struct Parts;
  explicit Dpdk(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace relay::port
