// Packets from one socket of the generator to another. The wire of frames needs a cable and is
// tested by the instruments as a whole (scripts/bench --smoke).
#include "bench/loadgen/socket_wire.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "relay/clock.h"

namespace bench::loadgen {
namespace {

constexpr uint16_t kPortFirst = 28100;
const char* const kAddress = "127.0.28.1";

std::unique_ptr<Wire> Opened() {
  auto wire = Wire::Open({.address = kAddress, .port_first = kPortFirst, .sockets = 2});
  EXPECT_TRUE(wire.ok()) << wire.status();
  return *std::move(wire);
}

TEST(SocketWire, EndpointsAreEvenPortsOfSideAThenOfSideB) {
  const std::unique_ptr<Wire> wire = Opened();
  std::vector<int> ports;
  for (const int side : {0, 1}) {
    for (const sockaddr_in& endpoint : wire->Endpoints(side)) {
      ports.push_back(ntohs(endpoint.sin_port));
    }
  }
  EXPECT_EQ(ports, (std::vector<int>{28100, 28102, 28104, 28106}));
}

TEST(SocketWire, MoreThanABatchComesOutWhereItWasSentTo) {
  const std::unique_ptr<Wire> wire = Opened();
  constexpr size_t kPackets = 3 * kBatch + 5;
  for (size_t i = 0; i < kPackets; ++i) {
    const auto packet = wire->Next(0, i % 2, wire->Endpoints(1)[i % 2], 7, kPacket - i % 2);
    std::memset(packet.data(), static_cast<int>(i), packet.size());
  }
  wire->Flush();
  size_t taken = 0;
  const relay::TimeNs deadline = relay::MonotonicNow() + relay::kSecond;
  while (taken < kPackets && relay::MonotonicNow() < deadline) {
    wire->Receive([&](const Wire::Heard& heard) {
      EXPECT_EQ(heard.side, 1);
      const size_t from = heard.from.sin_port == wire->Endpoints(0)[1].sin_port;
      EXPECT_EQ(heard.packet.size(), kPacket - from);
      ++taken;
    });
  }
  EXPECT_EQ(taken, kPackets);
  EXPECT_TRUE(wire->TakeRefused().empty());
}

TEST(SocketWire, WhatTheKernelRefusesIsNamed) {
  const std::unique_ptr<Wire> wire = Opened();
  const auto nowhere = Ipv4Endpoint("255.255.255.255", 9);  // broadcast is not permitted
  ASSERT_TRUE(nowhere.ok());
  wire->Next(0, 0, wire->Endpoints(1)[0], 1, kPacket);
  wire->Next(0, 0, *nowhere, 42, kPacket);
  wire->Next(0, 0, wire->Endpoints(1)[0], 3, kPacket);
  wire->Flush();
  EXPECT_EQ(wire->TakeRefused(), std::vector<uint32_t>{42});
  EXPECT_TRUE(wire->TakeRefused().empty());
}

}  // namespace
}  // namespace bench::loadgen
