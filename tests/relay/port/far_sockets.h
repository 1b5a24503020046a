// The far party on the kernel's sockets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "tests/relay/port/far_side.h"

namespace relay::port {

class FarSockets {
 public:
  explicit FarSockets(const abi::Address& address) : address_(address) {}
  ~FarSockets();
  FarSockets(const FarSockets&) = delete;
  FarSockets& operator=(const FarSockets&) = delete;

  const abi::Address& address() const { return address_; }

  // In the network namespace of the calling thread, where the socket stays.
  // Port 0: any.
  abi::Endpoint Open(uint16_t port = 0);
  void Say(const abi::Endpoint& from, const abi::Endpoint& to, std::span<const uint8_t> payload,
           uint8_t dscp);
  std::optional<Heard> Hear(const abi::Endpoint& at);

 private:
  const abi::Address address_;
  std::map<uint16_t, int> sockets_;
};

}  // namespace relay::port
