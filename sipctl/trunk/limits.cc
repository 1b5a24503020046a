#include "sipctl/trunk/limits.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sipctl::trunk {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kMinuteNs = 60 * kSecondNs;

}  // namespace

TokenBucket::TokenBucket(uint32_t per_minute, uint32_t burst, uint64_t now_ns)
    : token_ns_(per_minute == 0 ? 0 : kMinuteNs / per_minute),
      capacity_ns_(std::max<uint64_t>(burst, 1) * token_ns_),
      saved_ns_(capacity_ns_),
      filled_at_ns_(now_ns) {}

uint64_t TokenBucket::Filled(uint64_t now_ns) const {
  // Time never goes back; a caller that mixes two clocks gains nothing.
  const uint64_t passed_ns = now_ns > filled_at_ns_ ? now_ns - filled_at_ns_ : 0;
  return passed_ns >= capacity_ns_ ? capacity_ns_ : std::min(capacity_ns_, saved_ns_ + passed_ns);
}

bool TokenBucket::Take(uint64_t now_ns) {
  if (token_ns_ == 0) return true;
  saved_ns_ = Filled(now_ns);
  filled_at_ns_ = std::max(filled_at_ns_, now_ns);
  if (saved_ns_ < token_ns_) return false;
  saved_ns_ -= token_ns_;
  return true;
}

uint64_t TokenBucket::WaitNs(uint64_t now_ns) const {
  const uint64_t filled_ns = Filled(now_ns);
  return filled_ns >= token_ns_ ? 0 : token_ns_ - filled_ns;
}

std::string_view AdmissionName(Admission admission) {
  constexpr std::array<std::string_view, 4> kNames = {"admitted", "trunk full", "process full",
                                                      "rate exceeded"};
  return kNames[static_cast<size_t>(admission)];
}

Limits::Limits(const Config& config, uint64_t now_ns) : calls_max_(config.calls_max) {
  for (const Trunk& trunk : config.trunks) {
    trunks_.push_back(std::make_shared<PerTrunk>(
        PerTrunk{trunk.name, 0, trunk.calls_max, trunk.calls_per_minute, trunk.call_burst,
                 TokenBucket(trunk.calls_per_minute, trunk.call_burst, now_ns)}));
  }
}

void Limits::Follow(const Config& next, uint64_t now_ns) {
  std::vector<std::shared_ptr<PerTrunk>> followers = Limits(next, now_ns).trunks_;
  for (size_t i = 0; i < followers.size(); ++i) {
    const auto known = std::find_if(trunks_.begin(), trunks_.end(), [&](const auto& each) {
      return each->name == followers[i]->name;
    });
    if (known == trunks_.end()) continue;
    PerTrunk& kept = **known;
    const PerTrunk fresh = *followers[i];
    followers[i] = *known;
    if (next.trunks[i].retired) continue;
    kept.calls_max = fresh.calls_max;
    if (kept.calls_per_minute != fresh.calls_per_minute || kept.call_burst != fresh.call_burst) {
      kept.calls_per_minute = fresh.calls_per_minute;
      kept.call_burst = fresh.call_burst;
      kept.bucket = fresh.bucket;
    }
  }
  trunks_ = std::move(followers);
  calls_max_ = next.calls_max;
}

Admission Limits::Begin(size_t source, size_t destination, uint64_t now_ns) {
  if (calls_ >= calls_max_) return Admission::kProcessFull;
  PerTrunk& from = *trunks_[source];
  PerTrunk& to = *trunks_[destination];
  // A call from a trunk to itself counts twice: it takes two of its channels.
  const uint32_t wanted = &from == &to ? 2 : 1;
  if (from.calls + wanted > from.calls_max || to.calls + wanted > to.calls_max) {
    return Admission::kTrunkFull;
  }
  // Last, so that a refused call takes no token.
  if (!to.bucket.Take(now_ns)) return Admission::kRateExceeded;
  ++from.calls;
  ++to.calls;
  ++calls_;
  return Admission::kAdmitted;
}

void Limits::End(size_t source, size_t destination) {
  --trunks_[source]->calls;
  --trunks_[destination]->calls;
  --calls_;
}

uint32_t Limits::RetryAfterSeconds(size_t destination, uint64_t now_ns) const {
  const uint64_t wait_ns = trunks_[destination]->bucket.WaitNs(now_ns);
  return static_cast<uint32_t>(std::max<uint64_t>(1, (wait_ns + kSecondNs - 1) / kSecondNs));
}

}  // namespace sipctl::trunk
