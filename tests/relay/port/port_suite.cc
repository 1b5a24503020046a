// What every port must do, run for each kind. Where they differ stands in docs/ports.md.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>

#include "gtest/gtest.h"
#include "relay/port/memory.h"
#include "tests/relay/port/far_side.h"

namespace relay::port {
namespace {

constexpr uint32_t kBuffers = 512;

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

std::vector<uint8_t> Text(std::string_view text) {
  return {text.begin(), text.end()};
}

std::vector<uint8_t> PayloadOf(const Packet& at) {
  return {at.data, at.data + at.length};
}

class PortSuite : public testing::TestWithParam<PortTraits> {
 protected:
  void SetUp() override {
    far_ = GetParam().make(kBuffers);
    ASSERT_TRUE(port().AttachThread().ok());
  }

  // Whatever a test did, everything lent comes back and nothing stays bound.
  void TearDown() override {
    for (Handle handle : handles_) port().Drop(handle);
    EXPECT_TRUE(NothingStaysBound());
    EXPECT_EQ(far_->buffers_free(), kBuffers);
  }

  Port& port() { return far_->port(); }
  uint64_t Counted(abi::Counter counter) { return far_->counters().Read(counter); }

  // Binds and adopts the first free even port from here on.
  Handle OpenLocal() {
    for (; next_port_ < 20000; next_port_ = static_cast<uint16_t>(next_port_ + 2)) {
      const absl::StatusOr<Handle> handle =
          port().Bind({.address = 0, .port = next_port_}, far_->own_address());
      if (!handle.ok()) continue;
      port().Adopt(*handle);
      handles_.push_back(*handle);
      return *handle;
    }
    ADD_FAILURE() << "no port is free";
    return kNoHandle;
  }

  void DropLocal(Handle handle) {
    std::erase(handles_, handle);
    port().Drop(handle);
  }

  // A drop may end some cycles later.
  bool NothingStaysBound() {
    const TimeNs deadline = MonotonicNow() + 5 * kSecond;
    while (far_->bound() != 0 && MonotonicNow() < deadline) {
      port().Wait(kMillisecond);
      port().Release(ReceiveOnce());
    }
    return far_->bound() == 0;
  }

  std::span<Packet> ReceiveOnce() { return {burst_.data(), port().Receive(burst_, 42)}; }

  // Until `count` are there or a second is over.
  std::vector<Packet> Receive(size_t count) {
    std::vector<Packet> packets;
    const TimeNs deadline = MonotonicNow() + kSecond;
    while (packets.size() < count && MonotonicNow() < deadline) {
      const std::span<Packet> burst = ReceiveOnce();
      packets.insert(packets.end(), burst.begin(), burst.end());
      if (burst.empty()) port().Wait(kMillisecond);
    }
    EXPECT_EQ(packets.size(), count);
    return packets;
  }

  Packet Compose(Handle handle, uint16_t local_port, const abi::Endpoint& to,
                 std::string_view text) {
    Packet packet;
    EXPECT_TRUE(port().Allocate(&packet));
    std::ranges::copy(text, packet.data);
    packet.length = static_cast<uint32_t>(text.size());
    packet.tailroom = static_cast<uint16_t>(packet.tailroom - text.size());
    packet.handle = handle;
    packet.local = {.address = 0, .port = local_port};
    packet.remote = to;
    return packet;
  }

