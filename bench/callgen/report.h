// What a load came to.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "bench/loadgen/latency.h"

namespace bench::callgen {

struct Report {
  uint64_t placed = 0;
  uint64_t answered = 0;  // and acknowledged
  uint64_t ended = 0;     // answered, and its BYE was answered too
  // Why calls failed, in words: "486", "no final answer to INVITE", "connection lost".
  std::map<std::string, uint64_t> failures;
  uint64_t open = 0, open_max = 0;  // of calls that were placed
  uint64_t repeated = 0;            // requests and ACKs sent again
  uint64_t answers_repeated = 0;    // by the called side: 200 without its ACK in time
  uint64_t without_trying = 0;      // the first answer was none of 100
  uint64_t called = 0;              // INVITEs that reached the called side
  uint64_t not_acknowledged = 0;    // of them: no ACK within 64*T1
  uint64_t connections_lost = 0;
  uint64_t late_ns_max = 0;          // how far the load fell behind its own timetable
  uint64_t placed_at_full_rate = 0;  // of `placed`: from the end of the ramp on
  uint64_t ended_at_full_rate = 0;   // of `ended`: in the same time
  double full_rate_seconds = 0;      // which took so long
  double cpu_seconds = 0;            // of the load itself

  // From the end of the ramp on, in ns.
  loadgen::Latency trying;  // INVITE to 100
  loadgen::Latency setup;   // INVITE to 200
  loadgen::Latency hangup;  // BYE to 200

  uint64_t failed() const {
    uint64_t sum = 0;
    for (const auto& [why, count] : failures) sum += count;
    return sum;
  }
  double rate() const { return PerSecond(placed_at_full_rate); }
  // What was carried while that was asked for: under too much load less than `rate`.
  double goodput() const { return PerSecond(ended_at_full_rate); }

 private:
  double PerSecond(uint64_t calls) const {
    return full_rate_seconds > 0 ? static_cast<double>(calls) / full_rate_seconds : 0;
  }
};

std::string ReportText(const Report& report);
std::string ReportJson(const Report& report);

}  // namespace bench::callgen
