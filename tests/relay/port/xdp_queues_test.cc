// AF_XDP with devices of several queues, and what comes for the range beside media. In namespaces
// of the test's own.
#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "relay/port/link.h"
#include "relay/port/neighbour.h"
#include "relay/port/netlink.h"
#include "relay/port/xdp.h"
#include "relay/wire/checksum.h"
#include "tests/relay/port/far_sockets.h"
#include "tests/relay/port/xdp_port_test.h"
#include "tests/support/cable_end.h"
#include "tests/support/veth_lab.h"

namespace relay::port {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr abi::Address kOwn = abi::Address::Ipv4(10, 66, 0, 1);
constexpr abi::Address kOwn6 = {{0xfd, 0x66, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
constexpr abi::Address kFar = abi::Address::Ipv4(10, 66, 0, 2);
constexpr abi::Address kFar6 = {{0xfd, 0x66, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};
constexpr uint16_t kPort = 16000;
constexpr uint8_t kPayload[24] = {0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};

class XdpQueuesTest : public XdpPortTest {
 protected:
  void MakeLab(int queues) { lab_.emplace(1, queues); }
  void Open(uint32_t buffers) {
    Load(buffers);
    const absl::Status attached = port_->AttachThread();
    ASSERT_TRUE(attached.ok()) << attached;
    port_->Adopt(port_->Bind({.address = 0, .port = kPort}, {}).value());
  }
  // The programs are there, and no socket yet.
  void Load(uint32_t buffers) {
    const std::vector<abi::LocalAddress> addresses = {Range(kOwn), Range(kOwn6)};
    const absl::Status opened = OpenPort({.addresses = addresses, .buffers = buffers});
    ASSERT_TRUE(opened.ok()) << opened;
  }
  static abi::LocalAddress Range(const abi::Address& address) {
    return {.address = address,
            .port_first = kPort,
            .port_last = kPort + 99,
            .interface_name = "near0"};
  }
  // Datagrams of that many far sockets: streams, which the device spreads over its queues.
  void SayFromMany(int sockets) {
    lab_->InFar([&] {
      while (far_ends_.size() < static_cast<size_t>(sockets)) far_ends_.push_back(far_.Open());
    });
    for (const abi::Endpoint& from : far_ends_) {
      far_.Say(from, {.address = kOwn, .port = kPort}, kPayload, 0);
    }
  }
  // All that is there, given back.
  int Heard(TimeNs within = 200 * kMillisecond) {
    int heard = 0;
    for (const TimeNs end = MonotonicNow() + within; MonotonicNow() < end;) {
      Packet packet;
      if (port_->Receive({&packet, 1}, 0) == 0) continue;
      ++heard;
      port_->Release({&packet, 1});
    }
    return heard;
  }

  std::optional<test::VethLab> lab_;
  FarSockets far_{kFar};
  std::vector<abi::Endpoint> far_ends_;
};

TEST_F(XdpQueuesTest, QueuesThatAreAddedAreToldAndWhatComesByThemIsCounted) {
  MakeLab(2);
  lab_->Far("ethtool -L far0 rx 1 tx 1");
  lab_->Near("ethtool -L near0 rx 1 tx 1");
  Open(256);
  SayFromMany(40);
  EXPECT_EQ(Heard(), 40);
  EXPECT_THAT(News(), IsEmpty());
  lab_->Near("ethtool -L near0 rx 2 tx 1");
  lab_->Far("ethtool -L far0 rx 1 tx 2");
  EXPECT_THAT(News(), ElementsAre(AllOf(HasSubstr("near0 has 2 queues now, of which the relay "
                                                  "hears 1"),
                                        HasSubstr("`ethtool -L near0 combined 1`"))));
  EXPECT_THAT(News(), IsEmpty());  // told once
  const uint64_t before = conductor_.Read(abi::Counter::kKernelDropped);
  SayFromMany(40);
  const int heard = Heard();
  EXPECT_LT(heard, 40);
  News();
  EXPECT_EQ(conductor_.Read(abi::Counter::kKernelDropped) - before,
            static_cast<uint64_t>(40 - heard));
}

TEST_F(XdpQueuesTest, WhatComesBeforeThereIsASocketIsCounted) {
  MakeLab(1);
  Load(256);
  News();
  SayFromMany(5);
  for (const TimeNs end = MonotonicNow() + 2 * kSecond;
       conductor_.Read(abi::Counter::kKernelDropped) < 5 && MonotonicNow() < end;) {
    News();
  }
  EXPECT_EQ(conductor_.Read(abi::Counter::kKernelDropped), 5u);
}

// A worker sleeps until any of its queues has something, however many they are.
TEST_F(XdpQueuesTest, ASleepingWorkerHearsAllOfManyQueues) {
  MakeLab(96);
  Open(96 * 64);
  SayFromMany(1);  // neighbours are known
  Heard();
  for (int i = 0; i < 40; ++i) {
    abi::Endpoint from;
    lab_->InFar([&] { from = far_.Open(); });
    far_.Say(from, {.address = kOwn, .port = kPort}, kPayload, 0);
    const TimeNs begin = MonotonicNow();
    port_->Wait(2 * kSecond);
    ASSERT_LT(MonotonicNow() - begin, kSecond) << i;
    EXPECT_EQ(Heard(50 * kMillisecond), 1);
  }
}

// ---- fragments ----------------------------------------------------------------------------------

// A datagram to `port` in two frames: the UDP header and eight bytes, then the rest.
std::vector<std::vector<uint8_t>> Fragments(const wire::MacAddress& to,
                                            const wire::MacAddress& from, uint16_t port,
                                            bool ipv4) {
  std::vector<uint8_t> whole(kHeadroom + sizeof(kPayload));
  std::ranges::copy(kPayload, whole.begin() + kHeadroom);
  const wire::Envelope envelope{
      .to = to,
      .from = from,
      .source = {.address = ipv4 ? kFar : kFar6, .port = 4000},
      .destination = {.address = ipv4 ? kOwn : kOwn6, .port = port, .vlan = 0},
      .dscp = 0,
      .udp_checksum = true};
  const size_t headers = wire::WriteHeaders(envelope, std::span(whole).subspan(kHeadroom));
  const auto at = [&](size_t offset) {
    return whole.begin() + static_cast<ptrdiff_t>(kHeadroom - headers + offset);
  };
  const size_t udp = ipv4 ? 34 : 54;
  constexpr size_t kCut = 16;
  std::vector<std::vector<uint8_t>> frames;
  for (const bool first : {true, false}) {
    std::vector<uint8_t> frame(at(0), at(udp));
    const std::vector<uint8_t> data(first ? at(udp) : at(udp + kCut),
                                    first ? at(udp + kCut) : whole.end());
    if (ipv4) {
      frame[17] = static_cast<uint8_t>(20 + data.size());
      frame[18] = 0x12;  // the identification
      frame[20] = first ? 0x20 : 0;
      frame[21] = first ? 0 : kCut / 8;
      frame[24] = frame[25] = 0;
      const auto sum = static_cast<uint16_t>(~wire::SumOf(std::span(frame).subspan(14, 20)));
      std::memcpy(&frame[24], &sum, 2);
    } else {
      frame[19] = static_cast<uint8_t>(8 + data.size());
      frame[20] = 44;
      frame.insert(frame.end(), {17, 0, 0, static_cast<uint8_t>(first ? 1 : kCut), 0, 0, 0x12,
                                 static_cast<uint8_t>(port)});
    }
    frame.insert(frame.end(), data.begin(), data.end());
    frames.push_back(std::move(frame));
  }
  return frames;
}

// An ICMP error would end the far party's call; fragments are no media, and to other ports the
// kernel's.
TEST_F(XdpQueuesTest, FragmentsToTheRangeAreNotRefusedByTheKernel) {
  MakeLab(1);
  Open(256);
  News();
  wire::MacAddress own{};
  wire::MacAddress far{};
  const auto mac_of = [](const char* device) {
    absl::StatusOr<Netlink> netlink = Netlink::Open({});
    return FindLink(ReadLinks(*netlink).value(), device)->mac;
  };
  own = mac_of("near0");
  std::optional<test::CableEnd> cable;
  lab_->InFar([&] {
    far = mac_of("far0");
    cable.emplace("far0");
  });
  const auto refused = [&](uint16_t port, bool ipv4) {
    for (const auto& frame : Fragments(own, far, port, ipv4)) cable->Send(frame);
    const size_t protocol = ipv4 ? 23 : 20;
    const size_t type = ipv4 ? 34 : 54;
    const TimeNs deadline = MonotonicNow() + kSecond / 2;
    while (const auto frame = cable->Receive(deadline)) {
      const bool of_us = frame->size() > type && std::equal(own.begin(), own.end(), &(*frame)[6]);
      if (of_us && (*frame)[12] == (ipv4 ? 0x08 : 0x86) && (*frame)[protocol] == (ipv4 ? 1 : 58) &&
          (*frame)[type] == (ipv4 ? 3 : 1)) {
        return true;
      }
    }
    return false;
  };
  for (const bool ipv4 : {true, false}) {
    EXPECT_TRUE(refused(kPort - 2, ipv4)) << ipv4;
    EXPECT_FALSE(refused(kPort, ipv4)) << ipv4;
  }
  network_->Turn(now_ += kSecond, conductor_);
  EXPECT_EQ(conductor_.Read(abi::Counter::kFragment), 8u);
  port_.reset();
  hops_.reset();
  network_.reset();
  for (const bool ipv4 : {true, false}) {
    EXPECT_TRUE(refused(kPort - 2, ipv4)) << ipv4;
    EXPECT_FALSE(refused(kPort, ipv4)) << ipv4;
  }
}

}  // namespace
}  // namespace relay::port

int main(int count, char** arguments) {
  relay::test::NeedRoot();
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
