// Sites over DPDK: memif pairs inside this process, veth cables under af_packet, and a memif beside
// sockets on the relay's own host.
#include <algorithm>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/acceptance/site.h"
#include "tests/relay/port/dpdk_network.h"

namespace acceptance {
namespace {

using relay::abi::Address;
using relay::abi::CounterBlock;
using relay::abi::Endpoint;
using relay::conductor::Assembly;
using relay::port::Dpdk;
using relay::port::DpdkOptions;
using relay::port::kFarMac;
using relay::port::kOwnMac;

constexpr Address Ipv6(uint8_t last) {
  return {{0xfd, 0x67, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}};
}

Address AddressAt(uint16_t side, uint8_t host) {
  return side == kPbxSide6 ? Ipv6(host) : Address::Ipv4(10, 67, static_cast<uint8_t>(side), host);
}

uint16_t InterfaceOf(uint16_t side) {
  return side == kTrunkSide ? 0 : 1;
}

std::unique_ptr<Dpdk> Open(const std::vector<std::string>& devices,
                           std::vector<relay::abi::LocalAddress> addresses,
                           const relay::wire::MacAddress& next_hop) {
  DpdkOptions options{
      .eal = "--no-huge --no-shconf -m 256", .addresses = std::move(addresses), .buffers = 1024};
  for (const std::string& device : devices) {
    options.devices.push_back({.device = device, .next_hop = next_hop});
  }
  return relay::port::OpenDpdk(options);
}

void AwaitLinks(Dpdk* dpdk, size_t count) {
  relay::abi::CounterBlock counters{};
  const relay::TimeNs deadline = relay::MonotonicNow() + 10 * relay::kSecond;
  for (size_t up = 0; up < count;) {
    ASSERT_LT(relay::MonotonicNow(), deadline) << "a link does not come up";
    dpdk->Turn(relay::MonotonicNow(), counters);
    for (const std::string& news : dpdk->TakeNews()) up += absl::StrContains(news, "link is up");
  }
}

// The far ends of memifs are a second dpdk port.
class MemifParty final : public FarParty {
 public:
  explicit MemifParty(const std::vector<std::string>& devices) {
    for (uint16_t side = 0; side < kSides; ++side) {
      relay::abi::LocalAddress local = LocalAddress(AddressAt(side, 2), InterfaceOf(side));
      local.port_first = 1024;
      local.port_last = 65535;
      if (local.interface < devices.size()) addresses_.push_back(local);
    }
    dpdk_ = acceptance::Open(devices, addresses_, kOwnMac);
    port_ = dpdk_->MakePort(0, nullptr, nullptr).value();
  }
  void AwaitLinksOf(size_t devices) {
    AwaitLinks(dpdk_.get(), devices);
    // A memif's client lends its server room to send into when it first looks for packets.
    relay::port::Packet none;
    if (port_->Receive({&none, 1}, 0) != 0) std::abort();
  }

  void Open(const Endpoint& at) override {
    port_->Adopt(port_->Bind({.address = IndexOf(at.address), .port = at.port}, {}).value());
  }
  void Say(const Endpoint& from, const Endpoint& to, const std::vector<uint8_t>& payload) override {
    relay::port::Packet packet;
    if (!port_->Allocate(&packet)) std::abort();
    std::ranges::copy(payload, packet.data);
    packet.length = static_cast<uint32_t>(payload.size());
    packet.local = {.address = IndexOf(from.address), .port = from.port};
    packet.remote = to;
    if (port_->Send({&packet, 1}) != 1) std::abort();
  }
  std::optional<Heard> Hear(const Endpoint& at) override {
    const relay::TimeNs deadline = relay::MonotonicNow() + relay::kSecond;
    while (true) {
      relay::port::Packet packets[relay::kBurstMax];
      const size_t count = port_->Receive(packets, 0);
      for (const relay::port::Packet& packet : std::span(packets, count)) {
        Endpoint own{.address = addresses_[packet.local.address].address};
        own.port = packet.local.port;
        inbox_.Put(own, {.payload = {packet.data, packet.data + packet.length},
                         .from = packet.remote,
                         .dscp = packet.dscp});
      }
      port_->Release({packets, count});
      std::optional<Heard> heard = inbox_.Take(at);
      if (heard || relay::MonotonicNow() >= deadline) return heard;
    }
  }

 private:
  uint16_t IndexOf(const Address& address) const {
    uint16_t index = 0;
    while (addresses_[index].address != address) ++index;
    return index;
  }

