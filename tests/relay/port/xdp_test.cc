// What AF_XDP takes from a device and what it leaves to the kernel, and what is said when something
// about the device changes. In namespaces of the test's own.
#include "relay/port/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <xdp/xsk.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "relay/port/link.h"
#include "relay/port/neighbour.h"
#include "relay/port/netlink.h"
#include "relay/port/xdp_preflight.h"
#include "relay/port/xdp_umem.h"
#include "relay/wire/checksum.h"
#include "tests/relay/port/far_sockets.h"
#include "tests/relay/port/xdp_port_test.h"
#include "tests/support/cable_end.h"
#include "tests/support/veth_lab.h"

namespace relay::port {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr abi::Address kOwn = abi::Address::Ipv4(10, 66, 0, 1);
constexpr abi::Address kFar = abi::Address::Ipv4(10, 66, 0, 2);
constexpr abi::Endpoint kFarEnd = {.address = kFar, .port = 4000};
constexpr uint16_t kPort = 16000;
constexpr wire::MacAddress kStrange = {0x02, 0, 0, 0, 0x66, 0x99};
constexpr uint8_t kPayload[] = {0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};

abi::LocalAddress Range(uint16_t first, uint16_t last, uint16_t vlan = 0) {
  return {.address = kOwn,
          .vlan = vlan,
          .port_first = first,
          .port_last = last,
          .interface_name = "near0"};
}

wire::MacAddress MacOf(const char* device) {
  absl::StatusOr<Netlink> netlink = Netlink::Open({});
  return FindLink(ReadLinks(*netlink).value(), device)->mac;
}

class XdpTest : public XdpPortTest {
 protected:
  void SetUp() override {
    far_mac_ = FarMac();
    // No kernel says anything by itself.
    lab_.Near("sysctl -qw net.ipv6.conf.near0.disable_ipv6=1");
    lab_.Far("sysctl -qw net.ipv6.conf.far0.disable_ipv6=1");
  }

  absl::Status Open(XdpOptions options) {
    options.buffers = 256;
    const absl::Status opened = OpenPort(options);
    if (!opened.ok()) return opened;
    absl::Status status = port_->AttachThread();
    for (uint16_t i = 0; status.ok() && i < options.addresses.size(); ++i) {
      const abi::LocalAddress& address = options.addresses[i];
      for (const uint16_t port : {address.port_first, address.port_last}) {
        port_->Adopt(port_->Bind({.address = i, .port = port}, {}).value());
      }
    }
    return status;
  }
  wire::MacAddress FarMac() {
    wire::MacAddress mac{};
    lab_.InFar([&mac] { mac = MacOf("far0"); });
    return mac;
  }
  // The far end of the cable, frame by frame.
  test::CableEnd& cable() {
    if (!cable_) lab_.InFar([this] { cable_.emplace("far0"); });
    return *cable_;
  }
  std::vector<uint8_t> Frame(const wire::MacAddress& to, uint16_t port, uint16_t vlan = 0) const {
    std::vector<uint8_t> bytes(kHeadroom + sizeof(kPayload));
    std::ranges::copy(kPayload, bytes.begin() + kHeadroom);
    const wire::Envelope envelope{.to = to,
                                  .from = far_mac_,
                                  .source = kFarEnd,
                                  .destination = {.address = kOwn, .port = port, .vlan = vlan},
                                  .dscp = 46,
                                  .udp_checksum = true};
    const size_t headers = wire::WriteHeaders(envelope, std::span(bytes).subspan(kHeadroom));
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(kHeadroom - headers));
    return bytes;
  }
  // The next packet of the relay, or none within `wait`.
  std::optional<Packet> Next(TimeNs wait = 2 * kSecond) {
    const TimeNs deadline = MonotonicNow() + wait;
    Packet packet;
    do {
      if (port_->Receive({&packet, 1}, 0) == 1) return packet;
    } while (MonotonicNow() < deadline);
    return std::nullopt;
  }
  // A datagram to a port of the relay comes out of it.
  bool Hears(uint16_t port) {
    const std::optional<Packet> packet = Next();
    if (!packet) return false;
    port_->Release({&*packet, 1});
    return packet->local.port == port;
  }
  uint64_t Counted(abi::Counter counter) const {
    return counters_.Read(counter) + conductor_.Read(counter);
  }

  test::VethLab lab_;
  wire::MacAddress far_mac_{};
  std::optional<test::CableEnd> cable_;
};

// ---- ours or the kernel's -----------------------------------------------------------------------

