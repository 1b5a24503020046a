// What a worker owns, for the parts of it that work on the same things: the pipeline on packets,
// the roster on orders, the timekeeper on timers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "kernels/g711.h"
#include "relay/abi/counters.h"
#include "relay/session/leg.h"
#include "relay/session/session_table.h"
#include "relay/stage/srtp.h"
#include "relay/worker/departures.h"
#include "relay/worker/outbox.h"
#include "relay/worker/timer_wheel.h"
#include "relay/worker/worker.h"

namespace relay::worker {

struct State {
  explicit State(const WorkerConfig& worker_config)
      : config(worker_config),
        legs(worker_config.legs),
        counters(worker_config.counters),
        port_count(worker_config.ports.size()),
        table(worker_config.ranges),
        srtp(worker_config.srtp.empty()
                 ? nullptr
                 : std::make_unique<stage::Srtp>(worker_config.srtp,
                                                 stage::MakeSrtpEngine(worker_config.srtp_engine))),
        wheel(worker_config.legs),
        outbox(worker_config.legs, worker_config.reports),
        departures(worker_config.ports, worker_config.counters),
        random(worker_config.seed | 1) {
    std::copy(config.ports.begin(), config.ports.end(), port_list.begin());
  }

  std::span<port::Port* const> ports() const { return {port_list.data(), port_count}; }

  // xorshift64*: for spreading timers, nothing secret.
  uint32_t Random() {
    random ^= random >> 12;
    random ^= random << 25;
    random ^= random >> 27;
    return static_cast<uint32_t>((random * 0x2545f4914f6cdd1du) >> 32);
  }

  const WorkerConfig config;
  const std::span<session::Leg> legs;
  abi::CounterBlock* const counters;
  const size_t port_count;
  std::array<port::Port*, kPortsPerWorkerMax> port_list;
  session::SessionTable table;
  const std::unique_ptr<stage::Srtp> srtp;  // null: no leg has SRTP
  TimerWheel wheel;
  Outbox outbox;
  Departures departures;
  uint64_t random;
};

}  // namespace relay::worker
