// A worker: one thread, its ports, its legs, its timers. It shares nothing with other workers, and
// with the conductor two mailboxes only.
//
// A cycle: orders, packets of each port, timers, reports.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "kernels/g711.h"
#include "relay/abi/counters.h"
#include "relay/abi/segment.h"
#include "relay/clock.h"
#include "relay/port/port.h"
#include "relay/session/leg.h"
#include "relay/session/session_table.h"
#include "relay/session/srtp.h"
#include "relay/stage/srtp_engine.h"
#include "relay/worker/hand_over.h"
#include "relay/worker/mailbox.h"

namespace relay::worker {

// Everything a worker needs, owned by the caller and outliving the worker (the lists of ports and
// ranges are copied). `legs` is zeroed memory, best at the start of a page; the worker faults it in
// on its own thread.
struct WorkerConfig {
  uint16_t index = 0;
  int cpu = -1;  // pinned to it; -1 = not pinned

  std::span<port::Port* const> ports;            // 1 .. kPortsPerWorkerMax
  std::span<const session::PortRange> ranges;    // by index of the local address
  std::span<session::Leg> legs;                  // Order::leg counts in it
  std::span<session::SrtpLeg> srtp;              // by the same slots; empty = no SRTP
  abi::CounterBlock* counters = nullptr;         // this worker's own
  abi::LegStatisticsSlot* statistics = nullptr;  // LegSetup::statistics counts from here
  Mailbox<Order>* orders = nullptr;
  Mailbox<Report>* reports = nullptr;
  HandOver* hand_over = nullptr;  // among the workers; null: each packet comes to its own
  int report_fd = -1;             // eventfd, signalled after a cycle that posted reports; -1 = none

  // The variant that transcodes; chosen once for all workers.
  const kernels::G711* g711 = &kernels::G711For(kernels::BestIsa());
  stage::SrtpEngineKind srtp_engine = stage::SrtpEngineKind::kAuto;  // where there is SRTP

  uint64_t seed = 1;           // of the RTCP intervals' randomness
  int64_t wall_offset_ns = 0;  // wall clock since 1970 less CLOCK_MONOTONIC, for NTP times
};

class Worker {
 public:
  explicit Worker(const WorkerConfig& config);
  ~Worker();

  // What belongs to the worker's own thread: pinning, faulting in memory, attaching the ports.
  // On that thread, before Run or the first RunOnce.
  absl::Status Attach();

  // One cycle. Returns how much was done; 0 = idle. Deterministic: time comes from the argument.
  size_t RunOnce(TimeNs now);

  // Cycles until `stop`, sleeping in a port when there is nothing to do.
  void Run(const std::atomic<bool>& stop);

  // Any thread: ends a sleep, so that new orders are seen.
  void Wake();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace relay::worker