TEST_F(XdpTest, WhatLiesBetweenTwoRangesIsTheKernels) {
  ASSERT_TRUE(Open({.addresses = {Range(10000, 10999), Range(12000, 12999)}}).ok());
  FarSockets near(kOwn);
  const abi::Endpoint between = near.Open(11000);
  const abi::Endpoint inside = near.Open(12000);
  FarSockets far(kFar);
  abi::Endpoint from;
  lab_.InFar([&] { from = far.Open(); });
  const auto say = [&](uint16_t port) {
    far.Say(from, {.address = kOwn, .port = port}, kPayload, 0);
  };
  for (const uint16_t port : {10000, 10999, 12000, 12999}) {
    say(port);
    EXPECT_TRUE(Hears(port)) << port;
  }
  say(11000);
  EXPECT_TRUE(near.Hear(between));
  // While no relay is there its filter stands for it, for the same ports.
  News();
  ClosePort();
  say(12000);
  say(11000);
  EXPECT_TRUE(near.Hear(between));
  EXPECT_FALSE(near.Hear(inside));
}

TEST_F(XdpTest, MoreRangesThanTheProgramTakesAreRefused) {
  std::vector<abi::LocalAddress> ranges;
  for (uint16_t first = 10000; first < 15000; first += 1000) {
    ranges.push_back(Range(first, static_cast<uint16_t>(first + 99)));
  }
  EXPECT_THAT(
      std::string(Open({.addresses = ranges}).message()),
      AllOf(HasSubstr("10.66.0.1 has more than 4 port ranges on near0"), HasSubstr("join them")));
}

TEST_F(XdpTest, FramesForAnotherHostAreTheKernels) {
  lab_.Near(
      "nft 'add table netdev t; add chain netdev t in { type filter hook ingress device near0 "
      "priority 0; }; add rule netdev t in udp dport 16000 counter'");
  const auto behind_the_guard = [](int packets) {
    return std::system(absl::StrCat("nft list table netdev t | grep -q 'packets ", packets, " '")
                           .c_str()) == 0;
  };
  ASSERT_TRUE(Open({.addresses = {Range(10000, 19998), Range(kPort + 4000, kPort + 4001)}}).ok());
  port_->Adopt(port_->Bind({.address = 0, .port = kPort}, {}).value());
  News();
  const uint64_t before = Counted(abi::Counter::kNotOurs);
  cable().Send(Frame(kStrange, kPort));
  cable().Send(Frame(MacOf("near0"), kPort));
  EXPECT_TRUE(Hears(kPort));
  News();
  EXPECT_EQ(Counted(abi::Counter::kNotOurs), before + 1);
  EXPECT_EQ(counters_.Read(abi::Counter::kNotOurs), 0u) << "it came as far as the worker";
  EXPECT_TRUE(behind_the_guard(1));
  ClosePort();
  cable().Send(Frame(MacOf("near0"), kPort));
  cable().Send(Frame(kStrange, kPort));
  EXPECT_TRUE(behind_the_guard(2));
}

TEST_F(XdpTest, AChangedOwnLinkAddressIsFollowed) {
  ASSERT_TRUE(Open({.addresses = {Range(kPort, kPort + 99)}}).ok());
  const wire::MacAddress before = MacOf("near0");
  cable().Send(Frame(before, kPort));
  EXPECT_TRUE(Hears(kPort));
  hops_->Approach(0, kFar);
  lab_.Near("ip link set near0 address 02:00:00:00:66:99");
  EXPECT_THAT(News(), Contains(AllOf(HasSubstr("near0 has the link address 02:00:00:00:66:99 now"),
                                     HasSubstr("its calls go on"))));
  EXPECT_THAT(News(), IsEmpty());
  cable().Send(Frame(before, kPort));
  cable().Send(Frame(kStrange, kPort));
  EXPECT_TRUE(Hears(kPort));
  EXPECT_FALSE(Next(0));
  // And what leaves has it, too.
  Hop hop;
  const TimeNs deadline = MonotonicNow() + 5 * kSecond;
  while (!hops_->reader(0)->Find(0, kFar, &hop) && MonotonicNow() < deadline) {
    hops_->Turn(now_ += kMillisecond, conductor_);
  }
  EXPECT_EQ(hop.from, kStrange);
}

