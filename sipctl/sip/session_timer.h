// Session timers (RFC 4028): how often a dialog has to show that it still lives, and who sees to
// it. Each dialog agrees on its own; nothing of it crosses from one leg of a call to the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sipctl/clock.h"
#include "sipctl/sip/message.h"

namespace sipctl::sip {

inline constexpr uint32_t kMinSeDefaultS = 90;  // RFC 4028 section 4: nobody may ask for less

// Of the transaction that agrees on it.
enum class Refresher : uint8_t { kUac, kUas };

struct SessionPolicy {
  uint32_t interval_s = 1800;  // that we ask for; 0 = no session timer
  uint32_t min_s = kMinSeDefaultS;
};

// What a request or response says of it.
struct SessionTerms {
  bool supported = false;   // option tag `timer`
  uint32_t interval_s = 0;  // Session-Expires; 0 = not there, or not readable
  std::optional<Refresher> refresher;
  uint32_t min_s = kMinSeDefaultS;  // Min-SE
};
SessionTerms SessionTermsOf(const Message& message);

// What both sides agreed on, seen from here.
struct SessionTimer {
  uint32_t interval_s = 1800;
  bool ours = false;  // we refresh

  bool operator==(const SessionTimer&) const = default;

  // After the last refresh; section 10: half of the interval, and BYE before all of it is over.
  TimeMs RefreshAfter() const { return TimeMs{interval_s} * kSecondMs / 2; }
  TimeMs ExpiresAfter() const;
};

// ---- as server: INVITE or UPDATE of the peer ----

// Answer 422 with `Min-SE: policy.min_s` (AddMinSe).
bool IsTooShort(const SessionPolicy& policy, const SessionTerms& asked);
void AddMinSe(uint32_t min_s, Message* message);
// Nothing: the session does not expire. A peer that knows no timers gets none (trap T-34), unless a
// proxy on the way asked for one: then we refresh.
std::optional<SessionTimer> AgreeAsServer(const SessionPolicy& policy, const SessionTerms& asked);
void AddTerms(const SessionTimer& timer, const SessionTerms& asked, Message* response);

// ---- as client ----

// `current`: of the dialog, to keep the roles; nothing before the first answer.
void AskFor(const SessionPolicy& policy, const std::optional<SessionTimer>& current,
            Message* request);
// From a 2xx.
std::optional<SessionTimer> AgreeAsClient(const SessionTerms& answered);

}  // namespace sipctl::sip
