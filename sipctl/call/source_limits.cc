#include "sipctl/call/source_limits.h"

#include <algorithm>

namespace sipctl::call {

namespace {

uint64_t Ns(TimeMs ms) {
  return static_cast<uint64_t>(ms) * 1'000'000;
}

}  // namespace

SourceLimits::SourceLimits(const DoorLimits& limits, TimeMs now)
    : limits_(limits),
      all_(limits.all_per_minute, limits.all_burst, Ns(now)),
      sources_(limits.sources_max),
      guesses_(limits.guessers_max),
      known_(limits.known_max) {}

SourceLimits::Source SourceLimits::SourceOf(const relay::abi::Address& address) {
  Source source = address.bytes;
  if (!address.IsIpv4()) std::fill(source.begin() + 8, source.end(), uint8_t{0});
  return source;
}

// The source's own first: one that sends too much takes nothing from the others.
bool SourceLimits::Take(const relay::abi::Address& source, TimeMs now) {
  trunk::TokenBucket& own =
      sources_.Get(SourceOf(source),
                   trunk::TokenBucket(limits_.source_per_minute, limits_.source_burst, Ns(now)));
  return own.Take(Ns(now)) && all_.Take(Ns(now));
}

bool SourceLimits::CountGuess(const std::string& who, TimeMs now) {
  Guesses& guesses = guesses_.Get(who, {});
  if (now - guesses.since > limits_.guesses_ms) guesses = {.count = 0, .since = now};
  if (++guesses.count < limits_.guesses_max) return false;
  guesses = {.count = 0, .since = now, .silent_until = now + limits_.silence_ms};
  return true;
}

bool SourceLimits::IsSilent(const std::string& who, TimeMs now) const {
  const Guesses* guesses = guesses_.Find(who);
  return guesses != nullptr && guesses->silent_until > now;
}

void SourceLimits::Know(const relay::abi::Address& source, TimeMs until) {
  TimeMs& known = known_.Get(SourceOf(source), until);
  known = std::max(known, until);
}

bool SourceLimits::IsKnown(const relay::abi::Address& source, TimeMs now) const {
  const TimeMs* until = known_.Find(SourceOf(source));
  return until != nullptr && *until > now;
}

}  // namespace sipctl::call
