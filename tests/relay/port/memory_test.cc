// What is special about the memory port; what all ports have in common is in port_suite.cc.
#include "relay/port/memory.h"

#include <array>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace relay::port {
namespace {

constexpr abi::LocalEndpoint kLocal{.address = 0, .port = 10000};
constexpr abi::Endpoint kRemote{.address = abi::Address::Ipv4(203, 0, 113, 9), .port = 4000};
constexpr abi::Endpoint kOwnAddress{.address = abi::Address::Ipv4(198, 51, 100, 1)};

size_t ReceiveAll(Port& port, std::array<Packet, kBurstMax>& packets, TimeNs now = 1) {
  return port.Receive(packets, now);
}

TEST(MemoryPort, AnInjectedDatagramArrivesAsItWas) {
  MemoryPort port;
  ASSERT_TRUE(port.Inject(
      {.local = kLocal, .remote = kRemote, .payload = {1, 2, 3}, .arrival_ns = 77, .dscp = 46}));
  std::array<Packet, kBurstMax> packets;
  ASSERT_EQ(ReceiveAll(port, packets), 1u);
  const Packet& packet = packets[0];
  EXPECT_EQ(packet.length, 3u);
  EXPECT_EQ(packet.data[2], 3);
  EXPECT_EQ(packet.headroom, kHeadroom);
  EXPECT_EQ(packet.tailroom, kBufferSize - kHeadroom - 3);
  EXPECT_EQ(packet.arrival_ns, 77u);
  EXPECT_EQ(packet.local, kLocal);
  EXPECT_EQ(packet.remote, kRemote);
  EXPECT_EQ(packet.dscp, 46);
  EXPECT_EQ(packet.handle, kNoHandle);
  EXPECT_EQ(packet.owner, &port);
  port.Release({packets.data(), 1});
  EXPECT_EQ(port.buffers_free(), 4096u);
}

TEST(MemoryPort, UnboundEndpointsAreCountedWhenOnlyBoundOnesAreWanted) {
  abi::CounterBlock counters{};
  MemoryPort port({.deliver_unbound = false, .counters = &counters});
  std::array<Packet, kBurstMax> packets;
  ASSERT_TRUE(port.Inject({.local = kLocal, .remote = kRemote, .payload = {1}}));
  EXPECT_EQ(ReceiveAll(port, packets), 0u);
  EXPECT_EQ(counters.Read(abi::Counter::kNotOurs), 1u);

  const Handle handle = port.Bind(kLocal, kOwnAddress).value();
  port.Adopt(handle);
  ASSERT_TRUE(port.Inject({.local = kLocal, .remote = kRemote, .payload = {1}}));
  ASSERT_EQ(ReceiveAll(port, packets), 1u);
  EXPECT_EQ(packets[0].handle, handle);
  port.Release({packets.data(), 1});
}

TEST(MemoryPort, WhatIsSentIsCollectedWithItsEndpoints) {
  MemoryPort port;
  Packet packet;
  ASSERT_TRUE(port.Allocate(&packet));
  packet.data[0] = 0x80;
  packet.length = 1;
  packet.local = {.address = 3, .port = 10002};
  packet.remote = kRemote;
  packet.dscp = 34;
  EXPECT_EQ(port.Send({&packet, 1}), 1u);
  EXPECT_EQ(port.buffers_free(), 4096u);
  const std::optional<Datagram> sent = port.Collect();
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->local, packet.local);
  EXPECT_EQ(sent->remote, kRemote);
  EXPECT_EQ(sent->payload, std::vector<uint8_t>{0x80});
  EXPECT_EQ(sent->dscp, 34);
  EXPECT_FALSE(port.Collect());
}

TEST(MemoryPort, RefusedSendsAreCountedAndTheirBuffersComeBack) {
  abi::CounterBlock counters{};
  MemoryPort port({.buffers = 4, .counters = &counters});
  std::array<Packet, 3> packets;
  for (Packet& packet : packets) {
    ASSERT_TRUE(port.Allocate(&packet));
    packet.remote = kRemote;
  }
  port.FailSends(2);
  EXPECT_EQ(port.Send(packets), 1u);
  EXPECT_EQ(counters.Read(abi::Counter::kSendFailed), 2u);
  EXPECT_EQ(port.buffers_free(), 4u);
}

TEST(MemoryPort, AnEmptyPoolLeavesArrivalsWaiting) {
  MemoryPort port;
  ASSERT_TRUE(port.Inject({.local = kLocal, .remote = kRemote, .payload = {1}}));
  std::array<Packet, kBurstMax> packets;
  port.set_pool_empty(true);
  Packet packet;
  EXPECT_FALSE(port.Allocate(&packet));
  EXPECT_EQ(ReceiveAll(port, packets), 0u);
  port.set_pool_empty(false);
  EXPECT_EQ(ReceiveAll(port, packets), 1u);
  port.Release({packets.data(), 1});
}

TEST(MemoryPort, AFullCableRefuses) {
  MemoryPort port({.cable_slots = 2});
  const Datagram datagram{.local = kLocal, .remote = kRemote, .payload = {1}};
  EXPECT_TRUE(port.Inject(datagram));
  EXPECT_TRUE(port.Inject(datagram));
  EXPECT_FALSE(port.Inject(datagram));
  EXPECT_FALSE(port.Inject(
      {.local = kLocal, .remote = kRemote, .payload = std::vector<uint8_t>(kPayloadMax + 1)}));
}

