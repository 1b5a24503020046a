// What is wrong with a request before any call is touched (RFC 3261 section 8.2).
#pragma once

#include <optional>

#include "sipctl/call/context.h"
#include "sipctl/sip/message.h"

namespace sipctl::call {

// The answer to a request that cannot be served at all, with the headers that its status demands;
// nothing when it can be looked at further. The To tag is the caller's to set. A body of several
// parts becomes the session description in it.
std::optional<sip::Message> Examine(sip::Message* request);

// 405 for a method we know, 501 for one we do not (8.2.1).
sip::Message MakeNotAllowed(const sip::Message& request);

// 200 with all we can do (RFC 3261 section 11.2).
// `trunk`: whose question it is; null: nobody's that we would call.
sip::Message MakeOptionsAnswer(const Context& context, const sip::Message& request,
                               const trunk::Trunk* trunk);

}  // namespace sipctl::call
