// An INVITE without a final answer, as a process that is killed leaves it to the next one: what it
// takes to cancel it, or to answer it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sipctl/sip/message.h"
#include "sipctl/sip/transport.h"

namespace sipctl::sip {

struct InviteRecord {
  bool sent = false;  // by us; else received
  Flow flow;          // sent: where it went; received: where its answers go
  Message invite;     // the URI, Via, Route, From, To, Call-ID, CSeq, and nothing else
};

// Nothing when it would be longer than kInviteRecordBytesMax.
std::optional<std::string> Write(const InviteRecord& record);
// Nothing for any bytes that Write did not make.
std::optional<InviteRecord> ReadInviteRecord(std::string_view bytes);

}  // namespace sipctl::sip
