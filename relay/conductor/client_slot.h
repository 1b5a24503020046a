// One place for a client: its shared memory, its leases, and the events that wait for it.
//
// A slot outlives its client. While nobody is attached, its sessions and its journal stay, what
// happens to them is put by, and whoever comes with the same owner cookie takes over. Rings
// are made new for each attachment, so that whatever a dead client left in them is gone.
//
// Conductor thread.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "relay/abi/mapping.h"
#include "relay/abi/segment.h"
#include "relay/conductor/keep.h"

namespace relay::conductor {

// Events put by for a client that does not read or is away.
inline constexpr size_t kBacklogMax = abi::kEventRingCapacity;
// Of these, so many may be other news than the end of a leg or session while the client is away:
// parties that fall silent and speak again for an hour must not crowd out who is gone.
inline constexpr size_t kNewsPutByMax = kBacklogMax / 2;

class ClientSlot {
 public:
  ClientSlot(uint16_t number, std::vector<abi::Lease> leases)
      : number_(number), leases_(std::move(leases)) {}

  uint16_t number() const { return number_; }
  std::span<const abi::Lease> leases() const { return leases_; }

  // ---- who has it ----

  bool attached() const { return socket_.valid(); }
  bool named() const { return cookie_ != 0; }  // held by a client, alive or to come back
  uint64_t cookie() const { return cookie_; }
  const std::string& name() const { return name_; }
  uint64_t ended_turn() const { return ended_turn_; }  // when it was left

  // Makes rings, eventfds and, where the slot has none, the journal of `journal_bytes`. The caller
  // sends the descriptors and then calls Attached, or Leave when the client is gone already.
  absl::Status Prepare(uint64_t cookie, std::string name, uint32_t journal_bytes, Keeper* keeper);
  void Attached(abi::Descriptor socket) { socket_ = std::move(socket); }
  // The client is gone; its sessions and journal stay. `turn` orders slots by age.
  void Leave(uint64_t turn);
  // Forgets the former client, its journal too: somebody else will have the slot.
  void Forget(Keeper* keeper);

  // Welcome's descriptors, but for the state's.
  int client_fd() const { return client_fd_.get(); }
  int answer_fd() const { return answer_read_only_fd_.get(); }
  int journal_fd() const { return journal_fd_.get(); }
  int command_event() const { return command_event_.get(); }
  int answer_event() const { return answer_event_.get(); }
  int socket() const { return socket_.get(); }
  uint32_t journal_bytes() const { return journal_bytes_; }

  // ---- commands and events ----

  // Copies the oldest command out and wipes its place. kEmpty also while events wait: the answer
  // to a command must find room, so a client that does not read gets nothing done.
  abi::RingResult Take(abi::Command* command);
  // The same for a client that has died: what it published is still done, unanswered.
  abi::RingResult TakeLast(abi::Command* command) { return commands_.PopAndWipe(command); }

  void Emit(const abi::Event& event);
  // Moves waiting events into the ring and signals the client if there is news. False when the
  // client's cursor cannot be true.
  bool Flush();
  size_t backlog() const { return backlog_.size(); }

 private:
  static bool IsAnswer(const abi::Event& event) {
    return event.kind == abi::EventKind::kCommandDone ||
           event.kind == abi::EventKind::kCommandRefused;
  }
  static bool IsEnding(const abi::Event& event) {
    return event.kind == abi::EventKind::kLegEnded || event.kind == abi::EventKind::kSessionEnded;
  }
  void PutBy(const abi::Event& event);
  absl::Status MakeAreas();
  std::string JournalName() const;

  const uint16_t number_;
  const std::vector<abi::Lease> leases_;

  uint64_t cookie_ = 0;
  std::string name_;
  uint64_t ended_turn_ = 0;
  abi::Descriptor socket_;
  abi::Descriptor client_fd_, answer_fd_, answer_read_only_fd_, journal_fd_;
  abi::Descriptor command_event_, answer_event_;
  abi::Mapping client_, answer_;
  uint32_t journal_bytes_ = 0;

  abi::RingConsumer<abi::Command> commands_;
  abi::RingProducer<abi::Event> events_;
  std::deque<abi::Event> backlog_;
  uint64_t lost_ = 0;  // events that found the backlog full, since the last kEventsLost
  bool news_ = false;  // events were pushed and not signalled yet
  bool broken_ = false;
};

}  // namespace relay::conductor
