// Which sessions live, for the conductor and, through the state segment, for everybody.
//
// Conductor thread. Every change is stored into the segment's record under its sequence lock, so
// that a client that starts again, or a person with relaystat, sees whole sessions only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "relay/abi/seqlock.h"
#include "relay/conductor/network_sets.h"
#include "relay/conductor/segment.h"

namespace relay::conductor {

inline constexpr uint32_t kNobody = 0xffffffff;  // no session, no leg, no handle

// What the conductor remembers of a leg slot.
struct LegControl {
  enum class Phase : uint8_t { kFree, kOpen, kClosing };
  struct Retired {
    uint32_t plan_version;  // the first one that does not use it
    NetworkSnapshot networks;
  };

  Phase phase = Phase::kFree;
  uint8_t number = 0;  // in its session
  uint32_t session = kNobody;
  uint32_t generation = 0;  // grows with each leg that uses the slot
  uint32_t plan_version = 0;
  abi::LocalEndpoint local{};
  uint32_t rtp_handle = kNobody;
  uint32_t rtcp_handle = kNobody;
  NetworkSnapshot networks;
  std::vector<Retired> retired;  // until the worker says that it has moved on
};

struct Session {
  uint64_t number = 0;  // the client's; 0 = free
  uint16_t client_slot = 0;
  uint16_t worker = 0;
  uint32_t generation = 0;
  abi::EndReason reason = abi::EndReason::kNone;  // set: no leg is open, closing ones are awaited
  TimeNs opened_ns = 0;
  TimeNs deadline_ns = 0;  // 0 = none
  char cname[session::kCnameLength] = {};
  uint32_t legs[abi::kLegsPerSession];      // slots in the relay; kNobody = none
  uint8_t listeners[abi::kLegsPerSession];  // bit i: leg i hears this leg

  bool ended() const { return reason != abi::EndReason::kNone; }
};

class SessionDirectory {
 public:
  SessionDirectory(const StateSegment& state, uint32_t sessions_max, uint32_t legs_max);

  // kNobody when the client has no such session.
  uint32_t Find(uint16_t client_slot, uint64_t number) const;
  Session& session(uint32_t index) { return sessions_[index]; }
  LegControl& leg(uint32_t slot) { return legs_[slot]; }
  size_t live() const { return by_number_.size(); }
  size_t LiveOf(uint16_t client_slot) const { return live_of_[client_slot]; }
  bool HasRoom() const { return !free_.empty(); }

  struct Opening {
    uint16_t client_slot;
    uint16_t worker;
    uint64_t number;
    uint64_t owner_cookie;
    TimeNs now;
  };
  uint32_t Open(const Opening& opening);  // HasRoom must hold
  void Free(uint32_t index);

  // Absolute length, counted from the session's first leg.
  void SetLength(uint32_t index, uint64_t length_ns);
  // A session whose time is over; it has no deadline any more.
  std::optional<uint32_t> TakeOverdue(TimeNs now);
  // 0 = none.
  TimeNs next_deadline() const { return deadlines_.empty() ? 0 : deadlines_.begin()->first; }

  // Changes the public record; `edit` works on a private copy.
  template <typename Edit>
  void Publish(uint32_t index, const Edit& edit) {
    abi::SessionRecord& record = records_[index];
    abi::SessionRecord copy;
    abi::LoadLocked(record, &copy);
    edit(copy);
    abi::StoreLocked(&record, copy);
  }

  // All live sessions, in the order of their index.
  std::vector<uint32_t> Live() const;

 private:
  using Key = std::pair<uint16_t, uint64_t>;

  abi::SessionRecord* const records_;
  std::vector<Session> sessions_;
  std::vector<LegControl> legs_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<Key, uint32_t> by_number_;
  std::set<std::pair<TimeNs, uint32_t>> deadlines_;
  size_t live_of_[abi::kClientSlotsMax] = {};
};

}  // namespace relay::conductor
