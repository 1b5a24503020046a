// A worker with two memory ports, driven by hand: the tests hold the other end of every wire.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "relay/port/memory.h"
#include "relay/stage/verdict.h"
#include "relay/worker/worker.h"
#include "tests/support/manual_clock.h"
#include "tests/support/packet_builder.h"

namespace relay::worker {

using tests::support::Bytes;
using tests::support::RtpPacket;

inline const abi::Endpoint kTrunk{.address = abi::Address::Ipv4(203, 0, 113, 1), .port = 30000};
inline const abi::Endpoint kPbx{.address = abi::Address::Ipv4(192, 0, 2, 200), .port = 40000};
inline const abi::Endpoint kBot{.address = abi::Address::Ipv4(192, 0, 2, 201), .port = 50000};
inline const abi::Endpoint kStranger{.address = abi::Address::Ipv4(198, 51, 100, 66), .port = 666};

inline constexpr abi::Format kPcmu = abi::EqualFormat(0, abi::Codec::kPcmu, 8000);
inline constexpr abi::Format kPcma = abi::EqualFormat(8, abi::Codec::kPcma, 8000);
constexpr abi::Format EventFormat(uint8_t payload_type) {
  return abi::EqualFormat(payload_type, abi::Codec::kTelephoneEvent, 8000);
}

// A leg's local endpoint follows from its slot.
constexpr abi::LocalEndpoint LocalOf(uint32_t leg) {
  return {.address = static_cast<uint16_t>(leg % 2),
          .port = static_cast<uint16_t>(10000 + 2 * leg)};
}

inline session::LegSetup SetupFor(uint32_t leg, const abi::Endpoint& remote,
                                  const std::vector<abi::Format>& formats = {kPcma}) {
  session::LegSetup setup{};
  abi::LegPlan& plan = setup.plan;
  plan.local = LocalOf(leg);
  plan.direction = abi::kLegReceives | abi::kLegSends;
  plan.learning = abi::Learning::kSignalled;
  plan.remote_rtp = remote;
  plan.remote_rtcp = remote;
  plan.remote_rtcp.port = static_cast<uint16_t>(remote.port + 1);
  plan.network_set = abi::kNoNetworkSet;
  plan.dscp = 46;
  plan.format_count = static_cast<uint8_t>(formats.size());
  std::copy(formats.begin(), formats.end(), plan.formats);
  setup.generation = 7;
  setup.statistics = leg;
  setup.ssrc = 0xabc00000 + leg;
  std::string("cname-of-tandem!").copy(setup.cname, session::kCnameLength);
  return setup;
}

class Office : public testing::Test {
 protected:
  explicit Office(size_t report_capacity = 64, bool srtp = false)
      : keys(srtp ? 16 : 0), reports(report_capacity) {
    port::Port* ports[] = {&first, &second};
    worker = std::make_unique<Worker>(WorkerConfig{.ports = ports,
                                                   .ranges = ranges,
                                                   .legs = legs,
                                                   .srtp = keys,
                                                   .counters = &counters,
                                                   .statistics = statistics.data(),
                                                   .orders = &orders,
                                                   .reports = &reports,
                                                   .wall_offset_ns = kWallOffset});
    EXPECT_TRUE(worker->Attach().ok());
  }

  // After every test, every buffer is back where it belongs.
  ~Office() override {
    EXPECT_EQ(first.buffers_free(), buffers);
    EXPECT_EQ(second.buffers_free(), buffers);
  }

  port::MemoryPort& PortOf(uint8_t index) { return index == 0 ? first : second; }
  void Cycle() { worker->RunOnce(clock.now()); }

  void Give(const Order& order) {
    ASSERT_TRUE(orders.Post(order));
    Cycle();
  }

  // `as` is the text of the local address; the port has one of its own for IPv4.
  void Open(uint32_t leg, session::LegSetup setup, const abi::Endpoint* as = nullptr) {
    port::MemoryPort& its = PortOf(setup.port_index);
    const auto bind = [&](abi::LocalEndpoint local) {
      return its.Bind(local, as != nullptr ? *as : its.AddressOf(local)).value();
    };
    abi::LocalEndpoint rtcp = setup.plan.local;
    rtcp.port += 1;
    setup.rtp_handle = bind(setup.plan.local);
    setup.rtcp_handle = setup.plan.rtcp_mux ? port::kNoHandle : bind(rtcp);
    setups.resize(std::max<size_t>(setups.size(), leg + 1));
    setups[leg] = setup;
    Give({.kind = OrderKind::kOpenLeg, .leg = leg, .setup = setup});
  }

