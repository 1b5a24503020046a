// What a packet costs between two bursts: the worker's whole cycle over a memory port that costs
// nearly nothing, with packets of all legs in random order, so that a leg's lines are cold when
// its packet comes.
//
// In each round every leg gets exactly one packet. So a packet can be made from the round and the
// leg's number alone, and the generator touches no memory of its own but the order of the round.
// What the generator costs is measured by itself in BM_Pipeline/generator, and is *included* in the
// others - but for the far parties' own SRTP, whose time is taken out (and whose contexts still
// push ours out of the cache).
//
//   plain       RTP to RTP, both ways
//   srtp        RTP to SRTP, AES_CM_128_HMAC_SHA1_80
//   srtp-in     SRTP to RTP, the same
//   srtp-both   SRTP to SRTP, both ways, every leg with its own keys
//   gcm         RTP to SRTP, AEAD_AES_128_GCM
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "relay/port/memory.h"
#include "relay/session/secret_memory.h"
#include "relay/stage/srtp.h"
#include "relay/wire/bytes.h"
#include "relay/worker/worker.h"

namespace relay {
namespace {

constexpr uint32_t kPairsPerAddress = (kPortLastDefault - kPortFirstDefault + 1) / 2;
constexpr uint32_t kPayload = 172;  // 20 ms of G.711 with its RTP header

abi::LocalEndpoint LocalOf(uint32_t leg) {
  return {.address = static_cast<uint16_t>(leg / kPairsPerAddress),
          .port = static_cast<uint16_t>(kPortFirstDefault + 2 * (leg % kPairsPerAddress))};
}

// 10.x.x.x:4000, stored where it belongs in the words the worker will load: from single bytes, or
// by way of a temporary, wide loads wait for narrow stores, and the generator costs what no network
// card does.
inline void WriteRemote(uint32_t leg, abi::Endpoint* remote) {
  const uint64_t high = 0;
  const uint64_t low = uint64_t{__builtin_bswap32(10u << 24 | leg)} << 32 | 0xffff0000u;
  std::memcpy(&remote->address.bytes[0], &high, sizeof(high));
  std::memcpy(&remote->address.bytes[8], &low, sizeof(low));
  remote->port = 4000;
  remote->vlan = remote->interface = remote->reserved = 0;
}

abi::Endpoint RemoteOf(uint32_t leg) {
  abi::Endpoint remote;
  WriteRemote(leg, &remote);
  return remote;
}

// Which legs have SRTP, and to which ones packets come. Legs of even number are one side of the
// calls, those of odd number the other.
struct Mode {
  abi::SrtpSuite suite = abi::SrtpSuite::kNone;
  bool secured[2] = {false, false};
  bool sends[2] = {true, true};
};

abi::SrtpKey KeyOf(uint32_t leg, abi::SrtpSuite suite, uint32_t way) {
  abi::SrtpKey key{};
  std::mt19937 random(leg * 2 + way);
  for (int i = 0; i < abi::FactsOf(suite).key_length; ++i) {
    key.key[i] = static_cast<uint8_t>(random() | 1);
  }
  return key;
}

abi::SrtpPlan SrtpPlanOf(uint32_t leg, const Mode& mode, bool far) {
  abi::SrtpPlan plan{};
  if (!mode.secured[leg % 2]) return plan;
  plan.suite = mode.suite;
  plan.send_key_count = plan.receive_key_count = 1;
  plan.send = KeyOf(leg, mode.suite, far);
  plan.receive[0] = KeyOf(leg, mode.suite, !far);
  return plan;
}

// The far parties of all legs with SRTP that send.
class FarParties {
 public:
  FarParties(uint32_t legs, const Mode& mode)
      : memory_(legs * sizeof(session::SrtpLeg)),
        srtp_({reinterpret_cast<session::SrtpLeg*>(memory_.data()), legs},
              stage::MakeSrtpEngine(stage::SrtpEngineKind::kAuto)) {
    for (uint32_t leg = 0; leg < legs; ++leg) srtp_.Apply(leg, SrtpPlanOf(leg, mode, true), 1);
  }
  void Seal(std::span<port::Packet> packets, std::span<const uint32_t> legs) {
    for (size_t i = 0; i < packets.size(); ++i) {
      burst_[i] = {legs[i], packets[i].length, packets[i].data, packets[i].tailroom,
                   stage::Verdict::kForwarded};
    }
    srtp_.Protect({burst_, packets.size()});
    for (size_t i = 0; i < packets.size(); ++i) {
      packets[i].tailroom =
          static_cast<uint16_t>(packets[i].tailroom - (burst_[i].length - packets[i].length));
      packets[i].length = burst_[i].length;
    }
  }

