// The generator's packets by a DPDK device, for relays that sockets could not keep busy: over memif
// it stands for a card with a cable. It is the relay's own port, used from the other end.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "bench/loadgen/wire.h"
#include "relay/port/dpdk.h"

namespace bench::loadgen {

class DpdkWire final : public Wire {
 public:
  // `device` behind "dpdk:", with the relay's link address behind '@'.
  static absl::StatusOr<std::unique_ptr<Wire>> Open(const FarEnd& far);

  // The first time: opens the device, since a reflector's packets come back addressed to the calls,
  // and waits for its link.
  absl::Status Prepare(std::span<const Call> calls) override;
  std::span<uint8_t> Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
                          size_t length) override;
  void Flush() override;
  void Receive(Taker take) override;

 private:
  explicit DpdkWire(const FarEnd& far) : Wire(far) {}
  absl::Status Start(std::span<const Call> calls);
  absl::Status AwaitLink();
  // A queue pair of the device, with what is about to leave by it.
  struct Lane {
    std::unique_ptr<relay::port::Port> port;
    std::array<relay::port::Packet, kBatch> out;
    size_t size = 0;
  };
  absl::Status OpenLanes(size_t addresses);
  void Flush(Lane& lane);
  void Receive(Lane& lane, Taker take);
  // Of a port of ours.
  int SideOf(uint16_t port) const { return (port - far_.port_first) / 2 < far_.sockets ? 0 : 1; }

  std::unique_ptr<relay::port::Dpdk> dpdk_;
  relay::abi::CounterBlock counters_{};
  std::vector<Lane> lanes_;
  std::array<uint8_t, kPacketMax> nowhere_;  // what found no buffer
  std::array<relay::port::Packet, kBatch> in_;
};

}  // namespace bench::loadgen