  std::unique_ptr<FarSide> far_;
  uint16_t next_port_ = 16000;
  std::vector<Handle> handles_;
  std::array<Packet, kBurstMax> burst_;
};

TEST_P(PortSuite, ADatagramArrivesWithItsEndpoints) {
  const Handle handle = OpenLocal();
  const abi::Endpoint far = far_->Open();
  far_->Say(far, next_port_, Text("hello"), 46);
  const std::vector<Packet> packets = Receive(1);
  ASSERT_EQ(packets.size(), 1u);
  const Packet& packet = packets[0];
  EXPECT_EQ(PayloadOf(packet), Text("hello"));
  EXPECT_EQ(packet.local, (abi::LocalEndpoint{.address = 0, .port = next_port_}));
  EXPECT_EQ(packet.handle, handle);
  EXPECT_EQ(packet.remote, far);
  EXPECT_EQ(packet.arrival_ns, 42u);
  EXPECT_EQ(packet.dscp, 46);
  EXPECT_EQ(packet.checksum, Checksum::kGood);
  EXPECT_GE(packet.headroom, kHeadroom);
  EXPECT_GE(packet.tailroom, kTailroom);
  EXPECT_EQ(packet.owner, &port());
  port().Release(packets);
}

TEST_P(PortSuite, ADatagramLeavesFromItsEndpoint) {
  const Handle handle = OpenLocal();
  const abi::Endpoint far = far_->Open();
  for (uint8_t dscp : {46, 46, 0, 34}) {
    Packet packet = Compose(handle, next_port_, far, "there");
    packet.dscp = dscp;
    ASSERT_EQ(port().Send({&packet, 1}), 1u);
    const std::optional<Heard> heard = far_->Hear(far);
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->payload, Text("there"));
    EXPECT_EQ(heard->from.address, far_->own_address().address);
    EXPECT_EQ(heard->from.port, next_port_);
    EXPECT_EQ(heard->dscp, dscp);
  }
}

TEST_P(PortSuite, EveryLengthUpToTheLargest) {
  const Handle handle = OpenLocal();
  const abi::Endpoint far = far_->Open();
  const size_t largest = far_->payload_max();
  for (size_t length : {size_t{0}, size_t{1}, size_t{12}, size_t{172}, largest - 1, largest}) {
    std::vector<uint8_t> payload(length);
    for (size_t i = 0; i < length; ++i) payload[i] = static_cast<uint8_t>(i * 7);
    far_->Say(far, next_port_, payload);
    std::vector<Packet> packets = Receive(1);
    ASSERT_EQ(packets.size(), 1u);
    EXPECT_EQ(PayloadOf(packets[0]), payload);
    EXPECT_GE(packets[0].tailroom, kTailroom);
    packets[0].remote = far;  // back where it came from
    packets[0].handle = handle;
    ASSERT_EQ(port().Send(packets), 1u);
    const std::optional<Heard> heard = far_->Hear(far);
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->payload, payload);
  }
}

TEST_P(PortSuite, BurstsKeepEveryPacketAndTheirOrder) {
  const Handle handle = OpenLocal();
  const abi::Endpoint far = far_->Open();
  constexpr size_t kPackets = 200;
  for (size_t i = 0; i < kPackets; ++i) {
    far_->Say(far, next_port_, {static_cast<uint8_t>(i)});
  }
  std::vector<Packet> packets = Receive(kPackets);
  ASSERT_EQ(packets.size(), kPackets);
  for (size_t i = 0; i < kPackets; ++i) {
    EXPECT_EQ(packets[i].data[0], static_cast<uint8_t>(i));
    packets[i].handle = handle;
    packets[i].remote = far;
  }
  ASSERT_EQ(port().Send(packets), kPackets);
  for (size_t i = 0; i < kPackets; ++i) {
    const std::optional<Heard> heard = far_->Hear(far);
    ASSERT_TRUE(heard) << i;
    EXPECT_EQ(heard->payload[0], static_cast<uint8_t>(i));
  }
}

TEST_P(PortSuite, AForkGoesToAllListeners) {
  const Handle handle = OpenLocal();
  const abi::Endpoint speaker = far_->Open();
  const abi::Endpoint listeners[] = {far_->Open(), far_->Open(), far_->Open()};
  far_->Say(speaker, next_port_, Text("fork"));
  std::vector<Packet> packets = Receive(1);
  ASSERT_EQ(packets.size(), 1u);
  std::vector<Packet> copies;
  for (int i = 0; i < 2; ++i) copies.push_back(Compose(handle, next_port_, listeners[i], "fork"));
  packets[0].remote = listeners[2];
  packets[0].handle = handle;
  copies.push_back(packets[0]);
  EXPECT_EQ(port().Send(copies), 3u);
  for (const abi::Endpoint& listener : listeners) {
    const std::optional<Heard> heard = far_->Hear(listener);
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->payload, Text("fork"));
  }
}

