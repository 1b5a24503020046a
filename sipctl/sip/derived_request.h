// The two requests that a transaction makes out of its INVITE by itself. Both copy the URI, the top
// Via with its branch, Route, From, Call-ID and CSeq number (RFC 3261 sections 9.1, 17.1.1.3).
#pragma once

#include <string_view>

#include "sipctl/sip/message.h"

namespace sipctl::sip {

// The ACK of a 300-699 answer: To is the response's.
Message MakeFailureAck(const Message& invite, const Message& response);

// `reason`: value of a Reason header (RFC 3326), if not empty.
Message MakeCancel(const Message& invite, std::string_view reason);

}  // namespace sipctl::sip
