// What relaystat shows: one snapshot of the segment, as text or as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "relay/abi/attach.h"

namespace relay::tools {

struct LegView {
  uint8_t number = 0;
  abi::LegRecord record{};
  abi::LegStatistics statistics{};
};

struct SessionView {
  uint64_t session = 0;
  uint16_t client_slot = 0;
  double age_s = 0;
  std::vector<LegView> legs;
};

struct Snapshot {
  uint64_t relay_pid = 0;
  double uptime_s = 0;
  bool draining = false;
  uint16_t workers = 0;
  std::vector<abi::LocalAddress> addresses;
  std::vector<uint32_t> placement;  // port pairs of a table's turn, by worker
  std::vector<uint64_t> counters;   // sums over all workers, by abi::Counter
  std::vector<SessionView> sessions;
};

// Copies what is there now; torn sessions are left out.
Snapshot Take(const abi::Attachment& relay, uint64_t now_ns);

// `all`: counters that stand at zero too.
std::string Text(const Snapshot& snapshot, bool all);
std::string Json(const Snapshot& snapshot);

}  // namespace relay::tools
