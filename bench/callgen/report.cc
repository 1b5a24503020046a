#include "bench/callgen/report.h"

#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace bench::callgen {
namespace {

double Ms(uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

nlohmann::json Json(const loadgen::Latency& latency) {
  return {{"count", latency.count()},
          {"p50", Ms(latency.Quantile(0.5))},
          {"p99", Ms(latency.Quantile(0.99))},
          {"p999", Ms(latency.Quantile(0.999))},
          {"max", Ms(latency.max_ns())}};
}

std::string Line(const char* name, const loadgen::Latency& latency) {
  return absl::StrFormat("%-22s p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", name,
                         Ms(latency.Quantile(0.5)), Ms(latency.Quantile(0.99)),
                         Ms(latency.max_ns()));
}

}  // namespace

std::string ReportText(const Report& report) {
  std::string text = absl::StrFormat(
      "%-22s %d at %.1f/s, at most %d at a time\n%-22s %d, %.1f/s meanwhile\n"
      "%-22s %d\n",
      "calls placed", report.placed, report.rate(), report.open_max, "ended well", report.ended,
      report.goodput(), "failed", report.failed());
  for (const auto& [why, count] : report.failures) {
    absl::StrAppendFormat(&text, "  %-20s %d\n", why, count);
  }
  text += Line("INVITE to 100", report.trying) + Line("INVITE to 200", report.setup) +
          Line("BYE to 200", report.hangup);
  absl::StrAppendFormat(&text, "%-22s %d, %d answers\n", "sent again", report.repeated,
                        report.answers_repeated);
  absl::StrAppendFormat(
      &text, "%-22s %.1f ms behind at most, %.3f ms of CPU a call\n", "the load itself",
      Ms(report.late_ns_max),
      report.placed > 0 ? 1000 * report.cpu_seconds / static_cast<double>(report.placed) : 0.0);
  return text;
}

std::string ReportJson(const Report& report) {
  const nlohmann::json json{{"placed", report.placed},
                            {"answered", report.answered},
                            {"ended", report.ended},
                            {"failed", report.failed()},
                            {"failures", report.failures},
                            {"open_max", report.open_max},
                            {"repeated", report.repeated},
                            {"answers_repeated", report.answers_repeated},
                            {"without_trying", report.without_trying},
                            {"called", report.called},
                            {"not_acknowledged", report.not_acknowledged},
                            {"connections_lost", report.connections_lost},
                            {"late_ms_max", Ms(report.late_ns_max)},
                            {"calls_per_second", report.rate()},
                            {"ended_per_second", report.goodput()},
                            {"cpu_seconds", report.cpu_seconds},
                            {"trying_ms", Json(report.trying)},
                            {"setup_ms", Json(report.setup)},
                            {"hangup_ms", Json(report.hangup)}};
  return json.dump(1) + "\n";
}

}  // namespace bench::callgen
