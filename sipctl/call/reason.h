// Why a request or a call ended, as it is carried from one leg to the other (RFC 3326, RFC 6432).
#pragma once

#include <string>
#include <string_view>

#include "sipctl/sip/message.h"

namespace sipctl::call {

// The reasons that a peer's message gives, for the Reason header towards the other side: those of
// SIP and of Q.850, each with its number and its text, in one list. Anything else, and what is not
// well-formed, stays here. Empty: none.
std::string CarriedReasons(const sip::Message& message);

// The cause of Q.850 that says what a SIP status says (RFC 3398 section 8.2.6.1); 0: none does.
int Q850CauseOf(int status);

// SIP;cause=486;text="..." and, where there is one, the cause of Q.850.
std::string BothReasons(int status, std::string_view text);

}  // namespace sipctl::call
