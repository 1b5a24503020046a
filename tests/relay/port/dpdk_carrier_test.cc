// What happens to the kernel's device under a dpdk one (af_packet), and what no device has done for
// us.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "relay/port/dpdk.h"
#include "tests/relay/port/dpdk_network.h"

namespace relay::port {
namespace {

using testing::HasSubstr;

const abi::Endpoint kFar = {.address = kFarAddress, .port = 4000};
const abi::Endpoint kOwn = {.address = kOwnAddress, .port = 16000};
constexpr wire::MacAddress kOtherMac = {0x02, 0, 0, 0, 0x77, 1};
constexpr uint8_t kPayload[] = {0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};

// The link address that a device said it has at its start.
wire::MacAddress SaidMacOf(Dpdk* dpdk) {
  constexpr char kWords[] = ", link address ";
  for (const std::string& news : dpdk->TakeNews()) {
    const size_t at = news.find(kWords);
    if (at == std::string::npos) continue;
    const auto device =
        ParseDpdkDevice(absl::StrCat("net_null0@", news.substr(at + sizeof(kWords) - 1, 17)));
    if (device.ok() && device->next_hop) return *device->next_hop;
  }
  ADD_FAILURE() << "it did not say its link address";
  return {};
}

class DpdkCarrierTest : public testing::Test {
 protected:
  void Open(DpdkOptions options) {
    dpdk_ = OpenDpdk(options);
    port_ = dpdk_->MakePort(0, &counters_, nullptr).value();
    port_->Adopt(port_->Bind({.address = 0, .port = 16000}, {}).value());
    far_.emplace();
    AwaitLink(dpdk_.get());
  }
  void SetUp() override { PrepareDpdkNetwork(); }

  static void Do(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0); }
  std::string NewsOf(const char* wanted) { return port::NewsOf(dpdk_.get(), wanted); }
  // A frame to `mac` becomes a packet, which is given back to the far party.
  bool Carries(const wire::MacAddress& mac) {
    std::vector<uint8_t> frame = FrameOf(kFar, kOwn, kPayload);
    std::ranges::copy(mac, frame.begin());
    far_->Send(frame);
    Packet packet;
    const TimeNs deadline = MonotonicNow() + 2 * kSecond;
    while (port_->Receive({&packet, 1}, 0) == 0) {
      if (MonotonicNow() > deadline) return false;
    }
    return port_->Send({&packet, 1}) == 1;
  }
  // The next frame of the relay, as the far party sees it.
  std::optional<wire::Frame> NextOut(const wire::MacAddress& from) {
    const TimeNs deadline = MonotonicNow() + 2 * kSecond;
    while (const auto bytes = far_->Receive(deadline)) {
      wire::Frame frame;
      if (wire::ReadFrame(*bytes, wire::IpChecksum::kVerify, &frame) == wire::FrameVerdict::kUdp &&
          frame.from == from) {
        return frame;
      }
    }
    return std::nullopt;
  }

