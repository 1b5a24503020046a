// By AF_XDP on a network device, past the kernel's stack.
#pragma once

#include <memory>

#include "bench/loadgen/port_wire.h"
#include "relay/port/neighbour.h"
#include "relay/port/xdp.h"

namespace bench::loadgen {

// `device` behind "xdp:".
class XdpWire final : public PortWire {
 public:
  explicit XdpWire(const FarEnd& far) : PortWire(far) {}
  ~XdpWire() override { ClosePorts(); }

 private:
  absl::Status OpenDevice(const Addresses& addresses) override;
  absl::StatusOr<std::unique_ptr<relay::port::Port>> MakePort(
      uint16_t queue, relay::abi::CounterBlock* counters) override;
  // The kernel's answer who the relay is.
  absl::Status AwaitRoad(std::span<const Call> calls) override;
  absl::Status AwaitHop(const relay::abi::Address& to);

  std::unique_ptr<relay::port::XdpNetwork> network_;
  std::unique_ptr<relay::port::NextHops> hops_;
};

}  // namespace bench::loadgen
