// The generator's packets by one of the relay's own ports, used from the other end: for relays that
// sockets could not keep busy. What is common to all such ports; what opens them is theirs.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/loadgen/wire.h"
#include "relay/abi/counters.h"
#include "relay/abi/segment.h"
#include "relay/port/port.h"

namespace bench::loadgen {

class PortWire : public Wire {
 public:
  // The first time: opens the device, since a reflector's packets come back addressed to the calls.
  absl::Status Prepare(std::span<const Call> calls) final;
  std::span<uint8_t> Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
                          size_t length) final;
  void Flush() final;
  void Receive(Taker take) final;

 protected:
  using Addresses = std::vector<relay::abi::LocalAddress>;

  explicit PortWire(const FarEnd& far) : Wire(far) {}
  // Takes the device for packets to `addresses`: our own, then those of reflected calls.
  virtual absl::Status OpenDevice(const Addresses& addresses) = 0;
  virtual absl::StatusOr<std::unique_ptr<relay::port::Port>> MakePort(
      uint16_t queue, relay::abi::CounterBlock* counters) = 0;
  // Waits until packets can go to these calls; the first time, and whenever there are others.
  virtual absl::Status AwaitRoad(std::span<const Call> calls) = 0;

  static relay::abi::Address AddressOf(const sockaddr_in& from);
  // Before what a derived class holds is gone.
  void ClosePorts() { lanes_.clear(); }
  relay::abi::CounterBlock counters_{};

 private:
  // A queue pair of the device, with what is about to leave by it.
  struct Lane {
    std::unique_ptr<relay::port::Port> port;
    std::array<relay::port::Packet, kBatch> out;
    size_t size = 0;
  };
  absl::Status Start(std::span<const Call> calls);
  absl::StatusOr<Addresses> Heard(std::span<const Call> calls) const;
  absl::Status OpenLanes(const Addresses& addresses);
  void Flush(Lane& lane);
  void Receive(Lane& lane, Taker take);
  // Of a port of ours.
  int SideOf(uint16_t port) const { return (port - far_.port_first) / 2 < far_.sockets ? 0 : 1; }

  std::vector<Lane> lanes_;
  std::array<uint8_t, kPacketMax> nowhere_;  // what found no buffer
  std::array<relay::port::Packet, kBatch> in_;
};

}  // namespace bench::loadgen
