// By a DPDK device: over memif it stands for a card with a cable.
#pragma once

#include <memory>

#include "bench/loadgen/port_wire.h"
#include "relay/port/dpdk.h"

namespace bench::loadgen {

// `device` behind "dpdk:", with the relay's link address behind '@'.
class DpdkWire final : public PortWire {
 public:
  explicit DpdkWire(const FarEnd& far) : PortWire(far) {}
  ~DpdkWire() override { ClosePorts(); }

 private:
  absl::Status OpenDevice(const Addresses& addresses) override;
  absl::StatusOr<std::unique_ptr<relay::port::Port>> MakePort(
      uint16_t queue, relay::abi::CounterBlock* counters) override;
  // The link's: the next hop is given.
  absl::Status AwaitRoad(std::span<const Call> calls) override;

  std::unique_ptr<relay::port::Dpdk> dpdk_;
  bool link_is_up_ = false;
};

}  // namespace bench::loadgen
