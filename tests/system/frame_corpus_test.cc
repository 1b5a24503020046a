// Thousands of bad frames, each given to a whole relay by memory and by a real device under dpdk
// and xdp: the same verdict on all, nothing forwarded, nobody hurt. Then good ones that are
// unusual: forwarded by all.
#include "tests/support/frame_corpus.h"

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "relay/options.h"
#include "relay/port/memory.h"
#include "relay/port/neighbour.h"
#include "relay/port/xdp.h"
#include "tests/relay/port/dpdk_network.h"
#include "tests/support/relay_harness.h"

namespace support {
namespace {

using relay::abi::Address;
using relay::abi::CounterBlock;
using relay::port::MemoryOptions;
using relay::port::MemoryPort;

constexpr Address Ipv6(uint8_t last) {
  return {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}};
}

const CorpusParties kParties = {.to = relay::port::kOwnMac,
                                .from = relay::port::kFarMac,
                                .own4 = {.address = Address::Ipv4(192, 0, 2, 1), .port = 10000},
                                .far4 = FarEnd(0),
                                .own6 = {.address = Ipv6(1), .port = 10000},
                                .far6 = {.address = Ipv6(9), .port = 4000}};

using relay::port::Upkeep;

// A relay with a call of each family whose first leg is the one the corpus talks to.
class Subject {
 public:
  using Inject = std::function<bool(const std::vector<uint8_t>&)>;

  // `steering` counts what it never gives to the relay; null where there is none.
  Subject(relay::conductor::Assembly::MakePort make_port, Inject inject, Upkeep* steering = nullptr)
      : harness_({.make_port = std::move(make_port)}),
        inject_(std::move(inject)),
        steering_(steering) {
    client_ = harness_.Client();
    for (const uint64_t session : {1, 2}) {
      for (const uint8_t leg : {0, 1}) {
        relay::abi::Command open = LegOpen(session, leg, static_cast<uint16_t>(10000 + 2 * leg));
        if (session == 2) {
          relay::abi::LegPlan& plan = open.body.leg.plan;
          plan.local.address = 1;
          plan.remote_rtp = {.address = Ipv6(static_cast<uint8_t>(9 + leg)), .port = 4000};
          plan.remote_rtcp = {.address = Ipv6(static_cast<uint8_t>(9 + leg)), .port = 4001};
        }
        EXPECT_EQ(harness_.Do(client_, open).kind, relay::abi::EventKind::kCommandDone);
      }
      harness_.Do(client_, Bridge(session, 0, 1));
    }
  }

  // The name of the verdict, which is the one counter that moved.
  std::string VerdictOf(const std::vector<uint8_t>& frame) {
    const std::vector<uint64_t> before = Verdicts();
    if (!inject_(frame)) return "not sent";
    const relay::TimeNs deadline = relay::MonotonicNow() + 2 * relay::kSecond;
    do {
      harness_.Step();
      TurnSteering();
      const std::vector<uint64_t> after = Verdicts();
      for (size_t i = 0; i < after.size(); ++i) {
        if (after[i] != before[i]) return relay::abi::kCounterTexts[i].name;
      }
    } while (relay::MonotonicNow() < deadline);
    return "no verdict";
  }

  // What nobody heard, beside the verdicts.
  uint64_t kernel_dropped() {
    TurnSteering();
    return passed_.Read(relay::abi::Counter::kKernelDropped);
  }

  uint64_t sent() {
    return harness_.relay().state().counters(0)->Read(relay::abi::Counter::kSentPackets);
  }

 private:
  // It looks at its counts ten times a second of the clock it is given.
  void TurnSteering() {
    if (steering_ != nullptr) steering_->Turn(now_ += relay::kSecond / 10, passed_);
  }
  std::vector<uint64_t> Verdicts() {
    const CounterBlock& counters = *harness_.relay().state().counters(0);
    std::vector<uint64_t> values;
    for (uint16_t i = 0; i < relay::abi::kVerdictCount; ++i) {
      const auto counter = static_cast<relay::abi::Counter>(i);
      values.push_back(counters.Read(counter) + passed_.Read(counter));
    }
    return values;
  }

