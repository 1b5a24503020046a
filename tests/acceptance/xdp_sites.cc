// Sites over AF_XDP: veth cables into a namespace where the far parties' kernel answers.
#include <cstdlib>
#include <iostream>

#include "gtest/gtest.h"
#include "relay/port/neighbour.h"
#include "relay/port/xdp.h"
#include "tests/acceptance/site.h"
#include "tests/relay/port/far_sockets.h"
#include "tests/relay/port/xdp_bystander.h"
#include "tests/support/veth_lab.h"

namespace acceptance {
namespace {

using relay::abi::Address;
using relay::abi::CounterBlock;
using relay::abi::Endpoint;
using relay::conductor::Assembly;
using relay::port::XdpMode;

constexpr Address Ipv6(uint8_t last) {
  return {{0xfd, 0x66, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}};
}

Address AddressAt(uint16_t side, uint8_t host) {
  return side == kPbxSide6 ? Ipv6(host) : Address::Ipv4(10, 66, static_cast<uint8_t>(side), host);
}

template <typename T>
T Must(absl::StatusOr<T> made) {
  if (made.ok()) return *std::move(made);
  std::cerr << made.status() << "\n";
  std::abort();
}

class CableParty final : public FarParty {
 public:
  CableParty(relay::test::VethLab* lab, const Address& address) : lab_(lab), sockets_(address) {}
  void Open(const Endpoint& at) override {
    lab_->InFar([&] { sockets_.Open(at.port); });
  }
  void Say(const Endpoint& from, const Endpoint& to, const std::vector<uint8_t>& payload) override {
    sockets_.Say(from, to, payload, 0);
  }
  std::optional<Heard> Hear(const Endpoint& at) override { return sockets_.Hear(at); }

 private:
  relay::test::VethLab* const lab_;
  relay::port::FarSockets sockets_;
};

// The second arm is a cable as well, or sockets on the relay's own host.
class XdpSite final : public Site {
 public:
  XdpSite(XdpMode mode, bool own_host, bool dispatcher) : own_host_(own_host), lab_(2) {
    for (uint16_t side = 0; side < kSides; ++side) {
      parties_.push_back(std::make_unique<CableParty>(&lab_, AddressAt(side, 2)));
    }
    std::vector<std::string> devices = {"near0"};
    if (!own_host) devices.emplace_back("near1");
    network_ = Must(relay::port::XdpNetwork::Open({.devices = devices,
                                                   .addresses = addresses(),
                                                   .mode = mode,
                                                   .buffers = 1024,
                                                   .dispatcher = dispatcher}));
    hops_ = Must(relay::port::NextHops::Open(
        {.devices = devices, .addresses = addresses(), .workers = 1, .seed = 7}));
  }

  std::vector<relay::abi::LocalAddress> addresses() const override {
    std::vector<relay::abi::LocalAddress> addresses;
    for (uint16_t side = 0; side < kSides; ++side) {
      const bool loopback = own_host_ && side != kTrunkSide;
      addresses.push_back(LocalAddress(loopback ? Loopback::own(side) : AddressAt(side, 1),
                                       side == kTrunkSide ? 0 : 1,
                                       loopback             ? ""
                                       : side == kTrunkSide ? "near0"
                                                            : "near1"));
    }
    return addresses;
  }
  Assembly::MakePorts make_ports() override {
    return [this](uint16_t worker, CounterBlock* counters) -> absl::StatusOr<Assembly::Ports> {
      Assembly::Ports made;
      auto port = network_->MakePort(
          worker, counters, hops_->reader(worker),
          [this](uint16_t local, const Address& remote) { hops_->Approach(local, remote); });
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
  std::vector<relay::port::Upkeep*> upkeeps() override { return {hops_.get(), network_.get()}; }
  bool Reaches(uint16_t side, const Address& far) override {
    relay::port::Hop hop;
    return (own_host_ && side != kTrunkSide) || hops_->reader(0)->Find(side, far, &hop);
  }
  Address far(uint16_t side) const override {
    return own_host_ && side != kTrunkSide ? Loopback::far(side) : AddressAt(side, 2);
  }
  FarParty& party(uint16_t side) override {
    return own_host_ && side != kTrunkSide ? loopback_.party(side) : *parties_[side];
  }

 private:
  const bool own_host_;
  relay::test::VethLab lab_;
  std::vector<std::unique_ptr<FarParty>> parties_;
  Loopback loopback_;
  std::unique_ptr<relay::port::XdpNetwork> network_;
  std::unique_ptr<relay::port::NextHops> hops_;
};

template <XdpMode mode, bool own_host, bool dispatcher = false>
std::unique_ptr<Site> Make() {
  return std::make_unique<XdpSite>(mode, own_host, dispatcher);
}

}  // namespace

const std::vector<SiteKind> kSiteKinds = {
    {"xdp_native", Make<XdpMode::kNative, false>},
    {"xdp_generic", Make<XdpMode::kGeneric, false>},
    {"xdp_and_own_host", Make<XdpMode::kNative, true>},
    {"xdp_dispatcher", Make<XdpMode::kNative, false, true>},
};

}  // namespace acceptance

int main(int count, char** arguments) {
  relay::test::NeedRoot();
  relay::test::OwnBpffs();
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