  // Changes the plan of a leg that is open.
  template <typename Change>
  void Update(uint32_t leg, Change&& change) {
    change(setups[leg].plan);
    ++setups[leg].plan_version;
    Give({.kind = OrderKind::kUpdateLeg, .leg = leg, .setup = setups[leg]});
    setups[leg].plan.relearn = abi::Relearn::kKeep;
  }

  void Hear(uint32_t speaker, uint32_t listener) {
    Give({.kind = OrderKind::kBridge, .leg = speaker, .listener = listener});
  }
  void Unhear(uint32_t speaker, uint32_t listener) {
    Give({.kind = OrderKind::kUnbridge, .leg = speaker, .listener = listener});
  }
  void Join(uint32_t a, uint32_t b) {
    Hear(a, b);
    Hear(b, a);
  }
  void Part(uint32_t a, uint32_t b) {
    Unhear(a, b);
    Unhear(b, a);
  }
  void Close(uint32_t leg) { Give({.kind = OrderKind::kCloseLeg, .leg = leg}); }

  // One datagram through one cycle; the names of the verdicts that moved.
  std::string SendTo(abi::LocalEndpoint local, const abi::Endpoint& from, const Bytes& payload,
                     port::Checksum checksum = port::Checksum::kGood, uint8_t port_index = 0) {
    const std::vector<uint64_t> before = Verdicts();
    EXPECT_TRUE(
        PortOf(port_index)
            .Inject({.local = local, .remote = from, .payload = payload, .checksum = checksum}));
    Cycle();
    const std::vector<uint64_t> after = Verdicts();
    std::string moved;
    for (size_t i = 0; i < after.size(); ++i) {
      for (uint64_t k = before[i]; k < after[i]; ++k) {
        moved += (moved.empty() ? "" : " ") + std::string(abi::kCounterTexts[i].name);
      }
    }
    return moved;
  }
  std::string Send(uint32_t leg, const abi::Endpoint& from, const Bytes& payload) {
    const uint8_t port_index = leg < setups.size() ? setups[leg].port_index : 0;
    return SendTo(LocalOf(leg), from, payload, port::Checksum::kGood, port_index);
  }
  std::string Send(uint32_t leg, const abi::Endpoint& from, const RtpPacket& packet) {
    return Send(leg, from, packet.Build());
  }
  // RTCP without mux: to and from the ports above.
  std::string SendRtcp(uint32_t leg, abi::Endpoint from, const Bytes& compound) {
    abi::LocalEndpoint local = LocalOf(leg);
    local.port += 1;
    from.port += 1;
    return SendTo(local, from, compound);
  }

  std::optional<port::Datagram> Sent(uint8_t port_index = 0) {
    return PortOf(port_index).Collect();
  }
  void Discard() {
    while (Sent(0) || Sent(1)) {
    }
  }

  std::optional<Report> NextReport() {
    Report report;
    if (!reports.Take(&report)) return std::nullopt;
    return report;
  }

  std::vector<uint64_t> Verdicts() const {
    std::vector<uint64_t> values;
    for (uint16_t i = 0; i < abi::kVerdictCount; ++i) values.push_back(counters.value[i].load());
    return values;
  }

  static constexpr int64_t kWallOffset = 1'700'000'000'000'000'000;

  const session::PortRange ranges[3] = {{10000, 10999}, {10000, 10999}, {10000, 10999}};
  tests::support::ManualClock clock;
  port::MemoryPort first;
  port::MemoryPort second;
  const uint32_t buffers = first.buffers_free();
  std::vector<session::Leg> legs{16};
  std::vector<session::SrtpLeg> keys;
  std::vector<abi::LegStatisticsSlot> statistics{16};
  abi::CounterBlock counters{};
  Mailbox<Order> orders{64};
  Mailbox<Report> reports;
  std::unique_ptr<Worker> worker;
  std::vector<session::LegSetup> setups;
};

}  // namespace relay::worker
