// What SRTP costs a packet of 172 bytes (20 ms of G.711 with its header): index, cipher, tag and
// window, for a burst of packets of as many sessions; their first lines are asked for as the
// pipeline does it.
//
//   BM_SrtpProtect/batch/AES_CM_128_HMAC_SHA1_80/burst:32  hot: always the same sessions
//   .../cold/burst:32                                      30,000 sessions in random order
//   .../pair/burst:32/real_time/threads:2                  two threads, each by itself
//
// Beside them BM_Library/...: what the libraries take by themselves (srtp_library_*.cc).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "relay/session/secret_memory.h"
#include "relay/stage/srtp.h"
#include "relay/wire/bytes.h"

namespace relay {
namespace {

using abi::SrtpSuite;
using stage::SrtpEngineKind;
using stage::SrtpPacket;

constexpr uint32_t kPayload = 172;
constexpr size_t kBuffer = 256;

abi::SrtpKey KeyOf(uint32_t leg, SrtpSuite suite, uint8_t way) {
  abi::SrtpKey key{};
  std::mt19937 random(leg * 2 + way);
  for (int i = 0; i < abi::FactsOf(suite).key_length; ++i) {
    key.key[i] = static_cast<uint8_t>(random() | 1);
  }
  for (int i = 0; i < abi::FactsOf(suite).salt_length; ++i) {
    key.salt[i] = static_cast<uint8_t>(random());
  }
  return key;
}

// One side of `legs` sessions. The other side has the keys the other way round.
struct Side {
  Side(SrtpEngineKind kind, SrtpSuite suite, uint32_t legs, uint8_t way)
      : memory(legs * sizeof(session::SrtpLeg)),
        srtp({reinterpret_cast<session::SrtpLeg*>(memory.data()), legs},
             stage::MakeSrtpEngine(kind)) {
    for (uint32_t leg = 0; leg < legs; ++leg) {
      abi::SrtpPlan plan{};
      plan.suite = suite;
      plan.send_key_count = plan.receive_key_count = 1;
      plan.send = KeyOf(leg, suite, way);
      plan.receive[0] = KeyOf(leg, suite, way ^ 1);
      srtp.Apply(leg, plan, kSecond);
    }
  }
  session::SecretMemory memory;
  stage::Srtp srtp;
};

class Bursts {
 public:
  Bursts(uint32_t legs, size_t burst) : order_(legs), burst_(burst), buffers_(burst * kBuffer) {
    std::iota(order_.begin(), order_.end(), 0u);
    std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
    packets_.resize(burst);
  }

  // The next `burst` sessions, each with the next packet of its stream.
  std::span<SrtpPacket> Next() {
    for (size_t i = 0; i < burst_; ++i) {
      if (next_ == order_.size()) {
        next_ = 0;
        ++sequence_;
      }
      uint8_t* const data = &buffers_[i * kBuffer];
      const uint32_t leg = order_[next_++];
      wire::Store16(data, 0x8008);
      wire::Store16(data + 2, sequence_);
      wire::Store32(data + 4, sequence_ * 160u);
      wire::Store32(data + 8, leg + 1);
      packets_[i] = {leg, kPayload, data, kBuffer - kPayload, stage::Verdict::kForwarded};
    }
    return packets_;
  }
  // Whether each session has had its first packet, which no later one is like.
  bool warm() const { return sequence_ != 0; }