  std::vector<relay::abi::LocalAddress> addresses_;
  std::unique_ptr<Dpdk> dpdk_;
  std::unique_ptr<relay::port::Port> port_;
  relay::port::Inbox inbox_;
};

// Writes and reads whole frames at the other end of a cable.
class FrameParty final : public FarParty {
 public:
  explicit FrameParty(const char* device) : end_(device) {}
  void Open(const Endpoint&) override {}
  void Say(const Endpoint& from, const Endpoint& to, const std::vector<uint8_t>& payload) override {
    end_.Send(relay::port::FrameOf(from, to, payload));
  }
  std::optional<Heard> Hear(const Endpoint& at) override {
    const relay::TimeNs deadline = relay::MonotonicNow() + relay::kSecond;
    while (true) {
      if (std::optional<Heard> heard = inbox_.Take(at)) return heard;
      const std::optional<std::vector<uint8_t>> frame = end_.Receive(deadline);
      if (!frame) return std::nullopt;
      relay::wire::Frame read;
      if (relay::wire::ReadFrame(*frame, relay::wire::IpChecksum::kVerify, &read) !=
              relay::wire::FrameVerdict::kUdp ||
          read.from != kOwnMac || read.to != kFarMac) {
        continue;
      }
      const auto payload = frame->begin() + read.payload_offset;
      inbox_.Put(read.destination, {.payload = {payload, payload + read.payload_length},
                                    .from = read.source,
                                    .dscp = read.dscp});
    }
  }

 private:
  relay::port::CableEnd end_;
  relay::port::Inbox inbox_;
};

enum class Wire { kMemif, kAfPacket };

class DpdkSite final : public Site {
 public:
  DpdkSite(Wire wire, bool own_host) : own_host_(own_host) {
    relay::port::PrepareDpdkNetwork();
    const uint16_t arms = own_host ? 1 : 2;
    std::vector<std::string> near;
    std::vector<std::string> far;
    for (uint16_t arm = 0; arm < arms; ++arm) {
      if (wire == Wire::kAfPacket) {
        near.push_back(absl::StrCat("net_af_packet", arm, ",iface=near", arm));
        frames_.push_back(std::make_unique<FrameParty>(arm == 0 ? "far0" : "far1"));
        continue;
      }
      // The names of a memif's two ends are given out for one pair at a time.
      near.push_back(relay::port::MemifNear(2 * arm));
      far.push_back(relay::port::MemifFar(2 * arm + 1));
    }
    dpdk_ = Open(near, addresses(), kFarMac);
    if (!far.empty()) memifs_ = std::make_unique<MemifParty>(far);
    AwaitLinks(dpdk_.get(), arms);
    if (memifs_ != nullptr) memifs_->AwaitLinksOf(arms);
  }

  std::vector<relay::abi::LocalAddress> addresses() const override {
    std::vector<relay::abi::LocalAddress> addresses;
    for (uint16_t side = 0; side < kSides; ++side) {
      const bool loopback = own_host_ && side != kTrunkSide;
      addresses.push_back(
          LocalAddress(loopback ? Loopback::own(side) : AddressAt(side, 1), InterfaceOf(side)));
    }
    return addresses;
  }
  Assembly::MakePorts make_ports() override {
    return [this](uint16_t worker, CounterBlock* counters) -> absl::StatusOr<Assembly::Ports> {
      Assembly::Ports made;
      auto port = dpdk_->MakePort(worker, counters, nullptr);
      if (!port.ok()) return port.status();
      made.push_back(*std::move(port));
      if (own_host_) made.push_back(Loopback::MakePort(counters));
      return made;
    };
  }
  std::vector<uint8_t> port_of_address() const override {
    const uint8_t second = own_host_ ? 1 : 0;
    return {0, second, second};
  }
  std::vector<relay::port::Upkeep*> upkeeps() override { return {dpdk_.get()}; }
  Address far(uint16_t side) const override {
    return own_host_ && side != kTrunkSide ? Loopback::far(side) : AddressAt(side, 2);
  }
  FarParty& party(uint16_t side) override {
    if (own_host_ && side != kTrunkSide) return loopback_.party(side);
    if (memifs_ != nullptr) return *memifs_;
    return *frames_[InterfaceOf(side)];
  }

 private:
  const bool own_host_;
  Loopback loopback_;
  std::unique_ptr<Dpdk> dpdk_;
  std::unique_ptr<MemifParty> memifs_;
  std::vector<std::unique_ptr<FrameParty>> frames_;
};

template <Wire wire, bool own_host>
std::unique_ptr<Site> Make() {
  return std::make_unique<DpdkSite>(wire, own_host);
}

}  // namespace

const std::vector<SiteKind> kSiteKinds = {
    {"memif", Make<Wire::kMemif, false>},
    {"af_packet", Make<Wire::kAfPacket, false>},
    {"memif_and_own_host", Make<Wire::kMemif, true>},
};

}  // namespace acceptance
