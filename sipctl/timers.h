// A timer wheel with injected time. Deterministic: what is due fires in order of (due time, order
// of scheduling), so that a simulation replays exactly from its seed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "sipctl/clock.h"

namespace sipctl {

class Timers {
 public:
  using Id = uint64_t;  // 0 names no timer

  explicit Timers(TimeMs now);
  ~Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // The time of this turn; moves only in Advance.
  TimeMs now() const;

  Id After(TimeMs delay, std::function<void()> fire);
  // Does nothing when *id is 0 or has fired; sets *id to 0.
  void Cancel(Id* id);

  // Moves the clock and fires what is due. A callback may schedule and cancel.
  void Advance(TimeMs now);

  // When the next timer is due, if there is one: how long the loop may sleep. May be early by the
  // wheel's granularity, never late.
  std::optional<TimeMs> Next() const;

  size_t size() const;

 private:
  struct Wheel;
  std::unique_ptr<Wheel> wheel_;
};

}  // namespace sipctl
