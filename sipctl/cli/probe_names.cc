#include "sipctl/cli/probe_names.h"

#include <algorithm>
#include <random>
#include <utility>

namespace sipctl::cli {
namespace {

uint64_t Random() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProbeNames>> ProbeNames::Create(const MakeResolver& make_resolver,
                                                               TimeMs wait_ms) {
  auto loop = Loop::Create();
  if (!loop.ok()) return loop.status();
  auto resolver = make_resolver(loop->get());
  if (!resolver.ok()) return resolver.status();
  return std::unique_ptr<ProbeNames>(
      new ProbeNames(*std::move(loop), *std::move(resolver), wait_ms));
}

ProbeNames::ProbeNames(std::unique_ptr<Loop> loop, std::unique_ptr<sip::Resolver> resolver,
                       TimeMs wait_ms)
    : wait_ms_(wait_ms),
      loop_(std::move(loop)),
      resolver_(std::move(resolver)),
      tokens_({.low = Random(), .high = Random()}),
      locator_(&loop_->timers(), resolver_.get(), &tokens_,
               [this](std::string_view sentence) { notice_ = sentence; }) {}

void ProbeNames::Until(const std::function<bool()>& done) {
  for (const TimeMs end = MonotonicNow() + wait_ms_; !done();) {
    const TimeMs left = end - MonotonicNow();
    if (left <= 0) return;
    loop_->Turn(left);
  }
}

absl::StatusOr<std::vector<sip::Target>> ProbeNames::Locate(const sip::Place& place) {
  notice_.clear();
  const size_t number = locator_.Watch(place);
  Until([&] { return !notice_.empty() || !locator_.Find(number).empty(); });
  auto targets = locator_.Find(number);
  locator_.Forget(number);
  if (!targets.empty()) return targets;
  if (notice_.empty()) notice_ = sip::ToString(place) + ": no name server answered";
  return absl::UnavailableError(notice_);
}

sip::DnsAnswer ProbeNames::Addresses(const std::string& name) {
  // Kept by the questions, which may be answered after the wait.
  struct Both {
    sip::DnsAnswer v4, v6;
    int open = 2;
  };
  const auto both = std::make_shared<Both>();
  const auto ask = [&](sip::DnsType type, sip::DnsAnswer Both::*answer) {
    resolver_->Ask(name, type, [both, answer](const sip::DnsAnswer& said) {
      (*both).*answer = said;
      --both->open;
    });
  };
  ask(sip::DnsType::kA, &Both::v4);
  ask(sip::DnsType::kAaaa, &Both::v6);
  Until([&] { return both->open == 0; });
  const auto found = [](const sip::DnsAnswer& answer) {
    return answer.outcome == sip::DnsAnswer::Outcome::kFound;
  };
  if (!found(both->v4)) return found(both->v6) ? both->v6 : both->v4;
  sip::DnsAnswer answer = both->v4;
  if (!found(both->v6)) return answer;
  answer.ttl_s = std::min(answer.ttl_s, both->v6.ttl_s);
  answer.addresses.insert(answer.addresses.end(), both->v6.addresses.begin(),
                          both->v6.addresses.end());
  return answer;
}

}  // namespace sipctl::cli
