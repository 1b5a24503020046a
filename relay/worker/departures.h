// Packets on their way out, gathered by port: one Send a port and burst.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "relay/abi/counters.h"
#include "relay/limits.h"
#include "relay/port/port.h"

namespace relay::worker {

class Departures {
 public:
  Departures(std::span<port::Port* const> ports, abi::CounterBlock* counters)
      : counters_(counters) {
    for (size_t i = 0; i < ports.size() && i < kPortsPerWorkerMax; ++i) gates_[i].port = ports[i];
  }

  port::Port* port(uint8_t index) const { return gates_[index].port; }

  // `packet` leaves by port `index`; its buffer is the port's from here on. Endpoints are set in
  // the copy: a copy of what was just stored in narrow pieces would wait for the stores.
  port::Packet& Add(uint8_t index, const port::Packet& packet) {
    Gate& gate = gates_[index];
    if (gate.count == kBurstMax) Flush(gate);
    return gate.packets[gate.count++] = packet;
  }

  void Flush() {
    for (Gate& gate : gates_) {
      if (gate.count != 0) Flush(gate);
    }
  }

 private:
  struct Gate {
    port::Port* port = nullptr;
    size_t count = 0;
    std::array<port::Packet, kBurstMax> packets;
  };

  void Flush(Gate& gate) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < gate.count; ++i) bytes += gate.packets[i].length;
    counters_->Add(abi::Counter::kSentPackets, gate.count);
    counters_->Add(abi::Counter::kSentBytes, bytes);
    gate.port->Send({gate.packets.data(), gate.count});
    gate.count = 0;
  }

  abi::CounterBlock* counters_;
  std::array<Gate, kPortsPerWorkerMax> gates_;
};

}  // namespace relay::worker
