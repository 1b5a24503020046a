#include "sipctl/call/health.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sipctl/call/outgoing.h"
#include "sipctl/clock.h"

namespace sipctl::call {

HealthWatch::HealthWatch(Context* context) : context_(context) {
  Follow();
}

HealthWatch::~HealthWatch() {
  for (Timers::Id& timer : timers_) context_->timers->Cancel(&timer);
}

void HealthWatch::Follow() {
  for (Timers::Id& timer : timers_) context_->timers->Cancel(&timer);
  timers_.assign(context_->config->trunks.size(), 0);
  for (size_t i = 0; i < timers_.size(); ++i) {
    if (context_->trunk(i).health_ns == 0 || context_->trunk(i).retired) continue;
    timers_[i] = context_->timers->After(0, [this, i] { Ask(i); });
  }
}

sip::Message HealthWatch::MakeOptions(size_t trunk, const Attempt& attempt) {
  sip::Message options = MakeFirstInvite(context_, {.trunk = trunk,
                                                    .destination = attempt.destination,
                                                    .number = {},
                                                    .caller = {.number = context_->settings.shard},
                                                    .passed = {}});
  options.method = options.cseq.method = sip::Method::kOptions;
  options.allow.clear();
  // Nobody calls.
  std::erase_if(options.others, [](const sip::HeaderField& field) {
    return field.name == "P-Asserted-Identity" || field.name == "Remote-Party-ID";
  });
  options.accept.emplace_back("application/sdp");
  return options;
}

bool HealthWatch::IsAsked(const sip::Target& target) const {
  return std::any_of(questions_.begin(), questions_.end(),
                     [&](const auto& each) { return each.second.target == target; });
}

void HealthWatch::Ask(size_t trunk) {
  const auto every_ms = static_cast<TimeMs>(context_->trunk(trunk).health_ns / kNsPerMs);
  timers_[trunk] = context_->timers->After(every_ms, [this, trunk] { Ask(trunk); });
  for (const Attempt& attempt : context_->destinations->All(trunk)) {
    // Until it has answered again: longer than it takes to ask, and to wait for nothing.
    const Question question{.trunk = context_->trunk(trunk).name,
                            .target = attempt.target,
                            .dead_ms = every_ms + 64 * kSecondMs};
    // The question before is repeated by its transaction, which takes 32 s to give up.
    if (IsAsked(attempt.target)) {
      Conclude(question, /*dead=*/true);
      continue;
    }
    const sip::TransactionId id = context_->transactions->Send(
        MakeOptions(trunk, attempt), FirstFlow(*context_, trunk, attempt));
    questions_[id] = question;
  }
}

bool HealthWatch::OnResponse(sip::TransactionId id, const sip::Message& response,
                             sip::ResponseOrigin origin) {
  const auto found = questions_.find(id);
  if (found == questions_.end()) return false;
  if (response.status < 200) return true;
  const Question question = std::move(found->second);
  questions_.erase(found);
  Conclude(question, origin != sip::ResponseOrigin::kNetwork || response.status == 408 ||
                         response.status == 503);
  return true;
}

void HealthWatch::Conclude(const Question& question, bool dead) {
  const bool was_dead = context_->destinations->IsSilent(question.target);
  if (dead) {
    context_->destinations->Silent(question.target, question.dead_ms);
  } else {
    context_->destinations->Heard(question.target);
  }
  if (dead == was_dead) return;
  context_->log->OnNotice(absl::StrCat("trunk ", question.trunk, ": ", ToString(question.target),
                                       dead ? " does not answer" : " answers again"));
}

}  // namespace sipctl::call