 private:
  session::SecretMemory memory_;
  stage::Srtp srtp_;
  stage::SrtpPacket burst_[kBurstMax];
};

// A leg's turn in a round: in its number everything else is contained, but to divide for the local
// endpoint would cost the generator more than to read it.
struct Turn {
  uint32_t leg;
  abi::LocalEndpoint local;
};

std::vector<uint32_t> Shuffled(uint32_t count, uint32_t seed) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  return order;
}

// Gives the packets of one round after the other, and looks at nothing that is sent.
class Generator final : public port::Outside {
 public:
  explicit Generator(uint32_t legs, const Mode& mode = {}) {
    for (const uint32_t leg : Shuffled(legs, 1)) {
      if (mode.sends[leg % 2]) order_.push_back({leg, LocalOf(leg)});
    }
    const bool seals = (mode.secured[0] && mode.sends[0]) || (mode.secured[1] && mode.sends[1]);
    if (seals) far_ = std::make_unique<FarParties>(legs, mode);
  }

  size_t Give(port::MemoryPort& port, std::span<port::Packet> packets, TimeNs now) override {
    if (!on_) return 0;
    size_t count = 0;
    for (; count < packets.size(); ++count) {
      if (next_ == order_.size()) {
        next_ = 0;
        ++round_;
      }
      port::Packet& packet = packets[count];
      if (!port.Allocate(&packet)) break;
      const auto [leg, local] = order_[next_++];
      uint8_t* const data = packet.data;
      wire::Store16(data, 0x8008);
      wire::Store16(data + 2, static_cast<uint16_t>(round_));
      wire::Store32(data + 4, round_ * 160);
      wire::Store32(data + 8, leg + 1);
      packet.length = kPayload;
      packet.tailroom = static_cast<uint16_t>(packet.tailroom - kPayload);
      packet.arrival_ns = now;
      packet.local = local;
      WriteRemote(leg, &packet.remote);
      packet.checksum = port::Checksum::kGood;
      legs_[count] = leg;
    }
    if (far_ != nullptr) {
      const TimeNs start = MonotonicNow();
      far_->Seal(packets.first(count), legs_);
      sealing_ns_ += MonotonicNow() - start;
    }
    return count;
  }
  void Take(std::span<const port::Packet> packets) override {
    benchmark::DoNotOptimize(packets.data());
  }

  void set_on(bool on) { on_ = on; }
  uint32_t round() const { return round_; }
  TimeNs sealing_ns() const { return sealing_ns_; }

 private:
  std::unique_ptr<FarParties> far_;  // all that send have SRTP, or none
  uint32_t legs_[kBurstMax];
  TimeNs sealing_ns_ = 0;
  std::vector<Turn> order_;
  size_t next_ = 0;
  uint32_t round_ = 0;
  bool on_ = false;
};

// Zeroed memory at the start of a page, as a memfd would be.
class Legs {
 public:
  explicit Legs(size_t count) : bytes_((count * sizeof(session::Leg) + kPage - 1) / kPage * kPage) {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    legs_ = {static_cast<session::Leg*>(memory_), count};
  }
  ~Legs() { munmap(memory_, bytes_); }
  Legs(const Legs&) = delete;
  Legs& operator=(const Legs&) = delete;

  std::span<session::Leg> all() const { return legs_; }

