// `sipctl counters`: what the running process received, sent and dropped in SIP, and what it has at
// the moment. The process makes the text; this command prints it.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>

#include "sipctl/call/overload.h"
#include "sipctl/options.h"
#include "sipctl/sip/transaction_counters.h"
#include "sipctl/sip/transport_counters.h"

namespace sipctl::cli {

// Exit status: 0 fine, 1 when nobody answers.
int RunCounters(const CountersOptions& options, std::ostream& out, std::ostream& errors);

// Now alive, and counted since the start.
struct Counted {
  size_t calls = 0, connections = 0, transactions = 0;
  sip::TransportCounters transport;
  sip::TransactionCounters transaction;
  call::OverloadCounters overload;
};

// In the running process: what it answers to "counters" and "counters all", "counters json".
std::string CountersText(const Counted& counted, bool zeros);
std::string CountersJson(const Counted& counted);

}  // namespace sipctl::cli
