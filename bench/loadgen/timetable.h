// When packets leave: evenly, and after a delay of the generator's own no faster than a line would
// carry them. A generator that made up for 8 ms in one burst would fill any ring, and what is then
// lost is the ruler's fault.
#pragma once

#include <cstdint>

namespace bench::loadgen {

class Timetable {
 public:
  // What may leave at once: as much as a packet card gives in one go.
  static constexpr uint64_t kBurstMax = 256;
  // How much faster than its rate a delay is made up for.
  static constexpr double kHaste = 1.25;

  // `rate` packets/s, `packets` in all, the first at `begin_ns`.
  Timetable(uint64_t rate, uint64_t packets, uint64_t begin_ns);

  bool IsOver() const { return sent_ == packets_; }
  uint64_t sent() const { return sent_; }
  // How many leave now, at most kBurstMax; they count as sent. `now_ns` never goes back.
  uint64_t Take(uint64_t now_ns);
  // The greatest delay so far of a packet that was due.
  uint64_t late_ns_max() const { return late_ns_max_; }

 private:
  const double per_ns_;
  const uint64_t packets_;
  const uint64_t begin_ns_;
  uint64_t sent_ = 0;
  uint64_t last_ns_;
  double credit_ = static_cast<double>(kBurstMax);  // packets that the line takes now
  uint64_t late_ns_max_ = 0;
};

}  // namespace bench::loadgen