  abi::CounterBlock counters_{};
  abi::CounterBlock conductor_{};
  std::unique_ptr<Dpdk> dpdk_;
  std::unique_ptr<Port> port_;
  std::optional<CableEnd> far_;
};

TEST_F(DpdkCarrierTest, AChangedLinkAddressIsFollowed) {
  Open(DpdkOn(kAfPacket, OwnAddresses(), 64));
  ASSERT_TRUE(Carries(kOwnMac));
  Do("ip link set near0 address 02:00:00:00:77:01");
  EXPECT_THAT(NewsOf("link address"),
              HasSubstr("near0 has the link address 02:00:00:00:77:01 now; it is followed"));
  EXPECT_TRUE(Carries(kOtherMac));
  EXPECT_TRUE(NextOut(kOtherMac)) << "what leaves has it, too";
  EXPECT_FALSE(Carries(kOwnMac)) << "it is another host's now";
  Do("ip link set near0 address 02:00:00:00:00:01");
  EXPECT_NE(NewsOf("link address"), "nothing");
  EXPECT_TRUE(Carries(kOwnMac));
}

// What the device has from its driver is its own until the carrier's is changed.
TEST_F(DpdkCarrierTest, ADeviceMayHaveAnotherLinkAddressThanItsCarrier) {
  dpdk_ = OpenDpdk(DpdkOn("net_pcap0,iface=near0", OwnAddresses(), 64));
  const wire::MacAddress own = SaidMacOf(dpdk_.get());
  ASSERT_NE(own, kOwnMac);
  port_ = dpdk_->MakePort(0, &counters_, nullptr).value();
  port_->Adopt(port_->Bind({.address = 0, .port = 16000}, {}).value());
  far_.emplace();
  EXPECT_NE(NewsOf("link is up"), "nothing");
  EXPECT_EQ(NewsOf("link address"), "nothing");  // in five seconds
  EXPECT_TRUE(Carries(own));
}

TEST_F(DpdkCarrierTest, TheTapGetsAChangedLinkAddressToo) {
  DpdkOptions options = DpdkOn(kAfPacket, OwnAddresses(), 256);
  options.devices[0].interface = "media0";
  Open(options);
  Do("ip link show media0 | grep -q 02:00:00:00:00:01");
  Do("ip link set near0 address 02:00:00:00:77:01");
  EXPECT_NE(NewsOf("link address"), "nothing");
  Do("ip link show media0 | grep -q 02:00:00:00:77:01");
  Do("ip link set near0 address 02:00:00:00:00:01");
  EXPECT_NE(NewsOf("link address"), "nothing");
}

TEST_F(DpdkCarrierTest, ALinkThatGoesAndComesBackIsTold) {
  Open(DpdkOn(kAfPacket, OwnAddresses(), 64));
  ASSERT_TRUE(Carries(kOwnMac));
  Do("ip link set near0 down");
  EXPECT_THAT(NewsOf("link is"), HasSubstr("net_af_packet0 link is down"));
  Do("ip link set near0 up");
  EXPECT_THAT(NewsOf("link is"), HasSubstr("net_af_packet0 link is up"));
  EXPECT_TRUE(Carries(kOwnMac));
  // The cable's other end.
  Do("ip link set far0 down");
  EXPECT_THAT(NewsOf("link is"), HasSubstr("link is down"));
  Do("ip link set far0 up");
  EXPECT_THAT(NewsOf("link is"), HasSubstr("link is up"));
  far_.emplace();
  EXPECT_TRUE(Carries(kOwnMac));
}

// virtio's driver offers to insert the tag, and does so in another call than it sends by.
TEST_F(DpdkCarrierTest, ATagIsWrittenWhateverTheDriverOffers) {
  std::vector<abi::LocalAddress> near = OwnAddresses();
  std::vector<abi::LocalAddress> far = FarAddresses();
  near[0].vlan = far[0].vlan = 77;
  const std::string path = absl::StrCat(testing::TempDir(), "virtio-", getpid());
  const std::unique_ptr<Dpdk> host =
      OpenDpdk(DpdkOn(absl::StrCat("net_vhost0,iface=", path), far, 64));
  DpdkOptions guest = DpdkOn(absl::StrCat("net_virtio_user0,path=", path), near, 64);
  guest.devices[0].next_hop = SaidMacOf(host.get());
  dpdk_ = OpenDpdk(guest);
  port_ = dpdk_->MakePort(0, &counters_, nullptr).value();
  const std::unique_ptr<Port> heard = host->MakePort(0, &conductor_, nullptr).value();
  AwaitLink(host.get());
  AwaitLink(dpdk_.get());
  Packet packet;
  ASSERT_TRUE(port_->Allocate(&packet));
  std::ranges::copy(kPayload, packet.data);
  packet.length = sizeof(kPayload);
  packet.local = {.address = 0, .port = 16000};
  packet.remote = kFar;
  EXPECT_EQ(port_->Send({&packet, 1}), 1u);
  const TimeNs deadline = MonotonicNow() + 5 * kSecond;
  while (MonotonicNow() < deadline && conductor_.Read(abi::Counter::kNoLeg) == 0 &&
         conductor_.Read(abi::Counter::kNotOurs) == 0) {
    EXPECT_EQ(heard->Receive({&packet, 1}, 0), 0u);
  }
  port_.reset();
  dpdk_.reset();  // before what it is plugged into
  EXPECT_EQ(conductor_.Read(abi::Counter::kNoLeg), 1u);
  EXPECT_EQ(conductor_.Read(abi::Counter::kNotOurs), 0u);
}

// More that is not ours than its way to the kernel holds.
TEST_F(DpdkCarrierTest, WhatFindsNoWayToTheKernelIsCounted) {
  DpdkOptions options = DpdkOn(kAfPacket, OwnAddresses(), 2048);
  options.devices[0].interface = "media0";
  Open(options);
  std::vector<uint8_t> arp(60, 0);
  std::ranges::copy(kOwnMac, arp.begin());
  std::ranges::copy(kFarMac, arp.begin() + 6);
  arp[12] = 8;
  arp[13] = 6;
  const uint64_t before = counters_.Read(abi::Counter::kNotOurs);
  Packet none;
  const TimeNs deadline = MonotonicNow() + 10 * kSecond;
  while (counters_.Read(abi::Counter::kNotOurs) < before + 600 && MonotonicNow() < deadline) {
    far_->Send(arp);
    EXPECT_EQ(port_->Receive({&none, 1}, 0), 0u);
  }
  const uint64_t refused = counters_.Read(abi::Counter::kNotOurs) - before;
  const uint64_t taken = conductor_.Read(abi::Counter::kToKernel);
  dpdk_->Turn(MonotonicNow(), conductor_);
  EXPECT_EQ(counters_.Read(abi::Counter::kToKernelLost) + conductor_.Read(abi::Counter::kToKernel) -
                taken,
            refused);
  EXPECT_GT(counters_.Read(abi::Counter::kToKernelLost), 0u);
}

}  // namespace
}  // namespace relay::port