TEST_F(XdpTest, FramesOfAVlan) {
  ASSERT_TRUE(Open({.addresses = {Range(kPort, kPort + 99, 77)}}).ok());
  const wire::MacAddress own = MacOf("near0");
  FarSockets near(kOwn);
  const abi::Endpoint untagged = near.Open(kPort);
  News();
  const uint64_t before = Counted(abi::Counter::kNotOurs);
  cable().Send(Frame(own, kPort));
  cable().Send(Frame(own, kPort, 78));
  cable().Send(Frame(own, kPort, 77));
  const std::optional<Packet> packet = Next();
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->remote.vlan, 77);
  EXPECT_TRUE(std::equal(std::begin(kPayload), std::end(kPayload), packet->data));
  EXPECT_EQ(packet->length, sizeof(kPayload));
  port_->Release({&*packet, 1});
  EXPECT_FALSE(Next(0));
  News();
  EXPECT_EQ(Counted(abi::Counter::kNotOurs), before + 2);
  EXPECT_TRUE(near.Hear(untagged));
}

TEST_F(XdpTest, Ipv4OptionsAreSkipped) {
  ASSERT_TRUE(Open({.addresses = {Range(kPort, kPort + 99)}}).ok());
  std::vector<uint8_t> frame = Frame(MacOf("near0"), kPort);
  const uint8_t router_alert[] = {0x94, 4, 0, 0};  // RFC 2113
  frame.insert(frame.begin() + 34, std::begin(router_alert), std::end(router_alert));
  frame[14] = 0x46;
  frame[17] = static_cast<uint8_t>(frame[17] + 4);
  frame[24] = frame[25] = 0;
  const auto sum = static_cast<uint16_t>(~wire::SumOf(std::span(frame).subspan(14, 24)));
  std::memcpy(&frame[24], &sum, 2);
  cable().Send(frame);
  const std::optional<Packet> packet = Next();
  ASSERT_TRUE(packet);
  EXPECT_TRUE(std::equal(std::begin(kPayload), std::end(kPayload), packet->data));
  EXPECT_EQ(packet->length, sizeof(kPayload));
  port_->Release({&*packet, 1});
}

// A start that came to nothing must not leave the range deaf for what runs instead.
TEST_F(XdpTest, TheGuardStaysOnceTheRelayRuns) {
  constexpr char kNoGuard[] = "! tc filter show dev near0 ingress | grep -q 'pref 30104'";
  constexpr char kGuard[] = "tc filter show dev near0 ingress | grep -q 'pref 30104'";
  ASSERT_TRUE(Open({.addresses = {Range(10000, 10999)}}).ok());
  ClosePort();  // before its first turn
  lab_.Near(kNoGuard);
  ASSERT_TRUE(Open({.addresses = {Range(10000, 10999)}}).ok());
  News();
  ClosePort();
  lab_.Near(kGuard);
  // Found there, it is left there.
  ASSERT_TRUE(Open({.addresses = {Range(10000, 10999)}}).ok());
  ClosePort();
  lab_.Near(kGuard);
}

TEST_F(XdpTest, ARefusedStartLeavesAnEarlierRelaysGuardAsItWas) {
  ASSERT_TRUE(Open({.addresses = {Range(10000, 10999)}}).ok());
  News();
  ClosePort();
  lab_.Far("ip link set far0 mtu 9000");
  EXPECT_FALSE(Open({.addresses = {Range(12000, 12999)}, .mode = XdpMode::kNative}).ok());
  const abi::LocalAddress refused[] = {Range(12000, 12999)};
  EXPECT_THAT(XdpNetwork::TakeGuardsOff(refused), IsEmpty());
  const abi::LocalAddress earlier[] = {Range(10000, 10999)};
  EXPECT_THAT(XdpNetwork::TakeGuardsOff(earlier), ElementsAre(HasSubstr("near0")));
}

TEST_F(XdpTest, AGuardThatCannotBePutIsOneSentence) {
  ASSERT_TRUE(Open({.addresses = {Range(10000, 10999)}}).ok());
  lab_.Near("ip link delete near0");
  EXPECT_THAT(News(), Contains(HasSubstr("near0 has no guard, and while the relay is away")));
  EXPECT_THAT(News(), Not(Contains(HasSubstr("guard"))));
}

TEST_F(XdpTest, AGuardIsTakenOffForSocketsOfItsRangeAlone) {
  constexpr char kNoGuard[] = "! tc filter show dev near0 ingress | grep -q 'pref 30104'";
  ASSERT_TRUE(Open({.addresses = {Range(10000, 10999)}}).ok());
  News();
  const abi::LocalAddress same[] = {Range(10500, 11999)};
  EXPECT_THAT(XdpNetwork::TakeGuardsOff(same), IsEmpty());  // its relay lives
  ClosePort();
  const abi::LocalAddress other[] = {Range(11000, 11999)};
  EXPECT_THAT(XdpNetwork::TakeGuardsOff(other), IsEmpty());
  lab_.Near("tc filter show dev near0 ingress | grep -q 'pref 30104'");
  EXPECT_THAT(XdpNetwork::TakeGuardsOff(same),
              ElementsAre(HasSubstr("the guard that a relay with --port xdp:near0 had left")));
  lab_.Near(kNoGuard);
  EXPECT_THAT(XdpNetwork::TakeGuardsOff(same), IsEmpty());
}

