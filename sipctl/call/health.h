// Asks the addresses of trunks with OPTIONS whether they are there (RFC 3261 section 11), so that a
// call need not find out.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "sipctl/call/context.h"
#include "sipctl/sip/locator.h"
#include "sipctl/sip/transaction.h"

namespace sipctl::call {

class HealthWatch {
 public:
  // `context` must outlive it. Begins with the first turn.
  explicit HealthWatch(Context* context);
  ~HealthWatch();
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  // The context has another configuration.
  void Follow();

  // Whether the transaction was one of ours.
  bool OnResponse(sip::TransactionId id, const sip::Message& response, sip::ResponseOrigin origin);

 private:
  // An OPTIONS without an answer. The trunk may be gone before it comes.
  struct Question {
    std::string trunk;
    sip::Target target;
    TimeMs dead_ms;  // how long a silent address is dead
  };

  void Ask(size_t trunk);
  bool IsAsked(const sip::Target& target) const;
  void Conclude(const Question& question, bool dead);
  sip::Message MakeOptions(size_t trunk, const Attempt& attempt);

  Context* const context_;
  std::vector<Timers::Id> timers_;  // by trunk
  absl::flat_hash_map<sip::TransactionId, Question> questions_;
};

}  // namespace sipctl::call