 private:
  std::vector<uint32_t> order_;
  const size_t burst_;
  std::vector<uint8_t> buffers_;
  std::vector<SrtpPacket> packets_;
  size_t next_ = 0;
  uint16_t sequence_ = 0;
};

void SetNsPerPacket(benchmark::State& state, size_t burst) {
  const auto packets = static_cast<double>(state.iterations()) * static_cast<double>(burst);
  state.SetItemsProcessed(static_cast<int64_t>(packets));
  state.counters["ns_per_packet"] =
      benchmark::Counter(packets * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert |
                                             benchmark::Counter::kAvgThreads);
}

bool AllDone(std::span<const SrtpPacket> packets) {
  return std::all_of(packets.begin(), packets.end(), [](const SrtpPacket& packet) {
    return packet.verdict == stage::Verdict::kForwarded;
  });
}

struct Case {
  SrtpEngineKind kind;
  SrtpSuite suite;
  uint32_t legs;  // at least the burst
};

void Protect(benchmark::State& state, Case one) {
  const auto burst = static_cast<size_t>(state.range(0));
  one.legs = std::max(one.legs, static_cast<uint32_t>(burst));
  Side side(one.kind, one.suite, one.legs, 0);
  Bursts bursts(one.legs, burst);
  while (!bursts.warm()) side.srtp.Protect(bursts.Next());
  for (auto _ : state) {
    const std::span<SrtpPacket> packets = bursts.Next();
    for (const SrtpPacket& packet : packets) side.srtp.PrefetchSending(packet.leg);
    side.srtp.Protect(packets);
    if (!AllDone(packets)) return state.SkipWithError("a packet was refused");
  }
  SetNsPerPacket(state, burst);
}

// Bursts are protected beforehand, as many at once as need no more than some megabytes, outside the
// measured time.
void Unprotect(benchmark::State& state, Case one) {
  const auto burst = static_cast<size_t>(state.range(0));
  one.legs = std::max(one.legs, static_cast<uint32_t>(burst));
  Side far(one.kind, one.suite, one.legs, 0);
  Side side(one.kind, one.suite, one.legs, 1);
  Bursts bursts(one.legs, burst);
  while (!bursts.warm()) {
    const std::span<SrtpPacket> packets = bursts.Next();
    far.srtp.Protect(packets);
    side.srtp.Unprotect(packets, kSecond);
  }
  constexpr size_t kAhead = 64;
  std::vector<std::vector<uint8_t>> sealed(kAhead);
  std::vector<SrtpPacket> shapes(kAhead * burst);
  size_t ready = 0;
  for (auto _ : state) {
    if (ready == 0) {
      state.PauseTiming();
      for (ready = 0; ready < kAhead; ++ready) {
        const std::span<SrtpPacket> packets = bursts.Next();
        far.srtp.Protect(packets);
        sealed[ready].assign(packets[0].data, packets[0].data + burst * kBuffer);
        for (size_t i = 0; i < burst; ++i) {
          shapes[ready * burst + i] = packets[i];
          shapes[ready * burst + i].data = &sealed[ready][i * kBuffer];
        }
      }
      state.ResumeTiming();
    }
    const std::span<SrtpPacket> packets(&shapes[(kAhead - ready) * burst], burst);
    --ready;
    for (const SrtpPacket& packet : packets) side.srtp.PrefetchReceiving(packet.leg);
    side.srtp.Unprotect(packets, kSecond);
    if (!AllDone(packets)) return state.SkipWithError("a packet was refused");
  }
  SetNsPerPacket(state, burst);
}

void Register(const std::string& name, void (*run)(benchmark::State&, Case)) {
  constexpr SrtpSuite kSuites[] = {SrtpSuite::kAesCm128HmacSha1_80, SrtpSuite::kAesCm256HmacSha1_80,
                                   SrtpSuite::kAeadAes128Gcm, SrtpSuite::kAeadAes256Gcm};
  for (const SrtpEngineKind kind :
       {SrtpEngineKind::kBatch, SrtpEngineKind::kPortable, SrtpEngineKind::kLibsrtp2}) {
    const auto engine = stage::MakeSrtpEngine(kind);
    if (engine == nullptr) continue;
    for (const SrtpSuite suite : kSuites) {
      const std::string all =
          name + "/" + std::string(engine->name()) + "/" + abi::FactsOf(suite).name;
      auto* hot = benchmark::RegisterBenchmark(all.c_str(), run, Case{kind, suite, 1});
      hot->ArgName("burst");
      for (const int burst : {1, 4, 8, 16, 32, 64}) hot->Arg(burst);
      if (kind == SrtpEngineKind::kLibsrtp2) continue;  // takes 100 us a packet with so many
      benchmark::RegisterBenchmark((all + "/cold").c_str(), run, Case{kind, suite, 30'000})
          ->ArgName("burst")
          ->Arg(32);
      benchmark::RegisterBenchmark((all + "/pair").c_str(), run, Case{kind, suite, 1})
          ->ArgName("burst")
          ->Arg(32)
          ->Threads(2)
          ->UseRealTime();
    }
  }
}

}  // namespace
}  // namespace relay

int main(int argc, char** argv) {
  relay::Register("BM_SrtpProtect", relay::Protect);
  relay::Register("BM_SrtpUnprotect", relay::Unprotect);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
