// The port suite over AF_XDP: a veth cable between two namespaces, kernel sockets at its far end.
#include <cstdlib>
#include <iostream>

#include "gtest/gtest.h"
#include "relay/port/neighbour.h"
#include "relay/port/xdp.h"
#include "tests/relay/port/far_side.h"
#include "tests/relay/port/far_sockets.h"
#include "tests/support/veth_lab.h"

namespace relay::port {
namespace {

const abi::Address kNear6 = {{0xfd, 0x66, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
const abi::Address kFar6 = {{0xfd, 0x66, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};

class XdpFarSide final : public FarSide {
 public:
  XdpFarSide(uint32_t buffers, XdpMode mode, bool ipv4, uint32_t busy_poll_us)
      : own_(ipv4 ? abi::Address::Ipv4(10, 66, 0, 1) : kNear6),
        sockets_(ipv4 ? abi::Address::Ipv4(10, 66, 0, 2) : kFar6) {
    std::vector<abi::LocalAddress> addresses{
        {.address = own_, .port_first = 10000, .port_last = 31999, .interface_name = "near0"}};
    network_ = Must(XdpNetwork::Open({.devices = {"near0"},
                                      .addresses = addresses,
                                      .mode = mode,
                                      .busy_poll_us = busy_poll_us,
                                      .buffers = buffers}));
    hops_ = Must(NextHops::Open({.devices = {"near0"}, .addresses = addresses, .seed = 7}));
    port_ = Must(network_->MakePort(
        0, &counters_, hops_->reader(0),
        [this](uint16_t local, const abi::Address& remote) { hops_->Approach(local, remote); }));
  }

  Port& port() override { return *port_; }
  abi::CounterBlock& counters() override { return counters_; }
  abi::Endpoint own_address() const override { return {.address = own_}; }
  size_t payload_max() const override { return own_.IsIpv4() ? kPayloadMax : kPayloadMax - 20; }
  uint32_t buffers_free() const override { return XdpNetwork::BuffersFree(*port_); }
  uint32_t bound() const override { return XdpNetwork::Bound(*port_); }

  abi::Endpoint Open() override {
    abi::Endpoint far;
    lab_.InFar([&] { far = sockets_.Open(); });
    // As when a session is programmed; the answer of the far party's kernel takes a moment.
    Hop hop;
    for (const TimeNs end = MonotonicNow() + 5 * kSecond;
         !hops_->reader(0)->Find(0, far.address, &hop) && MonotonicNow() < end;) {
      port_->Approach({.address = 0, .port = 0}, far);
      hops_->Turn(MonotonicNow(), counters_);
    }
    return far;
  }
  void Say(const abi::Endpoint& from, uint16_t to_port, std::vector<uint8_t> payload,
           uint8_t dscp) override {
    sockets_.Say(from, {.address = own_, .port = to_port}, payload, dscp);
  }
  std::optional<Heard> Hear(const abi::Endpoint& at) override { return sockets_.Hear(at); }

 private:
  template <typename T>
  static T Must(absl::StatusOr<T> made) {
    if (made.ok()) return *std::move(made);
    std::cerr << made.status() << "\n";
    std::abort();
  }

  test::VethLab lab_;
  const abi::Address own_;
  FarSockets sockets_;
  abi::CounterBlock counters_{};
  std::unique_ptr<XdpNetwork> network_;
  std::unique_ptr<NextHops> hops_;
  std::unique_ptr<Port> port_;
};

template <XdpMode mode, bool ipv4, uint32_t busy_poll_us = 0>
std::unique_ptr<FarSide> Make(uint32_t buffers) {
  return std::make_unique<XdpFarSide>(buffers, mode, ipv4, busy_poll_us);
}

}  // namespace

const std::vector<PortTraits> kPortKinds = {
    {"native_ipv4", false, Make<XdpMode::kNative, true>, 256, true},
    {"native_ipv6", false, Make<XdpMode::kNative, false>, 256, true},
    {"busy_poll", false, Make<XdpMode::kNative, true, 20>, 256, true},
    {"generic_ipv4", false, Make<XdpMode::kGeneric, true>, 256, true},
};

}  // namespace relay::port

int main(int count, char** arguments) {
  relay::test::NeedRoot();
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
