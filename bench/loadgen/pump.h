// The measurement itself: one thread that sends every stream's packet when it is due and takes in
// whatever comes back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/loadgen/calls.h"
#include "bench/loadgen/latency.h"
#include "bench/loadgen/speech.h"
#include "bench/loadgen/stream.h"
#include "bench/loadgen/wire.h"

namespace bench::loadgen {

struct PumpOptions {
  FarEnd far;
  CallMedia media = {};
  uint64_t pace = kPacketsPerSecond;  // of a stream, packets/s
  uint64_t drain_ns = 500'000'000;
  std::function<void(double)> progress = nullptr;  // told a few times a second: 0 .. 1 is over
};

struct Measurement {
  uint64_t calls = 0;
  double seconds = 0;  // as asked for
  double took = 0;     // until the last packet was sent: longer when the generator was too slow
  StreamTotals totals;
  Latency latency;
  uint64_t strangers = 0;       // packets that are none of this run's
  uint64_t wrong_side = 0;      // came out where they went in
  uint64_t late_ns_max = 0;     // the generator's own worst delay behind its timetable
  uint64_t streams_broken = 0;  // streams that lost something
  uint64_t not_authentic = 0;   // of the protected packets of the first call
  double offered() const { return static_cast<double>(totals.sent) / std::max(seconds, took); }
  // The generator did what was asked of it, so the rate is what it is called.
  bool on_time() const { return took <= 1.01 * seconds; }
};

class Pump {
 public:
  static absl::StatusOr<std::unique_ptr<Pump>> Open(const PumpOptions& options);

  std::vector<sockaddr_in> Endpoints(int side) const { return wire_->Endpoints(side); }
  // For all calls there are: a search goes on to more of them.
  absl::Status Prepare(const std::vector<Call>& calls, const SpeechKeys& first_keys);

  // Runs the first `count` calls for `seconds` and waits for the stragglers.
  Measurement Run(const std::vector<Call>& calls, size_t count, double seconds);

 private:
  struct Pass;

  Pump(const PumpOptions& options, std::unique_ptr<Wire> wire)
      : options_(options), wire_(std::move(wire)) {}
  void Send(Pass* pass, uint32_t stream, uint64_t now_ns);
  void Flush(Pass* pass);
  void Receive(Pass* pass);
  void Hear(Pass* pass, const Wire::Heard& heard);
  void HearUnmarked(Pass* pass, const Wire::Heard& heard);

  PumpOptions options_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<Speech> speech_;  // null: packets carry marks
  uint64_t said_ = 0;               // packets of each of its streams so far
  uint32_t runs_ = 0;
};

}  // namespace bench::loadgen
