// What the port suite needs of a network: one of these for each kind of port.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "relay/port/port.h"

namespace relay::port {

struct Heard {
  std::vector<uint8_t> payload;
  abi::Endpoint from;  // as the far party sees it
  uint8_t dscp;
};

// What came to far parties, kept by who shall hear it until the suite asks.
class Inbox {
 public:
  void Put(const abi::Endpoint& at, Heard heard) { Of(at).push_back(std::move(heard)); }
  bool IsEmpty(const abi::Endpoint& at) { return Of(at).empty(); }
  std::optional<Heard> Take(const abi::Endpoint& at) {
    std::deque<Heard>& heard = Of(at);
    if (heard.empty()) return std::nullopt;
    Heard first = std::move(heard.front());
    heard.pop_front();
    return first;
  }

 private:
  std::deque<Heard>& Of(const abi::Endpoint& at) { return heard_[{at.address.bytes, at.port}]; }

  std::map<std::pair<std::array<uint8_t, 16>, uint16_t>, std::deque<Heard>> heard_;
};

// A port of one kind together with a far party that talks to it.
class FarSide {
 public:
  virtual ~FarSide() = default;

  virtual Port& port() = 0;
  virtual abi::CounterBlock& counters() = 0;
  virtual abi::Endpoint own_address() const = 0;  // what local address 0 stands for
  // What one unfragmented datagram holds.
  virtual size_t payload_max() const { return kPayloadMax; }
  virtual uint32_t buffers_free() const = 0;
  virtual uint32_t bound() const = 0;

  // A new socket of the far party: who it is.
  virtual abi::Endpoint Open() = 0;
  virtual void Say(const abi::Endpoint& from, uint16_t to_port, std::vector<uint8_t> payload,
                   uint8_t dscp = 0) = 0;
  // The next datagram that came to `at`; waits a second for it.
  virtual std::optional<Heard> Hear(const abi::Endpoint& at) = 0;
};

// Where ports differ, as the suite must know it (docs/ports.md).
struct PortTraits {
  const char* name;
  bool kernel_sockets;  // a taken port is refused for other processes too; errors come late
  std::unique_ptr<FarSide> (*make)(uint32_t buffers);
  uint32_t window = 64;           // of buffers that may be held for arrivals
  bool loses_when_empty = false;  // a raw port has no queue behind its buffers; it counts
};

extern const std::vector<PortTraits> kPortKinds;

}  // namespace relay::port
