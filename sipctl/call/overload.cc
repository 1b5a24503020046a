#include "sipctl/call/overload.h"

#include <algorithm>
#include <utility>

#include "sipctl/text.h"

namespace sipctl::call {
namespace {

constexpr int64_t kAll = 1000;                                    // thousandths
constexpr int64_t kFullFrom = 75, kFullEnds = 50, kFullAll = 95;  // percent of a receive buffer

// A machine that stood still finds everything late at once, and works it off; too much work stays.
constexpr TimeMs kPatienceMs = 100;

// Where more comes than can be done, the next new call comes sooner than that; where none came for
// so long, the one before says nothing of the work that is there now.
constexpr TimeMs kJudgementMs = 1 * kSecondMs;

constexpr TimeMs kRememberMs = 32 * kSecondMs;  // 64*T1
constexpr size_t kRememberedMax = 1 << 18;      // a generation; some 4 MiB

constexpr TimeMs kTellMs = 60 * kSecondMs;
// Some peers send nothing at all for so long (RFC 3261 section 21.5.4), so it is short; and not the
// same for all, or they would come back together.
constexpr uint32_t kRetryAfterS = 1, kRetryAfterSpreadS = 3;

int64_t Share(int64_t value, int64_t none, int64_t all) {
  return std::clamp<int64_t>((value - none) * kAll / std::max<int64_t>(all - none, 1), 0, kAll);
}

}  // namespace

// Which ones --------------------------------------------------------------------------------------

bool Shedding::TurnsAway(const sip::Backlog& backlog, const ShedLimits& limits, TimeMs now) {
  if (limits.from_ms == 0) return on_ = false;
  if (now - std::exchange(judged_at_, now) > kJudgementMs) {
    on_ = false;
    owed_ = 0;
  }
  const TimeMs ends_ms = limits.from_ms / 2;
  const bool nearly_full = backlog.full_percent >= kFullFrom;
  if (backlog.age >= limits.from_ms || nearly_full) {
    if (!std::exchange(on_, true)) since_ = now;
  } else if (backlog.age < ends_ms && backlog.full_percent < kFullEnds) {
    on_ = false;
    owed_ = 0;
  }
  if (!on_ || (!nearly_full && now - since_ < kPatienceMs)) return false;
  owed_ += std::max(Share(backlog.age, ends_ms, limits.all_ms),
                    Share(backlog.full_percent, kFullEnds, kFullAll));
  if (owed_ < kAll) return false;
  owed_ -= kAll;
  return true;
}

void ShedMemory::Age(TimeMs now) {
  const TimeMs age = now - young_since_;
  if (age < kRememberMs && young_.size() < kRememberedMax) return;
  old_ = std::exchange(young_, {});
  if (age >= 2 * kRememberMs) old_ = {};
  young_since_ = now;
}

void ShedMemory::Add(uint64_t key, TimeMs now) {
  Age(now);
  young_.insert(key);
}

bool ShedMemory::Contains(uint64_t key, TimeMs now) {
  if (empty()) return false;
  Age(now);
  return young_.contains(key) || old_.contains(key);
}

// The messages ------------------------------------------------------------------------------------

Overload::~Overload() {
  context_.timers->Cancel(&telling_);
}

bool Overload::Serves(const sip::Message& message, const sip::Flow& flow) {
  if (memory_.empty() || !message.is_request) return false;
  const bool invite = message.method == sip::Method::kInvite;
  if (!invite && message.method != sip::Method::kAck) return false;
  const uint64_t key = KeyOf(message);
  if (!memory_.Contains(key, now())) return false;
  if (!invite) return true;
  ++counters_.shed_again;
  Answer(message, flow, key);
  return true;
}

bool Overload::TurnsAway(const sip::Message& message, const sip::Flow& flow) {
  if (!message.is_request || message.method != sip::Method::kInvite) return false;
  if (!message.to.tag().empty()) return false;
  const sip::Backlog backlog = transport_.backlog();
  if (flow.listener >= listeners_.size()) listeners_.resize(flow.listener + size_t{1});
  const trunk::Config& config = *context_.config;
  const ShedLimits limits{.from_ms = static_cast<TimeMs>(config.shed_from_ns / kNsPerMs),
                          .all_ms = static_cast<TimeMs>(config.shed_all_ns / kNsPerMs)};
  if (!listeners_[flow.listener].TurnsAway(backlog, limits, now())) return false;
  if (context_.transactions->Knows(message)) return false;  // its call has begun
  ++counters_.shed;
  counters_.shed_wait_ms_max =
      std::max(counters_.shed_wait_ms_max, static_cast<uint64_t>(backlog.age));
  const uint64_t key = KeyOf(message);
  memory_.Add(key, now());
  Answer(message, flow, key);
  if (telling_ == 0) {
    context_.log->OnNotice(Concat("overload: more comes than can be done; a new INVITE has waited ",
                                  backlog.age, " ms and the receive buffer of its socket is ",
                                  static_cast<unsigned>(backlog.full_percent),
                                  " % full: new calls are answered 503"));
    Tell();
  }
  return true;
}

// The same for each repetition.
void Overload::Answer(const sip::Message& invite, const sip::Flow& flow, uint64_t key) {
  sip::Message response = sip::MakeResponse(invite, 503);
  response.retry_after = kRetryAfterS + static_cast<uint32_t>(key % kRetryAfterSpreadS);
  sip::RespondStateless(&transport_, context_.settings.key, invite, flow, std::move(response))
      .IgnoreError();
}

// Once a minute, until there was nothing to tell.
void Overload::Tell() {
  told_ = counters_.shed;
  telling_ = context_.timers->After(kTellMs, [this] {
    telling_ = 0;
    if (counters_.shed == told_) return;
    context_.log->OnNotice(Concat("overload: within a minute ", counters_.shed - told_,
                                  " more new calls were answered 503"));
    Tell();
  });
}

}  // namespace sipctl::call