  RelayHarness harness_;
  const Inject inject_;
  Upkeep* const steering_;
  CounterBlock passed_{};
  relay::TimeNs now_ = relay::kSecond;
  relay::abi::Attachment client_;
};

std::vector<relay::abi::LocalAddress> Addresses(const char* interface) {
  std::vector<relay::abi::LocalAddress> addresses;
  for (const std::string& text : HarnessOptions{}.listen) {
    addresses.push_back(relay::ParseListen(text).value());
    std::string(interface).copy(addresses.back().interface_name, 15);
  }
  return addresses;
}

// Each frame by memory and by the subject.
void Compare(Subject& wire) {
  MemoryPort* memory_port = nullptr;
  Subject memory(
      [&](CounterBlock* counters) -> absl::StatusOr<std::unique_ptr<relay::port::Port>> {
        auto port =
            std::make_unique<MemoryPort>(MemoryOptions{.carries = MemoryOptions::Carries::kFrames,
                                                       .buffers = 256,
                                                       .deliver_unbound = false,
                                                       .counters = counters});
        memory_port = port.get();
        return port;
      },
      [&](const std::vector<uint8_t>& frame) { return memory_port->InjectFrame(frame); });
  size_t compared = 0;
  for (const CorpusFrame& frame : BadFrames(kParties)) {
    // The kernel drops what ends inside a VLAN tag before any port sees it.
    if (frame.bytes.size() < 18 && frame.bytes[12] == 0x81) continue;
    const std::string verdict = memory.VerdictOf(frame.bytes);
    EXPECT_EQ(wire.VerdictOf(frame.bytes), verdict) << frame.name;
    EXPECT_NE(verdict, "forwarded") << frame.name;
    ++compared;
  }
  EXPECT_GE(compared, 2000u);
  EXPECT_EQ(memory.sent(), 0u);
  EXPECT_EQ(wire.sent(), 0u);
  EXPECT_EQ(wire.kernel_dropped(), 0u) << "counted twice: for their form and as unheard";
  size_t good = 0;
  for (const CorpusFrame& frame : GoodFrames(kParties)) {
    EXPECT_EQ(memory.VerdictOf(frame.bytes), "forwarded") << frame.name;
    EXPECT_EQ(wire.VerdictOf(frame.bytes), "forwarded") << frame.name;
    ++good;
  }
  EXPECT_EQ(memory.sent(), good);
  std::printf("%zu bad frames, %zu good ones\n", compared, good);
}

class FrameCorpus : public testing::Test {
 protected:
  FrameCorpus() { relay::port::PrepareDpdkNetwork(); }
};

TEST_F(FrameCorpus, MemoryAndDpdkAgree) {
  const std::unique_ptr<relay::port::Dpdk> dpdk = relay::port::OpenDpdk(
      {.eal = "--no-huge --no-shconf -m 256",
       .devices = {{.device = relay::port::kAfXdp, .next_hop = relay::port::kFarMac}},
       .addresses = Addresses(""),
       .buffers = 256});
  relay::port::CableEnd cable;
  Subject wire([&](CounterBlock* counters) { return dpdk->MakePort(0, counters, nullptr); },
               [&](const std::vector<uint8_t>& frame) {
                 cable.Send(frame);
                 return true;
               });
  Compare(wire);
}

TEST_F(FrameCorpus, MemoryAndXdpAgree) {
  const std::vector<relay::abi::LocalAddress> addresses = Addresses("near1");
  auto hops = relay::port::NextHops::Open({.devices = {"near1"}, .addresses = addresses});
  ASSERT_TRUE(hops.ok()) << hops.status();
  auto xdp = relay::port::XdpNetwork::Open({.devices = {"near1"}, .addresses = addresses});
  ASSERT_TRUE(xdp.ok()) << xdp.status();
  relay::port::CableEnd cable("far1");
  Subject wire(
      [&](CounterBlock* counters) { return (*xdp)->MakePort(0, counters, (*hops)->reader(0), {}); },
      [&](const std::vector<uint8_t>& frame) {
        cable.Send(frame);
        return true;
      },
      xdp->get());
  Compare(wire);
}

}  // namespace
}  // namespace support
