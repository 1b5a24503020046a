#include "bench/loadgen/timetable.h"

#include <algorithm>

namespace bench::loadgen {

Timetable::Timetable(uint64_t rate, uint64_t packets, uint64_t begin_ns)
    : per_ns_(static_cast<double>(rate) / 1e9),
      packets_(packets),
      begin_ns_(begin_ns),
      last_ns_(begin_ns) {}

uint64_t Timetable::Take(uint64_t now_ns) {
  credit_ = std::min(static_cast<double>(kBurstMax),
                     credit_ + kHaste * per_ns_ * static_cast<double>(now_ns - last_ns_));
  last_ns_ = now_ns;
  const auto elapsed_ns = static_cast<double>(now_ns - begin_ns_);
  const uint64_t due = std::min(packets_, static_cast<uint64_t>(elapsed_ns * per_ns_) + 1);
  if (due <= sent_) return 0;
  const double waited_ns = elapsed_ns - static_cast<double>(sent_) / per_ns_;
  late_ns_max_ = std::max(late_ns_max_, static_cast<uint64_t>(std::max(0.0, waited_ns)));
  const uint64_t leaving = std::min(due - sent_, static_cast<uint64_t>(credit_));
  credit_ -= static_cast<double>(leaving);
  sent_ += leaving;
  return leaving;
}

}  // namespace bench::loadgen