 private:
  static constexpr size_t kPage = 2 << 20;
  size_t bytes_;
  void* memory_;
  std::span<session::Leg> legs_;
};

// What one of two legs has that the other has not.
enum class Difference : uint8_t { kNone, kLaw };

session::LegSetup SetupFor(uint32_t leg, uint32_t slot, Difference difference, const Mode& mode,
                           port::MemoryPort& port) {
  session::LegSetup setup{};
  setup.srtp = SrtpPlanOf(leg, mode, false);
  setup.plan.local = LocalOf(leg);
  setup.plan.direction = abi::kLegReceives | abi::kLegSends;
  setup.plan.learning = abi::Learning::kSignalled;
  setup.plan.rtcp_mux = 1;
  setup.plan.remote_rtp = RemoteOf(leg);
  setup.plan.dscp = 46;
  setup.plan.media_timeout_ms = 30'000;
  setup.plan.format_count = 2;
  setup.plan.formats[0] = abi::EqualFormat(8, abi::Codec::kPcma, 8000);
  setup.plan.formats[1] = abi::EqualFormat(101, abi::Codec::kTelephoneEvent, 8000);
  // The generator's packets say 8 for every leg: what that is called differs.
  if (difference == Difference::kLaw && leg % 2 != 0)
    setup.plan.formats[0].codec = abi::Codec::kPcmu;
  setup.plan.transcode = 1;
  setup.statistics = slot;
  setup.rtp_handle = port.Bind(setup.plan.local, {}).value();
  setup.rtcp_handle = port::kNoHandle;
  return setup;
}

// A worker with `sessions` calls of two legs, whose slots lie in random order.
struct Relay {
  Relay(uint32_t sessions, Difference difference, const Mode& mode = {})
      : count(2 * sessions),
        generator(count, mode),
        port({.buffers = 512, .cable_slots = 2, .handles_max = count, .outside = &generator}),
        legs(count),
        keys(mode.suite == abi::SrtpSuite::kNone ? 0 : count * sizeof(session::SrtpLeg)),
        statistics(count),
        ranges((count - 1) / kPairsPerAddress + 1, {kPortFirstDefault, kPortLastDefault}) {
    port::Port* ports[] = {&port};
    worker = std::make_unique<worker::Worker>(worker::WorkerConfig{.ports = ports,
                                                                   .ranges = ranges,
                                                                   .legs = legs.all(),
                                                                   .srtp = Keys(),
                                                                   .counters = &counters,
                                                                   .statistics = statistics.data(),
                                                                   .orders = &orders,
                                                                   .reports = &reports});
    if (!worker->Attach().ok()) std::abort();
    const std::vector<uint32_t> slots = Shuffled(count, 2);
    for (uint32_t leg = 0; leg < count; leg += 2) {
      for (const uint32_t one : {leg, leg + 1}) {
        Order({.kind = worker::OrderKind::kOpenLeg,
               .leg = slots[one],
               .setup = SetupFor(one, slots[one], difference, mode, port)});
      }
      Order({.kind = worker::OrderKind::kBridge, .leg = slots[leg], .listener = slots[leg + 1]});
      Order({.kind = worker::OrderKind::kBridge, .leg = slots[leg + 1], .listener = slots[leg]});
    }
    // Two rounds: identities settle, all memory has been touched.
    generator.set_on(true);
    while (generator.round() < 2) worker->RunOnce(MonotonicNow());
  }

  void Order(const worker::Order& order) {
    if (!orders.Post(order)) std::abort();
    worker->RunOnce(MonotonicNow());
  }

  std::span<session::SrtpLeg> Keys() const {
    return {reinterpret_cast<session::SrtpLeg*>(keys.data()), keys.size() == 0 ? 0 : count};
  }

  uint64_t received() const { return counters.Read(abi::Counter::kReceivedPackets); }
  uint64_t forwarded() const { return counters.Read(abi::Counter::kForwarded); }