TEST_P(PortSuite, BuffersOfAnotherPortAreSentAndGoHome) {
  const Handle handle = OpenLocal();
  const abi::Endpoint far = far_->Open();
  MemoryPort other({.buffers = 16});
  std::vector<Packet> packets;
  for (int i = 0; i < 8; ++i) {
    Packet own = Compose(handle, next_port_, far, "own");
    Packet foreign = own;
    ASSERT_TRUE(other.Allocate(&foreign));
    foreign.data[0] = 'f';
    foreign.length = 1;
    foreign.handle = own.handle;
    foreign.local = own.local;
    foreign.remote = own.remote;
    packets.push_back(own);
    packets.push_back(foreign);
  }
  EXPECT_EQ(port().Send(packets), 16u);
  EXPECT_EQ(other.buffers_free(), 16u);
  EXPECT_EQ(far_->buffers_free(), kBuffers);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(far_->Hear(far).value().payload, Text("own"));
    EXPECT_EQ(far_->Hear(far).value().payload, Text("f"));
  }
}

TEST_P(PortSuite, WhatWasSentBeforeADropIsDelivered) {
  const Handle handle = OpenLocal();
  const abi::Endpoint far = far_->Open();
  std::vector<Packet> packets;
  for (int i = 0; i < 40; ++i) packets.push_back(Compose(handle, next_port_, far, "last"));
  EXPECT_EQ(port().Send(packets), 40u);
  DropLocal(handle);
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(far_->Hear(far)) << i;
}

TEST_P(PortSuite, NothingArrivesAfterADrop) {
  const Handle handle = OpenLocal();
  const Handle witness_handle = OpenLocal();
  const uint16_t witness_port = next_port_;
  const uint16_t dropped_port = static_cast<uint16_t>(next_port_ - 2);
  const abi::Endpoint far = far_->Open();
  far_->Say(far, dropped_port, Text("too late"));
  DropLocal(handle);
  far_->Say(far, witness_port, Text("witness"));
  const std::vector<Packet> packets = Receive(1);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].handle, witness_handle);
  port().Release(packets);
}

TEST_P(PortSuite, ADroppedPortCanBeBoundAgain) {
  for (int round = 0; round < 3; ++round) {
    const Handle handle = OpenLocal();
    const uint16_t local_port = next_port_;
    const abi::Endpoint far = far_->Open();
    far_->Say(far, local_port, Text("again"));
    const std::vector<Packet> packets = Receive(1);
    ASSERT_EQ(packets.size(), 1u);
    port().Release(packets);
    EXPECT_EQ(port().Bind({.address = 0, .port = local_port}, far_->own_address()).status().code(),
              absl::StatusCode::kAlreadyExists);
    DropLocal(handle);
    ASSERT_TRUE(NothingStaysBound());
  }
}

TEST_P(PortSuite, ABindCanBeTakenBack) {
  const abi::LocalEndpoint local{.address = 0, .port = 19998};
  for (int round = 0; round < 2; ++round) {
    const absl::StatusOr<Handle> handle = port().Bind(local, far_->own_address());
    ASSERT_TRUE(handle.ok());
    port().Unbind(*handle);
  }
  EXPECT_EQ(far_->bound(), 0u);
}

TEST_P(PortSuite, AnEmptyPoolLosesNothing) {
  OpenLocal();
  const abi::Endpoint far = far_->Open();
  std::vector<Packet> all;
  Packet packet;
  while (port().Allocate(&packet)) all.push_back(packet);
  const uint32_t window = GetParam().window;
  EXPECT_GE(all.size(), kBuffers - window);
  const size_t kPackets = window + 86;
  for (size_t i = 0; i < kPackets; ++i) far_->Say(far, next_port_, {static_cast<uint8_t>(i)});
  std::vector<Packet> arrived;
  for (int turn = 0; turn < 10; ++turn) {
    const std::span<Packet> burst = ReceiveOnce();
    arrived.insert(arrived.end(), burst.begin(), burst.end());
  }
  EXPECT_LE(arrived.size(), window);
  port().Release(all);
  if (GetParam().loses_when_empty) {
    EXPECT_GT(Counted(abi::Counter::kReceiveStarved), 0u);
    port().Release(arrived);
    port().Release(ReceiveOnce());
    far_->Say(far, next_port_, Text("there are buffers again"));
    port().Release(Receive(1));
    return;
  }
  const std::vector<Packet> rest = Receive(kPackets - arrived.size());
  arrived.insert(arrived.end(), rest.begin(), rest.end());
  ASSERT_EQ(arrived.size(), kPackets);
  for (size_t i = 0; i < kPackets; ++i) EXPECT_EQ(arrived[i].data[0], static_cast<uint8_t>(i));
  port().Release(arrived);
}

