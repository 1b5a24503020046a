// A worker's port over DPDK: its queue of every device. mbufs are received, rewritten and sent
// where they lie.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/abi/mapping.h"
#include "relay/port/dpdk.h"
#include "relay/port/dpdk_device.h"
#include "relay/port/hop_reader.h"
#include "relay/port/raw_endpoints.h"

struct rte_mbuf;
struct rte_mempool;

namespace relay::port {

class DpdkPort final : public Port {
 public:
  DpdkPort(uint16_t worker, std::span<const std::unique_ptr<DpdkDevice>> devices,
           std::span<const abi::LocalAddress> addresses, rte_mempool* pool, HopReader* hops,
           Dpdk::Approaching approach, abi::PlacementKind placement, abi::CounterBlock* counters);
  ~DpdkPort() override;

  std::string_view name() const override { return "dpdk"; }
  absl::Status AttachThread() override;
  size_t Receive(std::span<Packet> packets, TimeNs now) override;
  size_t Send(std::span<const Packet> packets) override;
  bool Allocate(Packet* packet) override;
  void Release(std::span<const Packet> packets) override;
  void Adopt(Handle handle) override { endpoints_.Adopt(handle); }
  void Drop(Handle handle) override { endpoints_.Drop(handle); }
  void Wait(TimeNs timeout_ns) override;
  void Wake() override {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
  }
  absl::StatusOr<Handle> Bind(abi::LocalEndpoint local, const abi::Endpoint&) override {
    return endpoints_.Bind(local);
  }
  void Approach(abi::LocalEndpoint local, const abi::Endpoint& remote) override {
    if (approach_) approach_(local.address, remote.address);
  }
  void Unbind(Handle handle) override { endpoints_.Unbind(handle); }

  uint32_t buffers_free() const;
  uint32_t bound() const { return endpoints_.bound(); }

 private:
  using Burst = std::array<rte_mbuf*, kBurstMax>;

  static rte_mbuf* MbufOf(const Packet& packet) {
    return reinterpret_cast<rte_mbuf*>(packet.buffer);
  }
  void Describe(rte_mbuf* mbuf, const uint8_t* data, uint32_t length, Packet* packet);

  // A device's link address, when it has changed.
  void Follow(uint16_t device);
  size_t Poll(uint16_t device, std::span<rte_mbuf*> mbufs);
  // Judges frames of one device; returns how many became packets.
  size_t Take(uint16_t device, std::span<rte_mbuf* const> mbufs, std::span<Packet> packets,
              TimeNs now);
  void ToKernel(uint16_t device, rte_mbuf** mbuf);
  void TakeFromKernel();
  // The mbuf that holds the packet's payload, of this port; null when there is none to copy into.
  rte_mbuf* OwnMbuf(const Packet& packet);
  // Writes the headers; false when the packet cannot leave. Sets the device it leaves by.
  bool Address(const Packet& packet, rte_mbuf* mbuf, uint16_t* device);
  bool FindHop(const Packet& packet, const abi::LocalAddress& own, Hop* hop);
  // Returns how many of these the device took; the others are counted and freed.
  size_t Transmit(uint16_t device, std::span<rte_mbuf*> mbufs);
  void Count(abi::Counter counter, uint64_t amount = 1) {
    if (amount != 0) counters_.Add(counter, amount);
  }

  const uint16_t worker_;
  const std::span<const std::unique_ptr<DpdkDevice>> devices_;
  rte_mempool* const pool_;
  HopReader* const hops_;
  const Dpdk::Approaching approach_;
  abi::CounterBlock own_counters_{};  // when nobody gave any
  abi::CounterBlock& counters_;
  RawEndpoints endpoints_;
  std::vector<uint64_t> macs_;  // by device: its mac_word as endpoints_ has it
  const abi::Descriptor wake_;
  // Frames that a poll found which was meant to find out whether there are any.
  Burst early_;
  size_t early_count_ = 0;
  uint16_t early_device_ = 0;
};

}  // namespace relay::port
