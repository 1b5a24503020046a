#include "relay/worker/hand_over.h"

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "gtest/gtest.h"
#include "relay/port/memory.h"

namespace relay::worker {
namespace {

using port::MemoryPort;
using port::Packet;

class HandOverTest : public testing::Test {
 protected:
  Packet Compose(uint16_t local_port, uint32_t number) {
    Packet packet;
    EXPECT_TRUE(near_.Allocate(&packet));
    std::memcpy(packet.data, &number, sizeof(number));
    packet.length = sizeof(number);
    packet.local = {.address = 0, .port = local_port};
    packet.dscp = 46;
    packet.arrival_ns = number;
    packet.handle = number + 1;
    packet.remote = kRemote;
    packet.checksum = port::Checksum::kPartial;
    return packet;
  }
  static constexpr abi::Endpoint kRemote{
      .address = abi::Address::Ipv4(192, 0, 2, 9), .port = 4000, .vlan = 7, .interface = 2};
  // By worker 0 to worker 1.
  bool Give(uint32_t number, uint8_t port_index = 0) {
    const Packet packet = Compose(10002, number);
    const bool given = hand_over_.Give(0, 1, port_index, packet);
    near_.Release({&packet, 1});
    return given;
  }
  size_t Take(uint8_t* port_index) { return hand_over_.Take(1, ports_, packets_, port_index); }
  static uint32_t NumberOf(const Packet& packet) {
    uint32_t number = 0;
    std::memcpy(&number, packet.data, sizeof(number));
    return number;
  }

  HandOver hand_over_{2, abi::EvenPlacement(abi::PlacementKind::kHandOver, 2)};
  MemoryPort near_{{.buffers = 64}};
  MemoryPort far_{{.buffers = 64}};
  MemoryPort far_second_{{.buffers = 64}};
  std::array<port::Port*, 2> ports_{&far_, &far_second_};
  std::array<Packet, kBurstMax> packets_;
};

TEST_F(HandOverTest, TheOwnerIsWhoThePlacementSays) {
  const Packet even = Compose(10000, 0);
  const Packet odd = Compose(10003, 0);  // RTCP of the pair 10002
  EXPECT_EQ(hand_over_.OwnerOf(even), 0);
  EXPECT_EQ(hand_over_.OwnerOf(odd), 1);
  near_.Release({&even, 1});
  near_.Release({&odd, 1});
}

TEST_F(HandOverTest, APacketArrivesWholeInABufferOfItsNewWorker) {
  ASSERT_TRUE(Give(7));
  uint8_t port_index = 9;
  EXPECT_EQ(Take(&port_index), 0u);  // not shown yet
  hand_over_.Publish(0);
  ASSERT_EQ(Take(&port_index), 1u);
  EXPECT_EQ(port_index, 0);
  EXPECT_EQ(NumberOf(packets_[0]), 7u);
  EXPECT_EQ(packets_[0].owner, &far_);
  EXPECT_EQ(packets_[0].dscp, 46);
  EXPECT_EQ(packets_[0].arrival_ns, 7u);
  EXPECT_EQ(packets_[0].local.port, 10002);
  EXPECT_EQ(packets_[0].handle, 8u);
  EXPECT_EQ(packets_[0].remote, kRemote);
  EXPECT_EQ(packets_[0].checksum, port::Checksum::kPartial);
  EXPECT_EQ(packets_[0].length, sizeof(uint32_t));
  EXPECT_GE(packets_[0].tailroom, kTailroom);
  far_.Release({packets_.data(), 1});
  EXPECT_EQ(far_.buffers_free(), 64u);
  EXPECT_EQ(near_.buffers_free(), 64u);
}

TEST_F(HandOverTest, ABurstIsOfOnePort) {
  ASSERT_TRUE(Give(1, 0));
  ASSERT_TRUE(Give(2, 1));
  hand_over_.Publish(0);
  uint8_t port_index = 9;
  ASSERT_EQ(Take(&port_index), 1u);
  EXPECT_EQ(port_index, 0);
  far_.Release({packets_.data(), 1});
  ASSERT_EQ(Take(&port_index), 1u);
  EXPECT_EQ(port_index, 1);
  far_second_.Release({packets_.data(), 1});
}

TEST_F(HandOverTest, AFullRingRefusesAndAnEmptyPoolWaits) {
  uint32_t given = 0;
  while (Give(given)) ++given;
  EXPECT_EQ(given, 512u);
  hand_over_.Publish(0);
  far_.set_pool_empty(true);
  uint8_t port_index = 0;
  EXPECT_EQ(Take(&port_index), 0u);
  far_.set_pool_empty(false);
  for (uint32_t next = 0; next < given;) {
    const size_t count = Take(&port_index);
    ASSERT_GT(count, 0u);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(NumberOf(packets_[i]), next++);
    far_.Release({packets_.data(), count});
  }
  EXPECT_TRUE(Give(0));
}

// The sleeper sees the packet, or the giver sees the sleeper: no packet waits for a timer.
TEST_F(HandOverTest, NobodySleepsOverAPacket) {
  constexpr uint32_t kPackets = 20000;
  std::atomic<uint32_t> woken{0};
  hand_over_.SetWake(1, [&] {
    woken.fetch_add(1);
    far_.Wake();
  });
  std::thread taker([&] {
    uint8_t port_index = 0;
    std::array<Packet, kBurstMax> packets;
    for (uint32_t next = 0; next < kPackets;) {
      const size_t count = hand_over_.Take(1, ports_, packets, &port_index);
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(NumberOf(packets[i]), next++);
      far_.Release({packets.data(), count});
      if (count != 0 || !hand_over_.MaySleep(1)) continue;
      far_.Wait(20 * kSecond);
      hand_over_.Woken(1);
    }
  });
  const TimeNs start = MonotonicNow();
  for (uint32_t number = 0; number < kPackets;) {
    if (Give(number)) ++number;
    hand_over_.Publish(0);
  }
  taker.join();
  EXPECT_LT(MonotonicNow() - start, 15 * kSecond);
}

}  // namespace
}  // namespace relay::worker
