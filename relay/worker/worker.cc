#include "relay/worker/worker.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "relay/limits.h"
#include "relay/worker/pipeline.h"
#include "relay/worker/roster.h"
#include "relay/worker/state.h"
#include "relay/worker/timekeeper.h"

namespace relay::worker {
namespace {

// Empty cycles before a worker sleeps: some microseconds, in which the next packet of a busy relay
// has come, and which an idle one does not feel.
constexpr int kIdleCyclesMax = 32;
// The longest sleep: the grain of the timers.
constexpr TimeNs kSleepMax = 4 * kMillisecond;
// With several ports a worker can sleep in one of them only, and must look at the others soon.
constexpr TimeNs kSleepMaxSeveralPorts = kMillisecond / 10;

absl::Status Pin(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(cpu), &cpus);
  const int error = pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
  if (error == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("cannot pin to CPU ", cpu, ": ", strerror(error)));
}

}  // namespace

struct Worker::Impl {
  explicit Impl(const WorkerConfig& config)
      : state(config), pipeline(state), roster(state), timekeeper(state, pipeline) {}

  size_t TakeOrders(TimeNs now);
  size_t TakePackets(TimeNs now);
  size_t KeepOwn(size_t count, uint8_t port_index);
  size_t TakeHandedOver(TimeNs now);
  size_t PostReports(TimeNs now);

  State state;
  Pipeline pipeline;
  Roster roster;
  Timekeeper timekeeper;
  std::array<port::Packet, kBurstMax> packets;
  Order order;
};

Worker::Worker(const WorkerConfig& config) {
  assert(!config.ports.empty() && config.ports.size() <= kPortsPerWorkerMax);
  assert(config.counters != nullptr && config.orders != nullptr && config.reports != nullptr);
  impl_ = std::make_unique<Impl>(config);
}

Worker::~Worker() = default;

absl::Status Worker::Attach() {
  const WorkerConfig& config = impl_->state.config;
  if (config.cpu >= 0) {
    if (absl::Status status = Pin(config.cpu); !status.ok()) return status;
  }
  // The hot lines of 60,000 legs lie on more pages than the TLB knows: large pages where the kernel
  // has them to give (also in a memfd; a refusal costs speed only).
  [[maybe_unused]] const int advised =
      madvise(config.legs.data(), config.legs.size_bytes(), MADV_HUGEPAGE);
  // A write to every page brings it to this thread's NUMA node. What is there stays: a leg may
  // have been adopted.
  auto* bytes = reinterpret_cast<volatile uint8_t*>(config.legs.data());
  for (size_t at = 0; at < config.legs.size_bytes(); at += 4096) bytes[at] = bytes[at];
  for (port::Port* port : impl_->state.ports()) {
    if (absl::Status status = port->AttachThread(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

size_t Worker::RunOnce(TimeNs now) {
  const size_t orders = impl_->TakeOrders(now);
  const size_t packets = impl_->TakePackets(now);
  const size_t timers = impl_->timekeeper.Advance(now);
  impl_->state.departures.Flush();
  const size_t reports = impl_->PostReports(now);
  const size_t done = orders + packets + timers + reports;
  impl_->state.counters->Add(abi::Counter::kCycles);
  if (done == 0) impl_->state.counters->Add(abi::Counter::kIdleCycles);
  return done;
}

size_t Worker::Impl::TakeOrders(TimeNs now) {
  size_t taken = 0;
  bool any_keys = false;
  while (taken < kMailboxDrainMax && state.config.orders->Take(&order)) {
    // Keys that go pass over the stack as well, on their way to be remembered by their prints.
    any_keys |= (state.legs[order.leg].gate.flags & session::kGateHadSrtp) != 0;
    roster.Obey(order, now);
    if (order.setup.srtp.suite != abi::SrtpSuite::kNone) {
      any_keys = true;
      stage::WipeKey(&order.setup.srtp, sizeof order.setup.srtp);
    }
    ++taken;
  }
  if (any_keys) stage::WipeStack();
  return taken;
}

size_t Worker::Impl::TakePackets(TimeNs now) {
  size_t taken = 0;
  for (uint8_t index = 0; index < state.port_count; ++index) {
    const size_t received = state.port_list[index]->Receive(packets, now);
    if (received == 0) continue;
    const size_t count = state.config.hand_over == nullptr ? received : KeepOwn(received, index);
    if (count != 0) pipeline.Process({packets.data(), count}, now);
    // Before the next port is read: its burst may be answered by this one's buffers.
    state.departures.Flush();
    taken += received;
  }
  if (state.config.hand_over != nullptr) taken += TakeHandedOver(now);
  return taken;
}

// Gives the others' packets away; the worker's own close up to the front of the burst.
size_t Worker::Impl::KeepOwn(size_t count, uint8_t port_index) {
  HandOver& hand_over = *state.config.hand_over;
  std::array<port::Packet, kBurstMax> leaving;
  size_t own = 0;
  size_t gone = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint16_t owner = hand_over.OwnerOf(packets[i]);
    if (owner == state.config.index) {
      packets[own++] = packets[i];
      continue;
    }
    if (hand_over.Give(state.config.index, owner, port_index, packets[i])) {
      state.counters->Add(abi::Counter::kHandedOver);
    } else {
      state.counters->Add(abi::Counter::kReceivedPackets);
      state.counters->Add(abi::Counter::kReceivedBytes, packets[i].length);
      state.counters->Add(abi::Counter::kHandOverFull);
    }
    leaving[gone++] = packets[i];
  }
  hand_over.Publish(state.config.index);
  if (gone != 0) leaving[0].owner->Release({leaving.data(), gone});
  return own;
}

size_t Worker::Impl::TakeHandedOver(TimeNs now) {
  uint8_t port_index = 0;
  const size_t count =
      state.config.hand_over->Take(state.config.index, state.ports(), packets, &port_index);
  if (count == 0) return 0;
  pipeline.Process({packets.data(), count}, now);
  state.departures.Flush();
  return count;
}

size_t Worker::Impl::PostReports(TimeNs now) {
  const size_t posted = state.outbox.Flush(now);
  if (posted == 0 || state.config.report_fd < 0) return posted;
  const uint64_t one = 1;
  // It can only fail when the counter is at its end, and then the conductor is awake anyway.
  [[maybe_unused]] const ssize_t written = write(state.config.report_fd, &one, sizeof(one));
  return posted;
}

void Worker::Run(const std::atomic<bool>& stop) {
  const std::span<port::Port* const> ports = impl_->state.ports();
  const TimeNs sleep = ports.size() == 1 ? kSleepMax : kSleepMaxSeveralPorts;
  int idle = 0;
  while (!stop.load(std::memory_order_acquire)) {
    if (RunOnce(MonotonicNow()) != 0) {
      idle = 0;
    } else if (++idle >= kIdleCyclesMax) {
      HandOver* const hand_over = impl_->state.config.hand_over;
      const uint16_t own = impl_->state.config.index;
      if (hand_over != nullptr && !hand_over->MaySleep(own)) continue;
      ports.front()->Wait(sleep);
      if (hand_over != nullptr) hand_over->Woken(own);
    }
  }
}

void Worker::Wake() {
  impl_->state.ports().front()->Wake();
}

}  // namespace relay::worker
