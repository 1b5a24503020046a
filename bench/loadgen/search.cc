#include "bench/loadgen/search.h"

#include <algorithm>

namespace bench::loadgen {
namespace {

constexpr uint64_t kPacketsPerCall = 2 * kPacketsPerSecond;
constexpr int kHalvings = 2;

}  // namespace

bool Clean(const Measurement& measurement, double p99_ms_max, double loss_max) {
  const StreamTotals& totals = measurement.totals;
  return static_cast<double>(totals.lost()) <= loss_max * static_cast<double>(totals.sent) &&
         totals.refused == 0 && measurement.on_time() && totals.out_of_step == 0 &&
         measurement.wrong_side == 0 && measurement.not_authentic == 0 &&
         static_cast<double>(measurement.latency.Quantile(0.99)) < p99_ms_max * 1e6;
}

uint64_t HighestRate(const std::vector<Measurement>& measurements, double p99_ms_max,
                     double loss_max) {
  uint64_t calls = 0;
  for (const Measurement& measurement : measurements) {
    if (Clean(measurement, p99_ms_max, loss_max)) calls = std::max(calls, measurement.calls);
  }
  return calls * kPacketsPerCall;
}

absl::StatusOr<std::vector<Measurement>> FindHighestClean(
    const Search& search, const std::function<absl::StatusOr<Measurement>(uint64_t calls)>& run) {
  std::vector<Measurement> results;
  const uint64_t most = search.to / kPacketsPerCall;
  uint64_t clean = 0;
  uint64_t broken = 0;  // 0 = none found yet
  uint64_t next = std::max<uint64_t>(1, search.from / kPacketsPerCall);
  for (int halvings = 0; next <= most && halvings <= kHalvings;) {
    auto measured = run(next);
    if (!measured.ok()) return measured.status();
    results.push_back(*measured);
    (Clean(*measured, search.p99_ms_max) ? clean : broken) = next;
    if (broken == 0) {
      if (next == most) break;
      next = std::min(most, next + std::max<uint64_t>(1, next / 4));
    } else {
      ++halvings;
      next = clean + (broken - clean) / 2;
      if (next == clean) break;
    }
  }
  return results;
}

}  // namespace bench::loadgen