TEST(MemoryPort, APairCarriesDatagramsBothWays) {
  auto [left, right] = MemoryPort::MakePair();
  const abi::Endpoint left_address{.address = abi::Address::Ipv4(10, 0, 0, 1)};
  const abi::Endpoint right_address{.address = abi::Address::Ipv4(10, 0, 0, 2)};
  left->Adopt(left->Bind({.address = 0, .port = 10000}, left_address).value());
  right->Adopt(right->Bind({.address = 0, .port = 20000}, right_address).value());
  Packet packet;
  ASSERT_TRUE(left->Allocate(&packet));
  packet.data[0] = 9;
  packet.length = 1;
  packet.local = {.address = 0, .port = 10000};
  packet.remote = right_address;
  packet.remote.port = 20000;
  ASSERT_EQ(left->Send({&packet, 1}), 1u);

  std::array<Packet, kBurstMax> packets;
  ASSERT_EQ(right->Receive(packets, 5), 1u);
  EXPECT_EQ(packets[0].arrival_ns, 5u);
  EXPECT_EQ(packets[0].local.port, 20000);
  EXPECT_EQ(packets[0].remote.address, left_address.address);
  EXPECT_EQ(packets[0].remote.port, 10000);

  std::swap(packets[0].remote.port, packets[0].local.port);
  packets[0].local.port = 20000;
  packets[0].remote.port = 10000;
  ASSERT_EQ(right->Send({packets.data(), 1}), 1u);
  ASSERT_EQ(left->Receive(packets, 6), 1u);
  EXPECT_EQ(packets[0].data[0], 9);
  left->Release({packets.data(), 1});
}

TEST(MemoryPort, FramesThatAreRefusedMoveTheirCounter) {
  abi::CounterBlock counters{};
  MemoryPort port({.carries = MemoryOptions::Carries::kFrames, .counters = &counters});
  std::array<Packet, kBurstMax> packets;
  // What one port sends is a frame that another may be given, with or without damage.
  Packet packet;
  ASSERT_TRUE(port.Allocate(&packet));
  packet.length = 3;
  packet.local = {.address = 7, .port = 9};
  packet.remote = port.AddressOf(kLocal);
  ASSERT_EQ(port.Send({&packet, 1}), 1u);
  const std::vector<uint8_t> good = port.CollectFrame().value();
  ASSERT_TRUE(port.InjectFrame(good));
  ASSERT_EQ(ReceiveAll(port, packets), 1u);
  EXPECT_EQ(packets[0].checksum, Checksum::kGood);
  port.Release({packets.data(), 1});

  const auto counted = [&](size_t offset, uint8_t flip, abi::Counter counter) {
    std::vector<uint8_t> bad = good;
    bad[offset] = static_cast<uint8_t>(bad[offset] ^ flip);
    const uint64_t before = counters.Read(counter);
    return port.InjectFrame(bad) && ReceiveAll(port, packets) == 0 &&
           counters.Read(counter) == before + 1;
  };
  EXPECT_TRUE(counted(14, 0x20, abi::Counter::kBadFrame));     // IP version
  EXPECT_TRUE(counted(26, 0x01, abi::Counter::kBadChecksum));  // IP source
  EXPECT_TRUE(counted(43, 0x01, abi::Counter::kBadChecksum));  // payload
  EXPECT_TRUE(counted(13, 0x06, abi::Counter::kNotOurs));      // ARP
  EXPECT_EQ(port.buffers_free(), 4096u);
}

class CountingOutside final : public Outside {
 public:
  size_t Give(MemoryPort& port, std::span<Packet> packets, TimeNs) override {
    size_t count = 0;
    while (count < packets.size() && count < 5 && port.Allocate(&packets[count])) ++count;
    return count;
  }
  void Take(std::span<const Packet> packets) override { taken += packets.size(); }
  size_t taken = 0;
};

TEST(MemoryPort, AnOutsideIsAskedOnceABurst) {
  CountingOutside outside;
  MemoryPort port({.buffers = 8, .outside = &outside});
  std::array<Packet, kBurstMax> packets;
  ASSERT_EQ(ReceiveAll(port, packets), 5u);
  EXPECT_EQ(port.buffers_free(), 3u);
  EXPECT_EQ(port.Send({packets.data(), 5}), 5u);
  EXPECT_EQ(outside.taken, 5u);
  EXPECT_EQ(port.buffers_free(), 8u);
}

TEST(MemoryPort, ATakenEndpointIsRefusedUntilItIsDropped) {
  MemoryPort port;
  const Handle handle = port.Bind(kLocal, kOwnAddress).value();
  EXPECT_EQ(port.Bind(kLocal, kOwnAddress).status().code(), absl::StatusCode::kAlreadyExists);
  port.Adopt(handle);
  port.Drop(handle);
  EXPECT_EQ(port.bound(), 0u);
  EXPECT_TRUE(port.Bind(kLocal, kOwnAddress).ok());
}

TEST(MemoryPort, ADatagramFromAnotherThreadEndsAWait) {
  MemoryPort port;
  std::thread far(
      [&port] { ASSERT_TRUE(port.Inject({.local = kLocal, .remote = kRemote, .payload = {1}})); });
  std::array<Packet, kBurstMax> packets;
  size_t received = 0;
  while (received == 0) {
    port.Wait(10 * kSecond);
    received = ReceiveAll(port, packets);
  }
  far.join();
  port.Release({packets.data(), received});
}

}  // namespace
}  // namespace relay::port
