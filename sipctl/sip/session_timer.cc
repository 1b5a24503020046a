#include "sipctl/sip/session_timer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kTag = "timer";
// What a peer may make us do: no dialog is refreshed more often than this allows.
constexpr uint32_t kIntervalMinS = 30;

bool Has(const std::vector<std::string>& tags) {
  return std::any_of(tags.begin(), tags.end(),
                     [](const std::string& tag) { return EqualsIgnoreCase(tag, kTag); });
}

// delta-seconds, before the parameters.
std::optional<uint32_t> Seconds(const std::string* value) {
  if (value == nullptr) return std::nullopt;
  return ParseNumber<uint32_t>(Strip(std::string_view(*value).substr(0, value->find(';'))));
}

std::optional<Refresher> RefresherOf(std::string_view value) {
  bool first = true;
  for (std::string_view piece : Split(value, ';')) {
    if (std::exchange(first, false)) continue;
    const size_t equals = piece.find('=');
    if (equals == piece.npos) continue;
    if (!EqualsIgnoreCase(Strip(piece.substr(0, equals)), "refresher")) continue;
    const std::string_view who = Strip(piece.substr(equals + 1));
    if (EqualsIgnoreCase(who, "uac")) return Refresher::kUac;
    if (EqualsIgnoreCase(who, "uas")) return Refresher::kUas;
  }
  return std::nullopt;
}

void AddExpires(uint32_t interval_s, std::string_view refresher, Message* message) {
  std::string value = std::to_string(interval_s);
  if (!refresher.empty()) value.append(";refresher=").append(refresher);
  message->others.push_back({"Session-Expires", std::move(value)});
}

}  // namespace

SessionTerms SessionTermsOf(const Message& message) {
  SessionTerms terms;
  terms.supported = Has(message.supported) || Has(message.require);
  const std::string* expires = message.Other("Session-Expires");
  terms.interval_s = Seconds(expires).value_or(0);
  if (expires != nullptr) terms.refresher = RefresherOf(*expires);
  terms.min_s = std::max(Seconds(message.Other("Min-SE")).value_or(0), kMinSeDefaultS);
  return terms;
}

TimeMs SessionTimer::ExpiresAfter() const {
  return TimeMs{interval_s - std::min<uint32_t>(32, interval_s / 3)} * kSecondMs;
}

bool IsTooShort(const SessionPolicy& policy, const SessionTerms& asked) {
  return policy.interval_s != 0 && asked.supported && asked.interval_s != 0 &&
         asked.interval_s < policy.min_s;
}

void AddMinSe(uint32_t min_s, Message* message) {
  message->others.push_back({"Min-SE", std::to_string(min_s)});
}

std::optional<SessionTimer> AgreeAsServer(const SessionPolicy& policy, const SessionTerms& asked) {
  if (policy.interval_s == 0 || (!asked.supported && asked.interval_s == 0)) return std::nullopt;
  // Section 9: shorter than asked is allowed, but not below Min-SE; longer is not.
  uint32_t interval = std::max(policy.interval_s, asked.min_s);
  if (asked.interval_s != 0) interval = std::min(interval, asked.interval_s);
  return SessionTimer{.interval_s = std::max(interval, kIntervalMinS),
                      .ours = !asked.supported || asked.refresher != Refresher::kUac};
}

void AddTerms(const SessionTimer& timer, const SessionTerms& asked, Message* response) {
  if (asked.supported) {
    // Section 9: whoever must refresh must know that the timer is there.
    (timer.ours ? response->supported : response->require).emplace_back(kTag);
  }
  AddExpires(timer.interval_s, timer.ours ? "uas" : "uac", response);
}

void AskFor(const SessionPolicy& policy, const std::optional<SessionTimer>& current,
            Message* request) {
  if (policy.interval_s == 0) return;
  request->supported.emplace_back(kTag);
  const uint32_t interval = current ? current->interval_s : policy.interval_s;
  AddExpires(std::max(interval, policy.min_s), current ? current->ours ? "uac" : "uas" : "",
             request);
  if (policy.min_s > kMinSeDefaultS) AddMinSe(policy.min_s, request);
}

std::optional<SessionTimer> AgreeAsClient(const SessionTerms& answered) {
  if (answered.interval_s == 0) return std::nullopt;
  return SessionTimer{.interval_s = std::max(answered.interval_s, kIntervalMinS),
                      .ours = answered.refresher != Refresher::kUas};
}

}  // namespace sipctl::sip
