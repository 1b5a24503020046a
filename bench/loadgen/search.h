// The highest clean rate: nothing lost, and the 99th percentile of latency under a bound.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/loadgen/pump.h"

namespace bench::loadgen {

// A ten-thousandth: what nobody hears, and what many a comparison calls lossless.
inline constexpr double kLossTolerated = 1e-4;

bool Clean(const Measurement& measurement, double p99_ms_max, double loss_max = 0);
// The highest rate among the measurements that are clean but for `loss_max`, packets/s; 0 = none.
uint64_t HighestRate(const std::vector<Measurement>& measurements, double p99_ms_max,
                     double loss_max);

struct Search {
  uint64_t from = 10'000;  // packets/s
  uint64_t to = 400'000;
  double p99_ms_max = 10;
};

// Climbs by a quarter until a rate is not clean or `to` is reached, then halves the gap twice.
// Every measurement made is returned in its order; the answer is the clean one with the most calls.
absl::StatusOr<std::vector<Measurement>> FindHighestClean(
    const Search& search, const std::function<absl::StatusOr<Measurement>(uint64_t calls)>& run);

}  // namespace bench::loadgen