  const uint32_t count;
  Generator generator;
  port::MemoryPort port;
  Legs legs;
  session::SecretMemory keys;
  std::vector<abi::LegStatisticsSlot> statistics;
  std::vector<session::PortRange> ranges;
  abi::CounterBlock counters{};
  worker::Mailbox<worker::Order> orders;
  worker::Mailbox<worker::Report> reports;
  std::unique_ptr<worker::Worker> worker;
};

void SetNsPerPacket(benchmark::State& state, uint64_t packets) {
  state.SetItemsProcessed(static_cast<int64_t>(packets));
  state.counters["ns_per_packet"] =
      benchmark::Counter(static_cast<double>(packets) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Run(benchmark::State& state, Difference difference) {
  Relay relay(static_cast<uint32_t>(state.range(0)), difference);
  const uint64_t received = relay.received();
  const uint64_t transcoded = relay.counters.Read(abi::Counter::kTranscoded);
  for (auto _ : state) relay.worker->RunOnce(MonotonicNow());
  SetNsPerPacket(state, relay.received() - received);
  if (relay.forwarded() != relay.received()) state.SkipWithError("not every packet was forwarded");
  const uint64_t expected = difference == Difference::kLaw ? relay.received() - received : 0;
  if (relay.counters.Read(abi::Counter::kTranscoded) - transcoded != expected) {
    state.SkipWithError("not every packet was transcoded");
  }
}

void Secured(benchmark::State& state, const Mode& mode) {
  Relay relay(static_cast<uint32_t>(state.range(0)), Difference::kNone, mode);
  const uint64_t received = relay.received();
  for (auto _ : state) {
    const TimeNs sealing = relay.generator.sealing_ns();
    const TimeNs start = MonotonicNow();
    // Several turns: the clock itself costs some nanoseconds.
    for (int i = 0; i < 16; ++i) relay.worker->RunOnce(MonotonicNow());
    const TimeNs spent = MonotonicNow() - start - (relay.generator.sealing_ns() - sealing);
    state.SetIterationTime(static_cast<double>(spent) * 1e-9);
  }
  SetNsPerPacket(state, relay.received() - received);
  if (relay.forwarded() != relay.received()) state.SkipWithError("not every packet was forwarded");
}

// The same bursts without a worker.
void GeneratorAlone(benchmark::State& state) {
  Generator generator(2 * static_cast<uint32_t>(state.range(0)));
  generator.set_on(true);
  port::MemoryPort port({.buffers = 512, .cable_slots = 2, .outside = &generator});
  std::vector<port::Packet> packets(kBurstMax);
  uint64_t count = 0;
  for (auto _ : state) {
    const size_t given = port.Receive(packets, MonotonicNow());
    port.Send({packets.data(), given});
    count += given;
  }
  SetNsPerPacket(state, count);
}

void Register() {
  for (const int64_t sessions : {1, 500, 15'000, 60'000}) {
    const auto add = [sessions](const char* name, Difference difference) {
      benchmark::RegisterBenchmark(name, Run, difference)->ArgName("sessions")->Arg(sessions);
    };
    add("BM_Pipeline/plain", Difference::kNone);
    add("BM_Pipeline/transcode", Difference::kLaw);
  }
  constexpr abi::SrtpSuite kCm = abi::SrtpSuite::kAesCm128HmacSha1_80;
  const struct {
    const char* name;
    Mode mode;
  } modes[] = {
      {"srtp", {.suite = kCm, .secured = {false, true}, .sends = {true, false}}},
      {"srtp-in", {.suite = kCm, .secured = {false, true}, .sends = {false, true}}},
      {"srtp-both", {.suite = kCm, .secured = {true, true}}},
      {"gcm",
       {.suite = abi::SrtpSuite::kAeadAes128Gcm, .secured = {false, true}, .sends = {true, false}}},
  };
  for (const auto& one : modes) {
    const std::string name = std::string("BM_Pipeline/") + one.name;
    benchmark::RegisterBenchmark(name.c_str(), Secured, one.mode)
        ->ArgName("sessions")
        ->Arg(500)
        ->Arg(15'000)
        ->UseManualTime();
  }
  benchmark::RegisterBenchmark("BM_Pipeline/generator", GeneratorAlone)
      ->ArgName("sessions")
      ->Arg(15'000);
}

}  // namespace
}  // namespace relay

int main(int argc, char** argv) {
  relay::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