// ---- modes --------------------------------------------------------------------------------------

// As somebody does by `bpftool link detach`. Links are the whole machine's: one of another network
// namespace may be of a device of the same number, so the program of ours is asked for.
void TakeProgramOff() {
  uint32_t program = 0;
  ASSERT_EQ(bpf_xdp_query_id(static_cast<int>(if_nametoindex("near0")), 0, &program), 0);
  uint32_t id = 0;
  while (bpf_link_get_next_id(id, &id) == 0) {
    const abi::Descriptor link(bpf_link_get_fd_by_id(id));
    bpf_link_info facts{};
    uint32_t length = sizeof(facts);
    if (bpf_obj_get_info_by_fd(link.get(), &facts, &length) == 0 &&
        facts.type == BPF_LINK_TYPE_XDP && facts.prog_id == program) {
      EXPECT_EQ(bpf_link_detach(link.get()), 0);
    }
  }
}

// A veth whose other end has such an MTU takes no native program any more.
constexpr char kTooLarge[] = "ip link set far0 mtu 9000";

TEST_F(XdpTest, AProgramThatCanOnlyComeBackInGenericModeSaysSo) {
  ASSERT_TRUE(Open({.addresses = {Range(kPort, kPort + 99)}}).ok());
  News();
  EXPECT_EQ(Counted(abi::Counter::kXdpCopy), 1u);
  EXPECT_EQ(Counted(abi::Counter::kXdpGeneric), 0u);
  TakeProgramOff();
  lab_.Far(kTooLarge);
  EXPECT_THAT(News(), ElementsAre(AllOf(HasSubstr("took the steering program off near0"),
                                        HasSubstr("attached again, but in generic mode"),
                                        HasSubstr("restart the relay"))));
  EXPECT_EQ(Counted(abi::Counter::kXdpCopy), 0u);
  EXPECT_EQ(Counted(abi::Counter::kXdpGeneric), 1u);
  cable().Send(Frame(MacOf("near0"), kPort));
  EXPECT_TRUE(Hears(kPort));
  lab_.Far("ip link set far0 mtu 1500");
  TakeProgramOff();
  EXPECT_THAT(News(), ElementsAre(HasSubstr("attached again, and in native mode now")));
  EXPECT_EQ(Counted(abi::Counter::kXdpCopy), 1u);
  EXPECT_EQ(Counted(abi::Counter::kXdpGeneric), 0u);
  EXPECT_EQ(Counted(abi::Counter::kXdpReattached), 2u);
}

TEST_F(XdpTest, APolicyThatForbidsGenericModeHoldsAtReattachToo) {
  ASSERT_TRUE(Open({.addresses = {Range(kPort, kPort + 99)}, .mode = XdpMode::kNative}).ok());
  TakeProgramOff();
  lab_.Far(kTooLarge);
  EXPECT_THAT(News(), ElementsAre(AllOf(HasSubstr("its calls are not heard"),
                                        HasSubstr("--xdp-mode forbids the generic mode"))));
  EXPECT_THAT(News(), IsEmpty());  // told once
  lab_.Far("ip link set far0 mtu 1500");
  EXPECT_THAT(News(), ElementsAre(HasSubstr("it is attached again")));
  EXPECT_EQ(Counted(abi::Counter::kXdpGeneric), 0u);
}

TEST_F(XdpTest, WhatTheDriverCannotIsRefusedWhereThePolicyWantsIt) {
  lab_.Far(kTooLarge);
  EXPECT_THAT(
      std::string(
          Open({.addresses = {Range(kPort, kPort + 99)}, .mode = XdpMode::kNative}).message()),
      AllOf(HasSubstr("the driver of near0 takes no XDP program"),
            HasSubstr("--xdp-mode forbids the generic mode")));
  ASSERT_TRUE(Open({.addresses = {Range(kPort, kPort + 99)}}).ok());
  EXPECT_THAT(network_->Report(), ElementsAre(HasSubstr("near0: generic, copy")));
  News();
  EXPECT_EQ(Counted(abi::Counter::kXdpGeneric), 1u);
}

