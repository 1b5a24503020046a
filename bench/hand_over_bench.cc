// What a packet costs that came to the wrong worker: the copy into the ring, the line that changes
// cores, and the copy out of it. Two threads, which need a core each.
#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <thread>

#include "relay/port/memory.h"
#include "relay/worker/hand_over.h"

namespace {

using relay::port::MemoryPort;
using relay::port::Packet;
using relay::worker::HandOver;

void BM_HandOver(benchmark::State& state) {
  const auto burst = static_cast<size_t>(state.range(0));
  HandOver hand_over(2, relay::abi::EvenPlacement(relay::abi::PlacementKind::kHandOver, 2));
  MemoryPort near({.buffers = 64});
  std::atomic<uint64_t> taken{0};
  std::atomic<bool> stop{false};
  std::thread taker([&] {
    MemoryPort far({.buffers = 128});
    std::array<relay::port::Port*, 1> ports{&far};
    std::array<Packet, relay::kBurstMax> packets;
    uint8_t port_index = 0;
    uint64_t count = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      const size_t got = hand_over.Take(1, ports, packets, &port_index);
      if (got == 0) continue;
      far.Release({packets.data(), got});
      taken.store(count += got, std::memory_order_release);
    }
  });
  Packet packet;
  if (!near.Allocate(&packet)) state.SkipWithError("no buffer");
  packet.length = 172;
  packet.local = {.address = 0, .port = 10002};
  uint64_t given = 0;
  uint64_t full = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < burst;) {
      if (hand_over.Give(0, 1, 0, packet)) {
        ++i;
      } else {
        ++full;  // a worker would drop it; here the taker's speed is part of the answer
        hand_over.Publish(0);
      }
    }
    hand_over.Publish(0);
    given += burst;
  }
  while (taken.load(std::memory_order_acquire) != given) {
  }
  stop.store(true, std::memory_order_relaxed);
  taker.join();
  near.Release({&packet, 1});
  state.SetItemsProcessed(static_cast<int64_t>(given));
  state.counters["ns_per_packet"] = benchmark::Counter(
      static_cast<double>(given) * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["full"] = static_cast<double>(full);
}
BENCHMARK(BM_HandOver)->ArgName("burst")->Arg(1)->Arg(8)->Arg(32)->Arg(64)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
