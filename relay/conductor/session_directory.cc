#include "relay/conductor/session_directory.h"

#include <algorithm>

namespace relay::conductor {

SessionDirectory::SessionDirectory(const StateSegment& state, uint32_t sessions_max,
                                   uint32_t legs_max)
    : records_(state.sessions()), sessions_(sessions_max), legs_(legs_max) {
  free_.reserve(sessions_max);
  for (uint32_t index = sessions_max; index-- > 0;) free_.push_back(index);
  by_number_.reserve(sessions_max);
}

uint32_t SessionDirectory::Find(uint16_t client_slot, uint64_t number) const {
  const auto found = by_number_.find(Key{client_slot, number});
  return found == by_number_.end() ? kNobody : found->second;
}

uint32_t SessionDirectory::Open(const Opening& opening) {
  const uint32_t index = free_.back();
  free_.pop_back();
  Session& session = sessions_[index];
  const uint32_t generation = session.generation + 1;
  session = Session{};
  session.number = opening.number;
  session.client_slot = opening.client_slot;
  session.worker = opening.worker;
  session.generation = generation;
  session.opened_ns = opening.now;
  std::fill(std::begin(session.legs), std::end(session.legs), kNobody);
  std::fill(std::begin(session.listeners), std::end(session.listeners), uint8_t{0});
  by_number_.emplace(Key{opening.client_slot, opening.number}, index);
  ++live_of_[opening.client_slot];
  Publish(index, [&](abi::SessionRecord& record) {
    record.generation = generation;
    record.session = opening.number;
    record.owner_cookie = opening.owner_cookie;
    record.opened_ns = opening.now;
    record.client_slot = opening.client_slot;
    record.leg_count = 0;
    record.length_max_ns = 0;
    for (abi::LegRecord& leg : record.legs) leg = {};
  });
  return index;
}

void SessionDirectory::Free(uint32_t index) {
  Session& session = sessions_[index];
  SetLength(index, 0);
  by_number_.erase(Key{session.client_slot, session.number});
  --live_of_[session.client_slot];
  session.number = 0;
  free_.push_back(index);
  Publish(index, [](abi::SessionRecord& record) {
    record.session = 0;
    record.leg_count = 0;
    for (abi::LegRecord& leg : record.legs) leg = {};
  });
}

void SessionDirectory::SetLength(uint32_t index, uint64_t length_ns) {
  Session& session = sessions_[index];
  if (session.deadline_ns != 0) deadlines_.erase({session.deadline_ns, index});
  session.deadline_ns = length_ns == 0 ? 0 : session.opened_ns + length_ns;
  if (session.deadline_ns != 0) deadlines_.emplace(session.deadline_ns, index);
  Publish(index, [&](abi::SessionRecord& record) { record.length_max_ns = length_ns; });
}

std::optional<uint32_t> SessionDirectory::TakeOverdue(TimeNs now) {
  if (deadlines_.empty() || deadlines_.begin()->first > now) return std::nullopt;
  const uint32_t index = deadlines_.begin()->second;
  deadlines_.erase(deadlines_.begin());
  sessions_[index].deadline_ns = 0;
  return index;
}

std::vector<uint32_t> SessionDirectory::Live() const {
  std::vector<uint32_t> all;
  all.reserve(by_number_.size());
  for (const auto& [key, index] : by_number_) all.push_back(index);
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace relay::conductor