TEST_F(XdpTest, AQueueThatAnotherProgramHasIsRefused) {
  std::vector<uint8_t> memory(64 * 2048 + 4096);
  void* frames = memory.data();
  size_t room = memory.size();
  std::align(4096, 64 * 2048, frames, room);
  xsk_ring_prod fill{};
  xsk_ring_cons sent{};
  xsk_ring_cons arrived{};
  xsk_umem* umem = nullptr;
  ASSERT_EQ(xsk_umem__create(&umem, frames, 64 * 2048, &fill, &sent, nullptr), 0);
  xsk_socket_config config{};
  config.rx_size = 64;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  xsk_socket* other = nullptr;
  ASSERT_EQ(xsk_socket__create(&other, "near0", 0, umem, &arrived, nullptr, &config), 0);
  EXPECT_THAT(std::string(Open({.addresses = {Range(kPort, kPort + 99)}}).message()),
              AllOf(HasSubstr("queue 0 of near0 has another AF_XDP socket"), HasSubstr("stop it")));
  xsk_socket__delete(other);
  xsk_umem__delete(umem);
}

TEST_F(XdpTest, AQueueWhoseOpeningFailedIsFreeAgain) {
  XdpOptions options{.addresses = {Range(kPort, kPort + 99)}};
  options.busy_poll_us = 1U << 31;  // the kernel takes no negative number
  EXPECT_THAT(std::string(Open(options).message()), HasSubstr("busy polling of queue 0 of near0"));
  ClosePort();
  EXPECT_TRUE(Open({.addresses = {Range(kPort, kPort + 99)}}).ok());
}

// Frames that the kernel copies need not lie at powers of two.
TEST_F(XdpTest, CopiedFramesAreSpreadOverTheCaches) {
  ASSERT_TRUE(Open({.addresses = {Range(kPort, kPort + 99)}}).ok());
  Packet packets[2];
  for (Packet& packet : packets) ASSERT_TRUE(port_->Allocate(&packet));
  EXPECT_EQ(std::abs(packets[1].data - packets[0].data), ptrdiff_t{XdpUmem::kSpreadSize});
  port_->Release(packets);
}

// ---- faults -------------------------------------------------------------------------------------

TEST_F(XdpTest, BuffersThatRunOutAreToldOnceAndTheLegsOutliveIt) {
  ASSERT_TRUE(Open({.addresses = {Range(kPort, kPort + 99)}}).ok());
  EXPECT_THAT(News(), IsEmpty());
  std::vector<Packet> all;
  for (Packet packet; port_->Allocate(&packet);) all.push_back(packet);
  const uint32_t bound = XdpNetwork::Bound(*port_);
  const auto flood = [this] {
    std::vector<Packet> held;
    EXPECT_FALSE(Next(0));  // what was given back waits for arrivals again
    for (int i = 0; i < 200; ++i) cable().Send(Frame(MacOf("near0"), kPort));
    for (std::optional<Packet> one = Next(); one; one = Next(0)) held.push_back(*one);
    EXPECT_FALSE(Next(100 * kMillisecond));
    EXPECT_LT(held.size(), 200u);
    port_->Release(held);
  };
  flood();
  EXPECT_GT(counters_.Read(abi::Counter::kReceiveStarved), 0u);
  EXPECT_THAT(News(), ElementsAre(AllOf(HasSubstr("worker 0 had too few free buffers"),
                                        HasSubstr("no call ends"), HasSubstr("--workers"))));
  flood();
  EXPECT_THAT(News(), IsEmpty());  // not again so soon
  now_ += 60 * kSecond;
  EXPECT_THAT(News(), ElementsAre(HasSubstr("worker 0 had too few free buffers")));
  port_->Release(all);
  while (std::optional<Packet> one = Next(100 * kMillisecond)) port_->Release({&*one, 1});
  EXPECT_EQ(XdpNetwork::Bound(*port_), bound);
  cable().Send(Frame(MacOf("near0"), kPort));
  EXPECT_TRUE(Hears(kPort));
  now_ += 60 * kSecond;
  EXPECT_THAT(News(), IsEmpty());
}

TEST(XdpDevice, WhatAVethSaysOfItself) {
  test::VethLab lab(1, 2);
  EXPECT_EQ(ReadDevice("near0", 1500, true).queues, 2u);
  lab.Near("ethtool -K near0 rxvlan on");
  EXPECT_TRUE(ReadDevice("near0", 1500, true).strips_vlan);
  lab.Near("ethtool -K near0 rxvlan off");
  EXPECT_FALSE(ReadDevice("near0", 1500, true).strips_vlan);
  lab.Near("ethtool -L near0 rx 1 tx 1");
  EXPECT_EQ(ReadDevice("near0", 1500, true).queues, 1u);
}

}  // namespace
}  // namespace relay::port

int main(int count, char** arguments) {
  relay::test::NeedRoot();
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
