// What a final answer of one leg means to the other (docs/call.md shows the table).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sipctl::call {

struct StatusRule {
  int first;  // far answers first .. last ...
  int last;
  int near;         // ... become this; 0 = stay what they are
  const char* why;  // for the table in the manual
};

// In order; the first that holds is taken. The last one holds for everything.
std::span<const StatusRule> StatusRules();

// The answer to the near leg's INVITE when the far leg's was answered with `far` (300-699).
int NearStatus(int far);

// A Reason header value (RFC 3326) with a SIP cause: SIP;cause=480;text="...".
std::string SipReason(int status, std::string_view text);
std::string SipReason(int status, const absl::Status& why);
// The same with a Q.850 cause (RFC 6432).
std::string Q850Reason(int cause, std::string_view text);

}  // namespace sipctl::call
