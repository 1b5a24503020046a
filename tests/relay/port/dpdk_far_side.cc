// The port suite over DPDK: a memif pair inside this process, and af_packet on a veth cable.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "gtest/gtest.h"
#include "tests/relay/port/dpdk_network.h"
#include "tests/relay/port/far_side.h"

namespace relay::port {
namespace {

// Both ends are ours: the far party sits on a second dpdk port.
class MemifFarSide final : public FarSide {
 public:
  explicit MemifFarSide(uint32_t buffers) {
    PrepareDpdkNetwork();
    near_ = OpenDpdk(DpdkOn(MemifNear(), OwnAddresses(), buffers));
    far_ = OpenDpdk(DpdkOn(MemifFar(), FarAddresses(), 4096));
    port_ = near_->MakePort(0, &counters_, nullptr).value();
    far_port_ = far_->MakePort(0, nullptr, nullptr).value();
    AwaitLink(near_.get());
    AwaitLink(far_.get());
    // A memif's client lends its server room to send into when it first looks for packets.
    Packet none;
    if (far_port_->Receive({&none, 1}, 0) != 0) std::abort();
    in_rings_ = Dpdk::BuffersFree(*port_) - buffers;
  }

  Port& port() override { return *port_; }
  abi::CounterBlock& counters() override { return counters_; }
  abi::Endpoint own_address() const override { return {.address = kOwnAddress}; }
  uint32_t buffers_free() const override { return Dpdk::BuffersFree(*port_) - in_rings_; }
  uint32_t bound() const override { return Dpdk::Bound(*port_); }

  abi::Endpoint Open() override {
    const uint16_t number = next_port_++;
    far_port_->Adopt(far_port_->Bind({.address = 0, .port = number}, {}).value());
    return {.address = kFarAddress, .port = number};
  }
  void Say(const abi::Endpoint& from, uint16_t to_port, std::vector<uint8_t> payload,
           uint8_t dscp) override {
    Packet packet;
    if (!far_port_->Allocate(&packet)) std::abort();
    std::ranges::copy(payload, packet.data);
    packet.length = static_cast<uint32_t>(payload.size());
    packet.local = {.address = 0, .port = from.port};
    packet.remote = {.address = kOwnAddress, .port = to_port};
    packet.dscp = dscp;
    if (far_port_->Send({&packet, 1}) != 1) std::abort();
  }
  std::optional<Heard> Hear(const abi::Endpoint& at) override {
    const TimeNs deadline = MonotonicNow() + kSecond;
    while (inbox_.IsEmpty(at) && MonotonicNow() < deadline) {
      Packet packets[kBurstMax];
      const size_t count = far_port_->Receive(packets, 0);
      for (const Packet& packet : std::span(packets, count)) {
        inbox_.Put({.address = kFarAddress, .port = packet.local.port},
                   {.payload = {packet.data, packet.data + packet.length},
                    .from = packet.remote,
                    .dscp = packet.dscp});
      }
      far_port_->Release({packets, count});
    }
    return inbox_.Take(at);
  }

 private:
  abi::CounterBlock counters_{};
  std::unique_ptr<Dpdk> near_;
  std::unique_ptr<Dpdk> far_;
  std::unique_ptr<Port> port_;
  std::unique_ptr<Port> far_port_;
  uint32_t in_rings_ = 0;
  uint16_t next_port_ = 4000;
  Inbox inbox_;
};

// The far party writes and reads whole frames at the other end of a cable.
class CableFarSide final : public FarSide {
 public:
  explicit CableFarSide(uint32_t buffers) {
    PrepareDpdkNetwork();
    near_ = OpenDpdk(DpdkOn(kAfPacket, OwnAddresses(), buffers));
    port_ = near_->MakePort(0, &counters_, nullptr).value();
    AwaitLink(near_.get());
    in_rings_ = Dpdk::BuffersFree(*port_) - buffers;
  }

  Port& port() override { return *port_; }
  abi::CounterBlock& counters() override { return counters_; }
  abi::Endpoint own_address() const override { return {.address = kOwnAddress}; }
  uint32_t buffers_free() const override { return Dpdk::BuffersFree(*port_) - in_rings_; }
  uint32_t bound() const override { return Dpdk::Bound(*port_); }

  abi::Endpoint Open() override { return {.address = kFarAddress, .port = next_port_++}; }
  void Say(const abi::Endpoint& from, uint16_t to_port, std::vector<uint8_t> payload,
           uint8_t dscp) override {
    end_.Send(FrameOf(from, {.address = kOwnAddress, .port = to_port}, payload, dscp));
  }
  std::optional<Heard> Hear(const abi::Endpoint& at) override {
    const TimeNs deadline = MonotonicNow() + kSecond;
    while (inbox_.IsEmpty(at) && MonotonicNow() < deadline) {
      const std::optional<std::vector<uint8_t>> frame = end_.Receive(deadline);
      wire::Frame read;
      if (!frame ||
          wire::ReadFrame(*frame, wire::IpChecksum::kVerify, &read) != wire::FrameVerdict::kUdp ||
          read.from != kOwnMac) {
        continue;
      }
      EXPECT_EQ(wire::VerifyUdp(*frame, read), wire::UdpChecksum::kGood);
      EXPECT_EQ(read.to, kFarMac);
      EXPECT_EQ(read.hop_limit, wire::kHopLimit);
      const auto payload = frame->begin() + read.payload_offset;
      inbox_.Put(read.destination, {.payload = {payload, payload + read.payload_length},
                                    .from = read.source,
                                    .dscp = read.dscp});
    }
    return inbox_.Take(at);
  }

 private:
  abi::CounterBlock counters_{};
  std::unique_ptr<Dpdk> near_;
  std::unique_ptr<Port> port_;
  CableEnd end_;
  uint32_t in_rings_ = 0;
  uint16_t next_port_ = 4000;
  Inbox inbox_;
};

template <typename Side>
std::unique_ptr<FarSide> Make(uint32_t buffers) {
  return std::make_unique<Side>(buffers);
}

}  // namespace

const std::vector<PortTraits> kPortKinds = {
    {"dpdk_memif", false, Make<MemifFarSide>},
    {"dpdk_af_packet", false, Make<CableFarSide>},
};

}  // namespace relay::port
