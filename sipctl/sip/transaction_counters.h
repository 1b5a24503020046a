// What the transaction layer did and what it dropped: a name and a sentence for each.
#pragma once

#include "sipctl/counters.h"

namespace sipctl::sip {

// X(name, sentence)
#define SIPCTL_TRANSACTION_COUNTERS(X)                                                \
  X(requests_in, "requests received, repetitions not counted")                        \
  X(requests_out, "requests sent, repetitions not counted")                           \
  X(retransmissions_in, "repeated messages absorbed or answered from memory")         \
  X(retransmissions_out, "requests and responses sent again by timers")               \
  X(stray_responses, "responses that belong to no transaction, dropped")              \
  X(stray_acks, "ACKs that belong to no transaction, dropped")                        \
  X(rewritten_responses, "of the stray responses: our branch with another's sent-by") \
  X(stray_cancels, "CANCELs without their INVITE, answered 481")                      \
  X(merged, "requests that came by two ways, answered 482")                           \
  X(refused, "requests refused with 503: too many transactions")                      \
  X(timeouts, "requests of ours that nobody answered in time")                        \
  X(transport_failures, "messages that could not be sent, the call was told")         \
  X(reconnects, "requests and answers sent again by a new connection")                \
  X(no_ack, "final answers whose ACK did not come within 64*T1")

struct TransactionCounters {
  SIPCTL_COUNTERS_OF(SIPCTL_TRANSACTION_COUNTERS)
};

}  // namespace sipctl::sip
