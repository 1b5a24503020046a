#include "relay/session/session_table.h"

#include <algorithm>
#include <cassert>

namespace relay::session {

SessionTable::SessionTable(std::span<const PortRange> ranges) {
  assert(ranges.size() <= abi::kLocalAddressesMax);
  uint32_t entries = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const PortRange range = ranges[i];
    if (range.first > range.last) continue;
    assert(range.first % 2 == 0 && range.last % 2 == 1);
    rows_[i] = {.first = range.first,
                .pairs = static_cast<uint16_t>((range.last - range.first + 1) / 2),
                .begin = entries};
    entries += rows_[i].pairs;
  }
  entries_ = std::make_unique<uint32_t[]>(entries);
  std::fill_n(entries_.get(), entries, kNoLeg);
}

bool SessionTable::Insert(abi::LocalEndpoint local, uint32_t leg) {
  uint32_t* entry = const_cast<uint32_t*>(Entry(local));
  if (entry == nullptr || *entry != kNoLeg) return false;
  *entry = leg;
  return true;
}

void SessionTable::Erase(abi::LocalEndpoint local) {
  uint32_t* entry = const_cast<uint32_t*>(Entry(local));
  if (entry != nullptr) *entry = kNoLeg;
}

}  // namespace relay::session
