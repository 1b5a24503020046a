// A leg's numbers, as the contract shows them.
#pragma once

#include "relay/abi/segment.h"
#include "relay/clock.h"
#include "relay/session/leg.h"

namespace relay::worker {

// Folds the hot lines' 32-bit counters into the totals and writes all numbers down. Called at least
// once a second, long before any of them could wrap twice.
abi::LegStatistics Summarise(session::Leg& leg, TimeNs now);

// Stores them in the state segment under its sequence lock. Only this worker writes `slot`.
void Publish(const abi::LegStatistics& statistics, abi::LegStatisticsSlot* slot);

}  // namespace relay::worker
