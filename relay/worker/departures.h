// Packets on their way out: one Send a port and burst. A burst that leaves as it came is sent from
// where it lies; the others are gathered by port.
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

  // `packet` leaves by port `index`; its buffer is the port's from here on.
  void Add(uint8_t index, const port::Packet& packet) {
    Gate& gate = gates_[index];
    if (gate.count == kBurstMax) Flush(gate);
    gate.packets[gate.count++] = packet;
  }

  // A whole burst of `bytes` leaves by port `index`, from where it lies.
  void SendWhole(uint8_t index, std::span<const port::Packet> packets, uint64_t bytes) {
    Send(gates_[index].port, packets, bytes);
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
    Send(gate.port, {gate.packets.data(), gate.count}, bytes);
    gate.count = 0;
  }

  void Send(port::Port* port, std::span<const port::Packet> packets, uint64_t bytes) {
    counters_->Add(abi::Counter::kSentPackets, packets.size());
    counters_->Add(abi::Counter::kSentBytes, bytes);
    port->Send(packets);
  }

  abi::CounterBlock* counters_;
  std::array<Gate, kPortsPerWorkerMax> gates_;
};

}  // namespace relay::worker
