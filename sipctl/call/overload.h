// What becomes of new calls when there are more than we can do (RFC 6357: local overload control,
// after RFC 7339 section 5): an INVITE that begins a call is answered 503 with Retry-After as soon
// as what is read has waited too long, without state, and long before peers repeat what we have not
// read yet (T1, 500 ms). Everything else goes on: ACK, BYE, CANCEL, PRACK, re-INVITE, OPTIONS,
// REGISTER, all answers, and the repetitions of an INVITE whose call has begun.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "sipctl/call/context.h"
#include "sipctl/counters.h"
#include "sipctl/sip/stateless.h"
#include "sipctl/sip/transport.h"

namespace sipctl::call {

// X(name, sentence)
#define SIPCTL_OVERLOAD_COUNTERS(X)                               \
  X(shed, "new calls answered 503: more came than could be done") \
  X(shed_again, "repetitions of their INVITEs, answered again")   \
  X(shed_wait_ms_max, "the longest that one of their INVITEs had waited, in ms")

struct OverloadCounters {
  SIPCTL_COUNTERS_OF(SIPCTL_OVERLOAD_COUNTERS)
};

struct ShedLimits {
  TimeMs from_ms = 0;  // 0: never
  TimeMs all_ms = 0;   // above: every new call
};

// Of one listener: which new calls are too many. It begins when INVITEs have waited for `from_ms`,
// all that were read for 100 ms, and ends below half of that; from there to `all_ms` the share that
// is turned away grows evenly, so that it settles where the rest can just be done. A receive buffer
// that is three quarters full counts too: where it is small the kernel drops, whatever it is,
// before anything has waited long. What was seen more than a second ago counts for nothing.
class Shedding {
 public:
  bool TurnsAway(const sip::Backlog& backlog, const ShedLimits& limits, TimeMs now);

 private:
  bool on_ = false;
  TimeMs since_ = 0;
  TimeMs judged_at_ = 0;
  int64_t owed_ = 0;  // of a call that is to be turned away, in thousandths
};

// Which INVITEs were turned away, for twice 64*T1 at most: their repetitions and ACKs may be on the
// way still, and a repetition that was taken for a new call would ring at somebody's whose caller
// has gone elsewhere.
class ShedMemory {
 public:
  void Add(uint64_t key, TimeMs now);
  bool Contains(uint64_t key, TimeMs now);
  bool empty() const { return young_.empty() && old_.empty(); }
  size_t size() const { return young_.size() + old_.size(); }

 private:
  void Age(TimeMs now);

  absl::flat_hash_set<uint64_t> young_;
  absl::flat_hash_set<uint64_t> old_;
  TimeMs young_since_ = 0;
};

class Overload {
 public:
  // Neither is owned. `transport`: for answers without state.
  Overload(Context* context, sip::Transport* transport)
      : context_(*context), transport_(*transport) {}
  ~Overload();
  Overload(const Overload&) = delete;
  Overload& operator=(const Overload&) = delete;

  // Whether this belongs to an INVITE that was turned away before; then it has been served.
  bool Serves(const sip::Message& message, const sip::Flow& flow);
  // Whether this begins a call that is one too many; then it has been answered. Asked after Serves.
  bool TurnsAway(const sip::Message& message, const sip::Flow& flow);

  const OverloadCounters& counters() const { return counters_; }

 private:
  uint64_t KeyOf(const sip::Message& message) const {
    return sip::BranchHash(context_.settings.key, message);
  }
  void Answer(const sip::Message& invite, const sip::Flow& flow, uint64_t key);
  void Tell();
  TimeMs now() const { return context_.timers->now(); }

  Context& context_;
  sip::Transport& transport_;
  std::vector<Shedding> listeners_;
  ShedMemory memory_;
  OverloadCounters counters_;
  uint64_t told_ = 0;  // of counters_.shed
  Timers::Id telling_ = 0;
};

}  // namespace sipctl::call
