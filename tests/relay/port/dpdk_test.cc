#include "relay/port/dpdk.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "relay/port/dpdk_device.h"
#include "relay/port/dpdk_eal.h"
#include "tests/relay/port/dpdk_network.h"

namespace relay::port {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const abi::Endpoint kFar = {.address = kFarAddress, .port = 4000};
constexpr uint8_t kPayload[] = {0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};

TEST(DpdkOptions, ADeviceAsItIsTyped) {
  const DpdkDeviceOptions nic = ParseDpdkDevice("0000:01:00.0@media0").value();
  EXPECT_EQ(nic.device, "0000:01:00.0");
  EXPECT_EQ(nic.interface, "media0");
  EXPECT_FALSE(nic.next_hop);
  const DpdkDeviceOptions memif =
      ParseDpdkDevice("net_memif0,role=server,socket=/run/x@02:00:00:00:00:ff").value();
  EXPECT_EQ(memif.device, "net_memif0,role=server,socket=/run/x");
  EXPECT_EQ(memif.next_hop, (wire::MacAddress{2, 0, 0, 0, 0, 0xff}));
  EXPECT_EQ(memif.interface, "");
  EXPECT_EQ(ParseDpdkDevice("net_null0").value().interface, "");
  for (const char* wrong : {"", "@eth0", "net_null0@", "net_null0@02:00:00:00:00",
                            "net_null0@a-name-that-is-too-long"}) {
    EXPECT_FALSE(ParseDpdkDevice(wrong).ok()) << wrong;
  }
}

TEST(DpdkEal, WhatTheUserLeavesOpenIsFilledIn) {
  const std::string nic[] = {"0000:01:00.0,key=1"};
  const std::string virtual_device[] = {"net_memif0,role=server"};
  EXPECT_THAT(EalArguments("", nic, 1 << 20),
              ElementsAre("relay", HasSubstr("-l"), "--in-memory", "--no-telemetry", "-a",
                          "0000:01:00.0,key=1"));
  EXPECT_THAT(EalArguments("--no-huge -l 1", virtual_device, 100 << 20),
              ElementsAre("relay", "--no-huge", "-l", "1", "--no-shconf", "-m164", "--no-telemetry",
                          "--no-pci"));
  EXPECT_THAT(EalArguments("--huge-dir=/mnt --telemetry", virtual_device, 1),
              AllOf(Not(Contains("--in-memory")), Not(Contains("--no-telemetry"))));
}

class DpdkTest : public testing::Test {
 protected:
  void SetUp() override { PrepareDpdkNetwork(); }

  static std::string Refusal(const DpdkOptions& options) {
    const absl::StatusOr<std::unique_ptr<Dpdk>> dpdk = Dpdk::Open(options);
    return dpdk.ok() ? "it started" : std::string(dpdk.status().message());
  }
  // The next packet of the port, or none within two seconds.
  std::optional<Packet> Next(Port& port) {
    const TimeNs deadline = MonotonicNow() + 2 * kSecond;
    while (MonotonicNow() < deadline) {
      if (port.Receive({&packet_, 1}, 0) == 1) return packet_;
    }
    return std::nullopt;
  }
  static void SendOne(Port& port) {
    Packet packet;
    ASSERT_TRUE(port.Allocate(&packet));
    std::ranges::copy(kPayload, packet.data);
    packet.length = sizeof(kPayload);
    packet.local = {.address = 0, .port = 5000};
    packet.remote = {.address = kOwnAddress, .port = 16000};
    EXPECT_EQ(port.Send({&packet, 1}), 1u);
  }
  static std::string NewsOf(Dpdk* dpdk, const char* wanted) {
    abi::CounterBlock counters{};
    const TimeNs deadline = MonotonicNow() + 10 * kSecond;
    while (MonotonicNow() < deadline) {
      dpdk->Turn(MonotonicNow(), counters);
      for (const std::string& news : dpdk->TakeNews()) {
        if (news.find(wanted) != std::string::npos) return news;
      }
    }
    return "nothing";
  }

