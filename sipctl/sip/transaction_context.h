// What both sides of a transaction layer work with. Private to TransactionLayer.
#pragma once

#include "sipctl/sip/branch.h"
#include "sipctl/sip/client_transaction.h"
#include "sipctl/sip/transaction.h"

namespace sipctl::sip {

struct TransactionContext {
  Timers* timers;
  Transport* transport;
  TransactionUser* user;
  TransactionOptions options;
  Branches branches;
  TransactionCounters counters;

  TimerValues timer_values() const { return {options.t1, options.t2, options.t4}; }
};

// Whether `broken` is the road that `flow` takes.
inline bool SameRoad(const Flow& flow, const Flow& broken) {
  if (flow.protocol != broken.protocol || flow.listener != broken.listener) return false;
  return IsReliable(flow.protocol) ? flow.connection == broken.connection
                                   : flow.remote == broken.remote;
}

}  // namespace sipctl::sip
