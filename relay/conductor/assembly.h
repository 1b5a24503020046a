// One whole relay, put together from its ports: shared memory, workers and conductor, and the order
// in which they begin and end.
//
//   Make -> Start -> RunConductor (returns at the end of the relay) -> Stop
//
// Tests step it by hand instead: Make -> Attach -> Step(now), Step(now), ...
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/conductor/conductor.h"
#include "relay/conductor/segment.h"
#include "relay/port/port.h"
#include "relay/worker/worker.h"

namespace relay::conductor {

struct AssemblyConfig {
  std::vector<abi::LocalAddress> addresses;
  Door door;
  std::vector<uint16_t> cpus;  // one a worker, or none
  kernels::Isa isa = kernels::BestIsa();
  // Which of a worker's ports a local address is reached by; empty = all by the first.
  std::vector<uint8_t> port_of_address;
  std::vector<port::Upkeep*> upkeeps;  // of the ports; they outlive the assembly
  abi::PlacementKind placement = abi::PlacementKind::kSockets;
  uint32_t sessions_max = kSessionsDefault;
  uint16_t client_slots = 1;
  uint32_t journal_bytes_max = 0;
  uint32_t latch_window_ms = 3000;
  uint32_t drain_timeout_s = 0;
  // Must be one that this machine can have; kNone = legs with SRTP are refused.
  stage::SrtpEngineKind srtp_engine = stage::SrtpEngineKind::kAuto;
  int signal_fd = -1;
  Keeper keeper;
};

class Assembly {
 public:
  // The ports of one worker, at most kPortsPerWorkerMax; their counters are the state segment's, so
  // they are made by a function that gets them.
  using Ports = std::vector<std::unique_ptr<port::Port>>;
  using MakePorts =
      std::function<absl::StatusOr<Ports>(uint16_t worker, abi::CounterBlock* counters)>;
  // Where a worker has one.
  using MakePort =
      std::function<absl::StatusOr<std::unique_ptr<port::Port>>(abi::CounterBlock* counters)>;

  static absl::StatusOr<std::unique_ptr<Assembly>> Make(AssemblyConfig config, uint16_t workers,
                                                        const MakePorts& make_ports);
  static absl::StatusOr<std::unique_ptr<Assembly>> Make(AssemblyConfig config, uint16_t workers,
                                                        const MakePort& make_port);
  ~Assembly();  // Stop

  // Starts the worker threads, waits until each has its memory and port, opens for clients.
  absl::Status Start();
  // The conductor's loop, on the calling thread; returns at the end of the relay.
  void RunConductor() { conductor_->Run(); }
  // Any thread: as SIGTERM.
  void RequestEnd() { conductor_->RequestEnd(); }
  // Ends the worker threads.
  void Stop();

  // ---- by hand ----

  absl::Status Attach();  // instead of Start: workers belong to the calling thread
  // One turn of the conductor, one cycle of each worker. False when the relay is at its end.
  bool Step(TimeNs now);

  Conductor& conductor() { return *conductor_; }
  const StateSegment& state() const { return state_; }
  port::Port* port(size_t worker) { return ports_[worker].front().get(); }

 private:
  Assembly() = default;
  absl::Status MakeMemory(uint16_t workers);
  absl::Status MakeKeyMemory(uint32_t legs_max);
  absl::Status MakeWorkers(uint16_t workers, const MakePorts& make_ports);
  absl::Status MakeConductor();

  AssemblyConfig config_;
  StateSegment state_;
  abi::Descriptor legs_fd_;
  abi::Mapping legs_;
  abi::Descriptor srtp_fd_;  // keys: no other process is ever given it, but for the next relay
  abi::Mapping srtp_;
  uint32_t legs_per_worker_ = 0;
  abi::Descriptor report_fd_;
  std::vector<session::PortRange> ranges_;
  std::vector<Ports> ports_;                             // by worker
  std::vector<std::vector<port::Port*>> port_pointers_;  // what the workers' spans point into
  std::vector<std::unique_ptr<WorkerLink>> links_;
  std::unique_ptr<worker::HandOver> hand_over_;  // null: packets come to their own workers
  std::vector<std::unique_ptr<worker::Worker>> workers_;
  std::unique_ptr<Conductor> conductor_;
  std::atomic<bool> stop_{false};
  std::vector<std::jthread> threads_;
};

}  // namespace relay::conductor