TEST_P(PortSuite, WhatCannotBeSentIsCountedAndItsBufferComesBack) {
  const Handle handle = OpenLocal();
  abi::Endpoint other_family = far_->Open();
  other_family.address =
      other_family.address.IsIpv4()
          ? abi::Address{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}
          : abi::Address::Ipv4(127, 0, 0, 1);
  const Packet packet = Compose(handle, next_port_, other_family, "never");
  EXPECT_EQ(port().Send({&packet, 1}), 0u);
  EXPECT_EQ(Counted(abi::Counter::kSendFailed), 1u);
  EXPECT_EQ(far_->buffers_free(), kBuffers);
}

TEST_P(PortSuite, AWakeEndsAWait) {
  std::thread waker([this] { port().Wake(); });
  const TimeNs start = MonotonicNow();
  port().Wait(20 * kSecond);
  waker.join();
  EXPECT_LT(MonotonicNow() - start, 10 * kSecond);
  // And it does so again after the worker has looked.
  port().Release(ReceiveOnce());
  std::thread again([this] { port().Wake(); });
  port().Wait(20 * kSecond);
  again.join();
  EXPECT_LT(MonotonicNow() - start, 10 * kSecond);
}

// A wait may be cut short (a signal), but it sleeps: turns are few.
TEST_P(PortSuite, AWaitEndsWithItsTime) {
  const TimeNs start = MonotonicNow();
  int waits = 0;
  while (MonotonicNow() - start < 20 * kMillisecond) {
    port().Wait(5 * kMillisecond);
    ++waits;
    port().Release(ReceiveOnce());
  }
  EXPECT_LE(waits, 10);
  EXPECT_LT(MonotonicNow() - start, 5 * kSecond);
}

TEST_P(PortSuite, ADatagramEndsAWait) {
  OpenLocal();
  const abi::Endpoint far = far_->Open();
  port().Release(ReceiveOnce());
  std::thread speaker([&] { far_->Say(far, next_port_, Text("wake up")); });
  const TimeNs start = MonotonicNow();
  std::vector<Packet> packets;
  while (packets.empty() && MonotonicNow() - start < 20 * kSecond) {
    port().Wait(20 * kSecond);
    const std::span<Packet> burst = ReceiveOnce();
    packets.assign(burst.begin(), burst.end());
  }
  speaker.join();
  EXPECT_EQ(packets.size(), 1u);
  EXPECT_LT(MonotonicNow() - start, 10 * kSecond);
  port().Release(packets);
}

TEST_P(PortSuite, ThousandsOfEndpoints) {
  const size_t descriptors = OpenDescriptors();
  const abi::Endpoint far = far_->Open();
  constexpr size_t kEndpoints = 2000;  // even ports from 16000 to 20000, less those taken
  std::vector<std::pair<uint16_t, Handle>> open;
  while (open.size() < kEndpoints - 100) {
    const Handle handle = OpenLocal();
    ASSERT_NE(handle, kNoHandle);
    open.emplace_back(next_port_, handle);
  }
  for (size_t at = 0; at < open.size(); at += 50) {
    for (size_t i = at; i < at + 50; ++i) {
      far_->Say(far, open[i].first, {static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8)});
    }
    const std::vector<Packet> packets = Receive(50);
    for (const Packet& packet : packets) {
      const size_t i = packet.data[0] | static_cast<size_t>(packet.data[1]) << 8;
      EXPECT_EQ(packet.local.port, open[i].first);
      EXPECT_EQ(packet.handle, open[i].second);
    }
    port().Release(packets);
  }
  for (const auto& [local_port, handle] : open) DropLocal(handle);
  EXPECT_TRUE(NothingStaysBound());
  EXPECT_LE(OpenDescriptors(), descriptors + 1);  // the far party's
}

INSTANTIATE_TEST_SUITE_P(, PortSuite, testing::ValuesIn(kPortKinds),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace relay::port
