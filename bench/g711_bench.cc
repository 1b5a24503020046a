// The byte maps, in nanoseconds for the 160 codes of a 20 ms packet.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/g711.h"

namespace {

using Map = void (*)(uint8_t*, const uint8_t*, size_t);

void Run(benchmark::State& state, Map map, size_t length) {
  std::vector<uint8_t> payload(length);
  for (size_t i = 0; i < length; ++i) payload[i] = static_cast<uint8_t>(i * 37);
  for (auto _ : state) {
    map(payload.data(), payload.data(), length);
    benchmark::DoNotOptimize(payload.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["ns_per_packet"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace

int main(int argc, char** argv) {
  for (kernels::Isa isa : kernels::kAllIsas) {
    if (!kernels::IsSupported(isa)) continue;
    const kernels::G711& g711 = kernels::G711For(isa);
    const std::string name = kernels::IsaName(isa);
    benchmark::RegisterBenchmark(("BM_AlawToUlaw/" + name + "/160").c_str(), Run, g711.alaw_to_ulaw,
                                 160);
    benchmark::RegisterBenchmark(("BM_UlawToAlaw/" + name + "/160").c_str(), Run, g711.ulaw_to_alaw,
                                 160);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
