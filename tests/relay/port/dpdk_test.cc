#include "relay/port/dpdk.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

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
  DpdkOptions other = DpdkOn(MemifNear(), OwnAddresses(), 64);
  other.eal = "--no-huge -m 300";
  EXPECT_THAT(Refusal(other), HasSubstr("DPDK has been started with other words"));
}

TEST_F(DpdkTest, ItSaysWhatItTookAndHow) {
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(DpdkOn(kAfPacket, OwnAddresses(), 64));
  EXPECT_THAT(dpdk->TakeNews(),
              ElementsAre(AllOf(HasSubstr("driver net_af_packet"), HasSubstr("02:00:00:00:00:01"),
                                HasSubstr("UDP checksum in software"),
                                HasSubstr("what is not ours is dropped")),
                          "dpdk:net_af_packet0: queue 0 to worker 0"));
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
  EXPECT_THAT(dpdk->TakeNews(),
              ElementsAre(HasSubstr("media0 was made; it stays when the relay ends"),
                          HasSubstr("goes to the kernel by media0"), HasSubstr("queue 0")));
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

// ---- several workers ----------------------------------------------------------------------------

DpdkOptions WithWorkers(DpdkOptions options, uint16_t workers) {
  options.placement = abi::EvenPlacement(abi::PlacementKind::kNone, workers);
  return options;
}

// DPDK's null device takes any hash key and table, and gives the key back when asked.
TEST_F(DpdkTest, AKeyOfOneBitWhereTheDeviceHoldsIt) {
  const std::unique_ptr<Dpdk> dpdk =
      OpenDpdk(WithWorkers(DpdkOn("net_null0", OwnAddresses(), 64), 2));
  EXPECT_EQ(dpdk->placement_kind(), abi::PlacementKind::kToeplitz);
  EXPECT_THAT(dpdk->TakeNews(),
              ElementsAre(HasSubstr("driver net_null"),
                          "dpdk:net_null0: queue 0 to worker 0, queue 1 to worker 1; a hash key of "
                          "one bit chooses it by the UDP destination port"));
}

// Failsafe passes key and table on and never says what became of the key: it is not believed.
TEST_F(DpdkTest, AKeyThatIsNotSeenAgainIsNotTrusted) {
  const std::unique_ptr<Dpdk> dpdk =
      OpenDpdk(WithWorkers(DpdkOn("net_failsafe0,dev(net_null7)", OwnAddresses(), 64), 2));
  EXPECT_EQ(dpdk->placement_kind(), abi::PlacementKind::kHandOver);
}

// The key's bit is the destination port's place in IPv4 alone.
TEST_F(DpdkTest, OneAddressOfIpv6MeansHandOver) {
  std::vector<abi::LocalAddress> addresses = OwnAddresses();
  addresses.push_back(addresses[0]);
  addresses[1].address = {{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(WithWorkers(DpdkOn("net_null0", addresses, 64), 2));
  EXPECT_EQ(dpdk->placement_kind(), abi::PlacementKind::kHandOver);
  // Its own hash spreads streams over the queues: nothing to warn of.
  EXPECT_THAT(dpdk->TakeNews(), ElementsAre(HasSubstr("driver net_null"),
                                            HasSubstr("cannot steer by UDP destination port")));
}

// A device that cannot steer gives a worker what belongs to another one, whose leg it does not
// know.
TEST_F(DpdkTest, WhatAMemifCannotSteerIsHandedOver) {
  const std::unique_ptr<Dpdk> near =
      OpenDpdk(WithWorkers(DpdkOn(MemifNear(), OwnAddresses(), 64), 2));
  const std::unique_ptr<Dpdk> far =
      OpenDpdk(WithWorkers(DpdkOn(MemifFar(), FarAddresses(), 64), 2));
  EXPECT_EQ(near->placement_kind(), abi::PlacementKind::kHandOver);
  EXPECT_THAT(near->TakeNews(),
              ElementsAre(HasSubstr("driver net_memif"),
                          "dpdk:net_memif0: queue 0 to worker 0, queue 1 to worker 1; it cannot "
                          "steer by UDP destination port, so workers hand over",
                          AllOf(HasSubstr("has no receive hash"), HasSubstr("--workers 1"))));
  abi::CounterBlock counters{};
  const std::unique_ptr<Port> first = near->MakePort(0, &counters, nullptr).value();
  const std::unique_ptr<Port> second = near->MakePort(1, &counters, nullptr).value();
  first->Adopt(first->Bind({.address = 0, .port = 16000}, {}).value());
  AwaitLink(near.get());
  AwaitLink(far.get());
  const std::unique_ptr<Port> far_port = far->MakePort(1, nullptr, nullptr).value();
  SendOne(*far_port);
  ASSERT_TRUE(Next(*second));
  EXPECT_EQ(packet_.local.port, 16000);
  EXPECT_EQ(counters.Read(abi::Counter::kNoLeg), 0u);
  packet_.remote = kFar;
  Packet none;
  EXPECT_EQ(far_port->Receive({&none, 1}, 0), 0u);
  EXPECT_EQ(second->Send({&packet_, 1}), 1u);
}

// ---- what may happen to a device ----------------------------------------------------------------

// As its bus tells when somebody unbinds a card: DPDK's own, whose headers stay behind the fence.
extern "C" void rte_dev_event_callback_process(const char* device, int event);
constexpr int kDeviceRemoved = 1;  // RTE_DEV_EVENT_REMOVE

TEST_F(DpdkTest, ACardThatIsPulledOutIsToldAlsoWithoutALink) {
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(DpdkOn(MemifNear(), OwnAddresses(), 64));
  abi::CounterBlock counters{};
  const std::unique_ptr<Port> port = dpdk->MakePort(0, &counters, nullptr).value();
  dpdk->TakeNews();
  dpdk->Turn(MonotonicNow(), counters);
  EXPECT_THAT(dpdk->TakeNews(), ElementsAre());
  rte_dev_event_callback_process("net_memif0", kDeviceRemoved);
  dpdk->Turn(MonotonicNow(), counters);
  EXPECT_THAT(dpdk->TakeNews(),
              ElementsAre(AllOf(HasSubstr("dpdk:net_memif0 was removed"),
                                HasSubstr("until it is back (scripts/nic show) and the relay is "
                                          "restarted"))));
  // Once; and nobody touches it any more.
  dpdk->Turn(MonotonicNow() + 2 * kSecond, counters);
  EXPECT_THAT(dpdk->TakeNews(), ElementsAre());
  Packet lost;
  ASSERT_TRUE(port->Allocate(&lost));
  lost.remote = kFar;
  EXPECT_EQ(port->Send({&lost, 1}), 0u);
  EXPECT_EQ(counters.Read(abi::Counter::kSendFailed), 1u);
  EXPECT_EQ(port->Receive({&packet_, 1}, 0), 0u);
}

TEST(DpdkCounts, OnesThatTheDriverSetBackBeginAnew) {
  EXPECT_EQ(Growth(3, 5), 2u);
  EXPECT_EQ(Growth(5, 5), 0u);
  EXPECT_EQ(Growth(7, 2), 2u);
}

TEST_F(DpdkTest, BuffersThatRanOutAreToldOnceAMinute) {
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(DpdkOn(kAfPacket, OwnAddresses(), 64));
  abi::CounterBlock counters{};
  const std::unique_ptr<Port> port = dpdk->MakePort(0, &counters, nullptr).value();
  port->Adopt(port->Bind({.address = 0, .port = 16000}, {}).value());
  AwaitLink(dpdk.get());
  std::vector<Packet> all;
  for (Packet packet; port->Allocate(&packet);) all.push_back(packet);
  CableEnd far;
  far.Send(FrameOf(kFar, {.address = kOwnAddress, .port = 16000}, kPayload));
  EXPECT_EQ(port->Receive({&packet_, 1}, 0), 0u);
  TimeNs now = MonotonicNow() + 2 * kSecond;
  dpdk->Turn(now, counters);
  EXPECT_THAT(dpdk->TakeNews(),
              Contains(AllOf(HasSubstr("no buffer was free"), HasSubstr("receive_starved"),
                             HasSubstr("more --workers"))));
  const uint64_t once = counters.Read(abi::Counter::kReceiveStarved);
  EXPECT_GT(once, 0u);
  for (int second = 0; second < 50; ++second) dpdk->Turn(now += kSecond, counters);
  EXPECT_THAT(dpdk->TakeNews(), ElementsAre());
  EXPECT_GT(counters.Read(abi::Counter::kReceiveStarved), once);
  for (int second = 0; second < 20; ++second) dpdk->Turn(now += kSecond, counters);
  EXPECT_THAT(dpdk->TakeNews(), ElementsAre(HasSubstr("no buffer was free")));
  port->Release(all);
  far.Send(FrameOf(kFar, {.address = kOwnAddress, .port = 16000}, kPayload));
  EXPECT_TRUE(Next(*port));
}

// ---- further virtual devices
// ---------------------------------------------------------------------

// What is sent into a ring device comes out of it again: to itself, by its own link address.
TEST_F(DpdkTest, ARingCarriesItsOwnPackets) {
  DpdkOptions options = DpdkOn("net_ring0", OwnAddresses(), 64);
  options.devices[0].next_hop = wire::MacAddress{};  // a ring device has the address 0
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(options);
  abi::CounterBlock counters{};
  const std::unique_ptr<Port> port = dpdk->MakePort(0, &counters, nullptr).value();
  port->Adopt(port->Bind({.address = 0, .port = 16000}, {}).value());
  SendOne(*port);
  ASSERT_TRUE(Next(*port)) << counters.Read(abi::Counter::kNotOurs);
  EXPECT_EQ(packet_.remote.port, 5000);
  EXPECT_TRUE(std::equal(std::begin(kPayload), std::end(kPayload), packet_.data));
}

// The kernel's end of DPDK's own TAP stands for a card's cable.
TEST_F(DpdkTest, ATapCarriesBothWays) {
  DpdkOptions options = DpdkOn("net_tap0,iface=cable0,mac=02:00:00:00:00:01", OwnAddresses(), 64);
  const std::unique_ptr<Dpdk> dpdk = OpenDpdk(options);
  ASSERT_EQ(std::system("ip link set cable0 addrgenmode none up"), 0);
  abi::CounterBlock counters{};
  const std::unique_ptr<Port> port = dpdk->MakePort(0, &counters, nullptr).value();
  port->Adopt(port->Bind({.address = 0, .port = 16000}, {}).value());
  AwaitLink(dpdk.get());
  CableEnd far("cable0");
  far.Send(FrameOf(kFar, {.address = kOwnAddress, .port = 16000}, kPayload));
  ASSERT_TRUE(Next(*port));
  EXPECT_EQ(packet_.remote.port, 4000);
  EXPECT_EQ(port->Send({&packet_, 1}), 1u);
  const TimeNs deadline = MonotonicNow() + 2 * kSecond;
  wire::Frame read;
  do {
    const auto frame = far.Receive(deadline);
    ASSERT_TRUE(frame) << "nothing came out";
    if (wire::ReadFrame(*frame, wire::IpChecksum::kVerify, &read) != wire::FrameVerdict::kUdp) {
      read = {};
    }
  } while (read.destination.port != 4000);
  EXPECT_EQ(read.source.port, 16000);
}

// Frames from a file of tcpdump's, and into one.
TEST_F(DpdkTest, APcapFileIsReadAndWritten) {
  const std::string in = testing::TempDir() + "dpdk-in.pcap";
  const std::string out = testing::TempDir() + "dpdk-out.pcap";
  const std::vector<uint8_t> frame =
      FrameOf(kFar, {.address = kOwnAddress, .port = 16000}, kPayload);
  const auto length = static_cast<uint32_t>(frame.size());
  const uint32_t header[] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1, 0, 0, length, length};
  {
    std::ofstream file(in, std::ios::binary);
    file.write(reinterpret_cast<const char*>(header), sizeof(header));
    file.write(reinterpret_cast<const char*>(frame.data()), length);
  }
  {
    const std::unique_ptr<Dpdk> dpdk =
        OpenDpdk(DpdkOn("net_pcap0,rx_pcap=" + in + ",tx_pcap=" + out, OwnAddresses(), 64));
    abi::CounterBlock counters{};
    // Files have an address of the driver's own; frames in them are for whom they are for.
    const std::unique_ptr<Port> port = dpdk->MakePort(0, &counters, nullptr).value();
    port->Adopt(port->Bind({.address = 0, .port = 16000}, {}).value());
    EXPECT_FALSE(Next(*port)) << "its link address is not the file's";
    EXPECT_EQ(counters.Read(abi::Counter::kNotOurs), 1u);
    SendOne(*port);
  }
  std::ifstream file(out, std::ios::binary);
  const std::string written(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(written.size(), 24u + 16 + 42 + sizeof(kPayload));
  EXPECT_NE(written.find(std::string(reinterpret_cast<const char*>(kPayload), sizeof(kPayload))),
            std::string::npos);
  std::remove(in.c_str());
  std::remove(out.c_str());
}

}  // namespace
}  // namespace relay::port
