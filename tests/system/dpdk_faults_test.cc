// What may befall a relay over DPDK, to its sessions: none of them is lost by it.
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "relay/options.h"
#include "tests/relay/port/dpdk_network.h"
#include "tests/support/relay_harness.h"

namespace support {
namespace {

using relay::abi::Counter;
using relay::port::CableEnd;
using relay::port::Dpdk;

std::vector<relay::abi::LocalAddress> Addresses() {
  return {relay::ParseListen("192.0.2.1:10000-10255").value()};
}

// A call whose far parties sit at the other end of a veth cable under af_packet.
class DpdkFaults : public testing::Test {
 protected:
  DpdkFaults() {
    relay::port::PrepareDpdkNetwork();
    dpdk_ = relay::port::OpenDpdk(relay::port::DpdkOn(relay::port::kAfPacket, Addresses(), 128));
    relay::port::AwaitLink(dpdk_.get());
    harness_ = std::make_unique<RelayHarness>(
        HarnessOptions{.make_port =
                           [this](relay::abi::CounterBlock* counters) {
                             return dpdk_->MakePort(0, counters, nullptr);
                           },
                       .addresses = Addresses(),
                       .upkeeps = {dpdk_.get()}});
    // The device has been looked after by the true clock.
    harness_->Advance(relay::MonotonicNow());
    client_ = harness_->Client();
    for (const uint8_t leg : {0, 1}) {
      EXPECT_EQ(harness_->Do(client_, LegOpen(1, leg, static_cast<uint16_t>(10000 + 2 * leg))).kind,
                relay::abi::EventKind::kCommandDone);
    }
    harness_->Do(client_, Bridge(1, 0, 1));
    far_ = std::make_unique<CableEnd>();
  }

  void Say(uint16_t sequence) {
    far_->Send(relay::port::FrameOf(
        FarEnd(0), {.address = relay::abi::Address::Ipv4(192, 0, 2, 1), .port = 10000},
        RtpPacket(sequence)));
  }
  // Whether the other party hears something within two seconds.
  bool Heard() {
    const relay::TimeNs deadline = relay::MonotonicNow() + 2 * relay::kSecond;
    while (relay::MonotonicNow() < deadline) {
      harness_->Step();
      const auto frame = far_->Receive(0);
      relay::wire::Frame read;
      if (frame &&
          relay::wire::ReadFrame(*frame, relay::wire::IpChecksum::kVerify, &read) ==
              relay::wire::FrameVerdict::kUdp &&
          read.source.port == 10002 && read.destination.address == FarEnd(1).address) {
        return true;
      }
    }
    return false;
  }
  uint64_t Starved() {
    return harness_->relay().state().own_counters()->Read(Counter::kReceiveStarved);
  }

  std::unique_ptr<Dpdk> dpdk_;
  std::unique_ptr<RelayHarness> harness_;
  relay::abi::Attachment client_;
  std::unique_ptr<CableEnd> far_;
};

TEST_F(DpdkFaults, ACallOutlivesThatAllBuffersAreInUse) {
  Say(1);
  ASSERT_TRUE(Heard());
  std::vector<relay::port::Packet> all;
  relay::port::Port& port = *harness_->relay().port(0);
  for (relay::port::Packet packet; port.Allocate(&packet);) all.push_back(packet);
  ASSERT_GT(all.size(), 100u);
  // Lost, counted, and the session is told nothing of it, for three seconds.
  for (uint16_t sequence = 2; sequence < 152; ++sequence) {
    Say(sequence);
    harness_->Step(20);
  }
  EXPECT_GT(Starved(), 0u);
  EXPECT_TRUE(harness_->Events(client_).empty());
  port.Release(all);
  Say(152);
  EXPECT_TRUE(Heard()) << "the call does not go on";
}

}  // namespace
}  // namespace support
