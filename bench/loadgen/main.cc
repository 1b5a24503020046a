// loadgen: RTP through a relay and back, with every packet accounted for.

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/loadgen/calls.h"
#include "bench/loadgen/options.h"
#include "bench/loadgen/pump.h"
#include "bench/loadgen/relay_calls.h"
#include "bench/loadgen/search.h"
#include "nlohmann/json.hpp"

namespace bench::loadgen {
namespace {

double Ms(uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

nlohmann::json Json(const Measurement& m, double p99_ms_max) {
  return {{"calls", m.calls},
          {"seconds", m.seconds},
          {"seconds_taken", m.took},
          {"packets_per_second", m.offered()},
          {"sent", m.totals.sent},
          {"received", m.totals.received},
          {"lost", m.totals.lost()},
          {"refused_by_own_kernel", m.totals.refused},
          {"duplicate", m.totals.duplicate},
          {"reordered", m.totals.reordered},
          {"out_of_step", m.totals.out_of_step},
          {"wrong_side", m.wrong_side},
          {"strangers", m.strangers},
          {"not_authentic", m.not_authentic},
          {"streams_with_loss", m.streams_broken},
          {"generator_late_ms_max", Ms(m.late_ns_max)},
          {"clean", Clean(m, p99_ms_max)},
          {"latency_ms",
           {{"p50", Ms(m.latency.Quantile(0.5))},
            {"p99", Ms(m.latency.Quantile(0.99))},
            {"p999", Ms(m.latency.Quantile(0.999))},
            {"max", Ms(m.latency.max_ns())}}}};
}

void PrintHeading() {
  std::printf("%8s %10s %12s %8s %6s %6s %9s %9s %9s %9s  %s\n", "calls", "packets/s", "received",
              "lost", "dup", "reord", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "clean");
}

void Print(const Measurement& m, double p99_ms_max) {
  std::printf("%8lu %10.0f %12lu %8lu %6lu %6lu %9.3f %9.3f %9.3f %9.3f  %s\n", m.calls,
              m.offered(), m.totals.received, m.totals.lost(), m.totals.duplicate,
              m.totals.reordered, Ms(m.latency.Quantile(0.5)), Ms(m.latency.Quantile(0.99)),
              Ms(m.latency.Quantile(0.999)), Ms(m.latency.max_ns()),
              Clean(m, p99_ms_max) ? "yes" : "no");
  std::fflush(stdout);
}

// One line on the terminal that fills up and goes; the row of the result takes its place.
void ShowProgress(double part) {
  constexpr size_t kWidth = 40;
  const auto done = static_cast<size_t>(part * static_cast<double>(kWidth));
  const std::string bar = std::string(done, '#') + std::string(kWidth - done, '.');
  std::fprintf(stderr, "\r[%s] %3.0f %%\r", bar.c_str(), 100 * part);
}

struct Source {
  RelayCalls relay;
  ListedCalls list;
  Calls* calls = nullptr;
};

absl::Status OpenSource(const Options& options, const Pump& pump, Source* source) {
  if (!options.relay.empty()) {
    source->calls = &source->relay;
    return source->relay.Attach({.socket = options.relay,
                                 .far_a = pump.Endpoints(0),
                                 .far_b = pump.Endpoints(1),
                                 .rtcp_mux = options.rtcp_mux,
                                 .media = options.pump.media});
  }
  auto list = ListedCalls::Read(options.list, options.pump.media);
  if (!list.ok()) return list.status();
  source->list = *std::move(list);
  source->calls = &source->list;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Measurement>> Measure(const Options& options, Pump* pump, Calls* calls) {
  const auto once = [&](uint64_t count) -> absl::StatusOr<Measurement> {
    auto ready = calls->Ensure(count);
    if (!ready.ok()) return ready.status();
    absl::Status prepared = pump->Prepare(**ready, calls->first_keys());
    if (!prepared.ok()) return prepared;
    if (options.warm_seconds > 0) pump->Run(**ready, count, options.warm_seconds);
    Measurement result = pump->Run(**ready, count, options.seconds);
    if (options.json != "-") Print(result, options.p99_ms_max);
    return result;
  };
  if (options.json != "-") PrintHeading();
  if (options.search_from > 0) {
    return FindHighestClean({options.search_from, options.search_to, options.p99_ms_max}, once);
  }
  auto result = once(options.calls);
  if (!result.ok()) return result.status();
  return std::vector<Measurement>{*std::move(result)};
}

absl::Status Run(const Options& options) {
  if (absl::Status status = PinTo(options.cpu); !status.ok()) return status;
  PumpOptions pump_options = options.pump;
  if (isatty(STDERR_FILENO) != 0) pump_options.progress = ShowProgress;
  auto pump = Pump::Open(pump_options);
  if (!pump.ok()) return pump.status();
  Source source;
  if (absl::Status status = OpenSource(options, **pump, &source); !status.ok()) return status;
  auto results = Measure(options, pump->get(), source.calls);
  if (!results.ok()) return results.status();
  if (absl::Status status = source.calls->Close(); !status.ok()) return status;

  nlohmann::json json{{"p99_ms_max", options.p99_ms_max},
                      {"measurements", nlohmann::json::array()}};
  for (const Measurement& m : *results) {
    json["measurements"].push_back(Json(m, options.p99_ms_max));
  }
  json["highest_clean_packets_per_second"] =
      HighestRate(*results, options.p99_ms_max, 0) * options.pump.pace / kPacketsPerSecond;
  json["highest_packets_per_second_at_1e-4_loss"] =
      HighestRate(*results, options.p99_ms_max, kLossTolerated) * options.pump.pace /
      kPacketsPerSecond;
  if (!options.relay.empty()) {
    const RelayTotals& totals = source.relay.totals();
    json["relay"] = {{"legs", totals.legs},        {"received", totals.received},
                     {"sent", totals.sent},        {"dropped", totals.dropped},
                     {"lost_before", totals.lost}, {"counters", source.relay.Counters()}};
  }
  if (options.json.empty()) return absl::OkStatus();
  return WriteResult(options.json, json.dump(2) + "\n");
}

}  // namespace
}  // namespace bench::loadgen

int main(int argc, char** argv) {
  bench::loadgen::Options options;
  return bench::RunProgram(bench::loadgen::UsageOf(&options), argc, argv,
                           [&options] { return bench::loadgen::Run(options); });
}
