// The slow thread: everything that is not a packet.
//
// A turn: who came and went, reports of the workers, calls whose time is over, commands, and at the
// end whatever has to be flushed and signalled. Every command is answered by exactly one event, in
// the order of its ring. Nothing here waits for a client or a worker: what finds no room is kept,
// and until it is gone no further command is taken.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "relay/conductor/client_slots.h"
#include "relay/conductor/greeter.h"
#include "relay/conductor/keep.h"
#include "relay/conductor/segment.h"
#include "relay/conductor/session_directory.h"
#include "relay/conductor/session_factory.h"
#include "relay/conductor/worker_link.h"
#include "relay/port/upkeep.h"

namespace relay::conductor {

struct ConductorConfig {
  StateSegment* state = nullptr;
  Keeper* keeper = nullptr;
  std::span<const std::unique_ptr<WorkerLink>> workers;
  std::span<port::Upkeep* const> upkeeps;    // of the ports
  std::span<const uint8_t> port_of_address;  // as SessionFactory::Parts has it
  int report_fd = -1;                        // eventfd of the workers
  int signal_fd = -1;                        // signalfd of SIGTERM and SIGINT; -1 = none
  uint32_t journal_bytes_max = 0;
  uint32_t latch_window_ms = 0;
  uint32_t drain_timeout_s = 0;
  bool srtp = false;  // the workers have an engine for it
};

class Conductor {
 public:
  Conductor(const ConductorConfig& config, Greeter greeter);

  absl::Status Start();

  // One turn, without waiting. False when the relay has come to its end.
  bool Turn(TimeNs now);
  // Turns until the end.
  void Run();

  // Any thread: Terminate with the next turn, within 100 ms.
  void RequestEnd() { end_requested_.store(true, std::memory_order_release); }
  // As SIGTERM: the first call drains, the second one ends the calls.
  void Terminate(TimeNs now);

  size_t live_sessions() const { return directory_.live(); }

 private:
  enum class Stage : uint8_t { kServing, kDraining, kStopping, kStopped };
  enum class Source : uint32_t {
    kDoor,
    kGuest,
    kClient,
    kCommands,
    kObserver,
    kReports,
    kSignal,
    kUpkeep
  };

  bool Watch(int fd, Source source, uint32_t value, uint32_t events);
  void Unwatch(int fd);
  void Notice(TimeNs now);  // epoll
  void AdmitGuests(TimeNs now);

  void Welcome(Greeter::Visitor visitor);
  void WelcomeObserver(Greeter::Visitor visitor);
  void ClientGone(ClientSlot& slot, const char* why, TimeNs now);
  void TakeSignal(TimeNs now);

  void TakeReports(TimeNs now);
  void TakeReport(uint16_t worker, const worker::Report& report, TimeNs now);
  void LegClosed(uint16_t worker, uint32_t leg, const abi::LegStatistics& statistics, TimeNs now);

  void TakeCommands(TimeNs now);
  static void ForgetKeys(abi::Command* command);
  Finding Execute(ClientSlot& slot, const abi::Command& command, TimeNs now);

  void Upkeep(TimeNs now);
  void EndOverdue(TimeNs now);
  void Advance(TimeNs now);  // draining and stopping
  void FlushAll(TimeNs now);
  bool Congested() const;
  int TimeoutMs(TimeNs now) const;

  const ConductorConfig config_;
  Greeter greeter_;
  abi::Descriptor epoll_fd_;
  ClientSlots slots_;
  std::vector<NetworkSets> networks_;  // by client slot
  std::vector<abi::Descriptor> observers_;
  SessionDirectory directory_;
  SessionFactory factory_;
  Stage stage_ = Stage::kServing;
  TimeNs stage_end_ns_ = 0;     // of kDraining and kStopping
  bool commands_left_ = false;  // a client had more than one turn takes
  uint64_t turns_ = 0;
  std::atomic<bool> end_requested_{false};
};

}  // namespace relay::conductor