  Packet packet_{};
};

TEST_F(DpdkTest, WhatItRefusesItSaysInASentence) {
  EXPECT_THAT(Refusal(DpdkOn("net_nosuch0", OwnAddresses(), 64)),
              AllOf(HasSubstr("dpdk:net_nosuch0 cannot be opened"), HasSubstr("scripts/nic show")));
  EXPECT_THAT(
      Refusal(DpdkOn("net_af_packet9,iface=nosuch0", OwnAddresses(), 64)),
      AllOf(HasSubstr("dpdk:net_af_packet9 cannot be opened"), HasSubstr("No such device")));
  EXPECT_THAT(Refusal(DpdkOn(MemifNear(), OwnAddresses(), 1'000'000)),
              AllOf(HasSubstr("no memory for 1002048 buffers of worker 0"), HasSubstr("-m ")));
  DpdkOptions two = DpdkOn(kAfPacket, OwnAddresses(), 64);
  two.placement = abi::EvenPlacement(abi::PlacementKind::kNone, 2);
  EXPECT_THAT(Refusal(two), HasSubstr("has 1 queue pairs for 2 workers"));
  two.devices[0].device = MemifNear();
  EXPECT_THAT(Refusal(two), HasSubstr("start with --workers 1"));
  DpdkOptions other = DpdkOn(MemifNear(), OwnAddresses(), 64);
  other.eal = "--no-huge -m 300";
  EXPECT_THAT(Refusal(other), HasSubstr("DPDK has been started with other words"));
}

TEST_F(DpdkTest, ItSaysWhatItTookAndHow) {
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(DpdkOn(kAfPacket, OwnAddresses(), 64));
  EXPECT_THAT(dpdk->TakeNews(),
              ElementsAre(AllOf(HasSubstr("driver net_af_packet"), HasSubstr("02:00:00:00:00:01"),
                                HasSubstr("UDP checksum in software"),
                                HasSubstr("what is not ours is dropped"))));
  EXPECT_EQ(dpdk->placement_kind(), abi::PlacementKind::kNone);
}

// The peer of a memif dies and comes back; nobody restarts.
TEST_F(DpdkTest, ALinkThatGoesAndComesBackIsToldAndUsed) {
  const std::unique_ptr<Dpdk> near = OpenDpdk(DpdkOn(MemifNear(), OwnAddresses(), 64));
  std::unique_ptr<Dpdk> far = OpenDpdk(DpdkOn(MemifFar(), FarAddresses(), 64));
  abi::CounterBlock counters{};
  const std::unique_ptr<Port> port = near->MakePort(0, &counters, nullptr).value();
  port->Adopt(port->Bind({.address = 0, .port = 16000}, {}).value());
  EXPECT_THAT(NewsOf(near.get(), "link is up"), HasSubstr("ms after its start"));
  for (int round = 0; round < 2; ++round) {
    AwaitLink(far.get());
    {
      const std::unique_ptr<Port> far_port = far->MakePort(0, nullptr, nullptr).value();
      // The client lends its server room to send into when it first looks for packets.
      Packet none;
      EXPECT_EQ(far_port->Receive({&none, 1}, 0), 0u);
      SendOne(*far_port);
      ASSERT_TRUE(Next(*port));
      packet_.remote = kFar;
      EXPECT_EQ(port->Send({&packet_, 1}), 1u);
    }
    far.reset();
    EXPECT_NE(NewsOf(near.get(), "link is down"), "nothing");
    Packet lost;
    ASSERT_TRUE(port->Allocate(&lost));
    lost.remote = kFar;
    EXPECT_EQ(port->Send({&lost, 1}), 0u);
    EXPECT_EQ(counters.Read(abi::Counter::kSendFailed), static_cast<uint64_t>(round + 1));
    far = OpenDpdk(DpdkOn(MemifFar(), FarAddresses(), 64));
    EXPECT_NE(NewsOf(near.get(), "link is up"), "nothing");
  }
}

// The kernel's device under the driver is deleted: told, what should leave is counted, nobody ends.
TEST_F(DpdkTest, ADeviceThatIsRemovedIsToldAndItsPacketsAreCounted) {
  ASSERT_EQ(std::system("ip link add near2 address 02:00:00:00:00:01 type veth peer name far2 && "
                        "ip link set near2 up && ip link set far2 up"),
            0);
  const std::unique_ptr<Dpdk> dpdk =
      OpenDpdk(DpdkOn("net_af_packet2,iface=near2", OwnAddresses(), 64));
  abi::CounterBlock counters{};
  const std::unique_ptr<Port> port = dpdk->MakePort(0, &counters, nullptr).value();
  port->Adopt(port->Bind({.address = 0, .port = 16000}, {}).value());
  AwaitLink(dpdk.get());
  ASSERT_EQ(std::system("ip link delete near2"), 0);
  EXPECT_THAT(NewsOf(dpdk.get(), "was removed"), HasSubstr("near2 was removed; its calls"));
  const TimeNs deadline = MonotonicNow() + 5 * kSecond;
  while (counters.Read(abi::Counter::kSendFailed) == 0 && MonotonicNow() < deadline) {
    Packet lost;
    if (port->Allocate(&lost)) {
      lost.remote = kFar;
      port->Send({&lost, 1});
    }
    EXPECT_EQ(port->Receive({&packet_, 1}, 0), 0u);
    dpdk->Turn(MonotonicNow(), counters);
  }
  EXPECT_GT(counters.Read(abi::Counter::kSendFailed), 0u);
}

// A pool with gaps between its buffers has some that the kernel does not send from.
TEST_F(DpdkTest, EveryBufferGoesOutByAfXdp) {
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(DpdkOn(kAfXdp, OwnAddresses(), 4096));
  const std::unique_ptr<Port> port = dpdk->MakePort(0, nullptr, nullptr).value();
  AwaitLink(dpdk.get());
  std::vector<Packet> all;
  for (Packet packet; port->Allocate(&packet); all.push_back(packet)) {
    std::ranges::copy(kPayload, packet.data);
    packet.length = sizeof(kPayload);
    packet.local = {.address = 0, .port = 5000};
    packet.remote = kFar;
  }
  EXPECT_GT(all.size(), 4000u);
  CableEnd far;
  size_t arrived = 0;
  for (size_t sent = 0; sent < all.size();) {
    const size_t some = std::min<size_t>(32, all.size() - sent);
    ASSERT_EQ(port->Send(std::span(all).subspan(sent, some)), some);
    sent += some;
    const TimeNs deadline = MonotonicNow() + 2 * kSecond;
    while (arrived < sent) {
      const auto frame = far.Receive(deadline);
      ASSERT_TRUE(frame) << arrived << " of " << sent;
      arrived += std::equal(kOwnMac.begin(), kOwnMac.end(), frame->begin() + 6);
    }
  }
}

// VLAN: the tag is part of the address, on both ways.
TEST_F(DpdkTest, FramesOfAVlan) {
  std::vector<abi::LocalAddress> addresses = OwnAddresses();
  addresses[0].vlan = 77;
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(DpdkOn(kAfPacket, addresses, 64));
  abi::CounterBlock counters{};
  const std::unique_ptr<Port> port = dpdk->MakePort(0, &counters, nullptr).value();
  port->Adopt(port->Bind({.address = 0, .port = 16000}, {}).value());
  CableEnd far;
  far.Send(FrameOf(kFar, {.address = kOwnAddress, .port = 16000}, kPayload));
  far.Send(FrameOf(kFar, {.address = kOwnAddress, .port = 16000, .vlan = 78}, kPayload));
  far.Send(FrameOf(kFar, {.address = kOwnAddress, .port = 16000, .vlan = 77}, kPayload));
  ASSERT_TRUE(Next(*port));
  EXPECT_EQ(packet_.remote.vlan, 77);
  EXPECT_EQ(packet_.length, sizeof(kPayload));
  EXPECT_EQ(counters.Read(abi::Counter::kNotOurs), 2u);
  packet_.dscp = 46;
  EXPECT_EQ(port->Send({&packet_, 1}), 1u);
  const TimeNs deadline = MonotonicNow() + 2 * kSecond;
  while (const auto frame = far.Receive(deadline)) {
    wire::Frame read;
    if (wire::ReadFrame(*frame, wire::IpChecksum::kVerify, &read) == wire::FrameVerdict::kUdp &&
        read.from == kOwnMac) {
      EXPECT_EQ(read.destination.port, 4000);
      EXPECT_EQ(read.destination.vlan, 77);
      return;
    }
  }
  ADD_FAILURE() << "nothing came out";
}

// What is not ours goes to the kernel by a TAP, and the kernel answers by the same device: here it
// is asked who has its address.
TEST_F(DpdkTest, TheKernelAnswersBehindTheTap) {
  DpdkOptions options = DpdkOn(kAfPacket, OwnAddresses(), 256);
  options.devices[0].interface = "media0";
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(options);
  ASSERT_EQ(std::system("ip address add 198.51.100.1/24 dev media0"), 0);
  abi::CounterBlock counters{};
  abi::CounterBlock conductor{};
  const std::unique_ptr<Port> port = dpdk->MakePort(0, &counters, nullptr).value();
  EXPECT_THAT(dpdk->TakeNews(), ElementsAre(HasSubstr("goes to the kernel by media0")));
  EXPECT_EQ(dpdk->kernel_devices(), std::vector<std::string>{"media0"});

  std::vector<uint8_t> request = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const auto add = [&request](std::initializer_list<uint8_t> bytes) {
    request.insert(request.end(), bytes);
  };
  request.insert(request.end(), kFarMac.begin(), kFarMac.end());
  add({8, 6, 0, 1, 8, 0, 6, 4, 0, 1});  // ARP: who has
  request.insert(request.end(), kFarMac.begin(), kFarMac.end());
  add({198, 51, 100, 9, 0, 0, 0, 0, 0, 0, 198, 51, 100, 1});
  CableEnd far;
  far.Send(request);
  std::optional<std::vector<uint8_t>> answer;
  const TimeNs deadline = MonotonicNow() + 5 * kSecond;
  while (!answer && MonotonicNow() < deadline) {
    EXPECT_EQ(port->Receive({&packet_, 1}, 0), 0u);
    dpdk->Turn(MonotonicNow(), conductor);
    answer = far.Receive(0);
    // ARP, "is at", from the address that was asked for.
    if (answer && !((*answer)[12] == 8 && (*answer)[13] == 6 && (*answer)[21] == 2)) answer.reset();
  }
  ASSERT_TRUE(answer);
  EXPECT_TRUE(std::equal(kOwnMac.begin(), kOwnMac.end(), answer->begin() + 6));
  EXPECT_GE(conductor.Read(abi::Counter::kToKernel), 1u);
  EXPECT_GE(conductor.Read(abi::Counter::kFromKernel), 1u);
}

}  // namespace
}  // namespace relay::port
