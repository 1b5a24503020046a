// What is answered without a transaction (RFC 3261 section 8.2.7), and by what a request is known
// where none is kept.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/token.h"
#include "sipctl/sip/transport.h"

namespace sipctl::sip {

// What a request has in common with its repetitions, an INVITE with its CANCEL and the ACK of its
// failure too, and with nothing else (section 17.2.3). Of a peer's making: to be hashed with a key.
std::string BranchText(const Message& request);
uint64_t BranchHash(const TokenKey& key, const Message& request);

// Sends `response` the way that the request's Via says. A To without a tag gets one that is a
// function of the request, so that each repetition gets the same. What is lost here needs no one's
// care: the peer repeats what was not answered.
absl::Status RespondStateless(Transport* transport, const TokenKey& key, const Message& request,
                              const Flow& flow, Message response);

}  // namespace sipctl::sip
