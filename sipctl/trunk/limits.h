// How many calls a trunk may have, and how fast new ones may be sent to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sipctl/trunk/config.h"

namespace sipctl::trunk {

// Tokens that fill at a steady rate. Exact integers: no drift over months.
class TokenBucket {
 public:
  // `per_minute` tokens a minute, at most `burst` saved up; starts full. 0 a minute = no limit.
  TokenBucket(uint32_t per_minute, uint32_t burst, uint64_t now_ns);

  bool Take(uint64_t now_ns);
  // Nanoseconds until Take succeeds; 0 = now.
  uint64_t WaitNs(uint64_t now_ns) const;

 private:
  uint64_t Filled(uint64_t now_ns) const;

  uint64_t token_ns_;     // time that one token takes; 0 = no limit
  uint64_t capacity_ns_;  // burst * token_ns_
  uint64_t saved_ns_;     // tokens kept as the time they took
  uint64_t filled_at_ns_;
};

enum class Admission : uint8_t {
  kAdmitted,
  kTrunkFull,     // calls_max of the trunk: 503
  kProcessFull,   // calls_max of the process: 503
  kRateExceeded,  // calls_per_minute of the destination: 503 with Retry-After
};
std::string_view AdmissionName(Admission admission);

// One instance for the process, on the SIP thread.
class Limits {
 public:
  Limits(const Config& config, uint64_t now_ns);

  // The configuration that succeeds the present one: a trunk whose name was there before goes on
  // with its calls and its tokens, whatever place it has now.
  void Follow(const Config& next, uint64_t now_ns);

  // A new call from one trunk to another. When it is admitted, End(source, destination) once.
  Admission Begin(size_t source, size_t destination, uint64_t now_ns);
  void End(size_t source, size_t destination);

  // Whole seconds for Retry-After, at least 1.
  uint32_t RetryAfterSeconds(size_t destination, uint64_t now_ns) const;
  uint32_t calls(size_t trunk) const { return trunks_[trunk]->calls; }
  uint32_t calls() const { return calls_; }

 private:
  struct PerTrunk {
    std::string name;
    uint32_t calls = 0;
    uint32_t calls_max = 0;
    uint32_t calls_per_minute = 0;
    uint32_t call_burst = 0;
    TokenBucket bucket;
  };
  // By index of Config::trunks; a retired trunk shares with its successor.
  std::vector<std::shared_ptr<PerTrunk>> trunks_;
  uint32_t calls_ = 0;
  uint32_t calls_max_ = 0;
};

}  // namespace sipctl::trunk
