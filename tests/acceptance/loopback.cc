#include <cstdlib>

#include "relay/port/uring.h"
#include "tests/acceptance/site.h"
#include "tests/relay/port/far_sockets.h"

namespace acceptance {
namespace {

using relay::abi::Address;
using relay::abi::Endpoint;

constexpr Address kLoopback6 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

class SocketParty final : public FarParty {
 public:
  explicit SocketParty(const Address& address) : sockets_(address) {}
  void Open(const Endpoint& at) override { sockets_.Open(at.port); }
  void Say(const Endpoint& from, const Endpoint& to, const std::vector<uint8_t>& payload) override {
    sockets_.Say(from, to, payload, 0);
  }
  std::optional<Heard> Hear(const Endpoint& at) override { return sockets_.Hear(at); }

 private:
  relay::port::FarSockets sockets_;
};

}  // namespace

relay::abi::LocalAddress LocalAddress(const Address& address, uint16_t interface,
                                      const std::string& interface_name) {
  relay::abi::LocalAddress local{};
  local.address = address;
  local.interface = interface;
  local.port_first = kPortFirst;
  local.port_last = kPortLast;
  interface_name.copy(local.interface_name, sizeof(local.interface_name) - 1);
  return local;
}

Address Loopback::own(uint16_t side) {
  return side == kPbxSide6 ? kLoopback6 : Address::Ipv4(127, 0, static_cast<uint8_t>(18 + side), 1);
}

Address Loopback::far(uint16_t side) {
  return side == kPbxSide6 ? kLoopback6 : Address::Ipv4(127, 0, static_cast<uint8_t>(18 + side), 2);
}

Loopback::Loopback() {
  for (uint16_t side = 0; side < kSides; ++side) {
    parties_.push_back(std::make_unique<SocketParty>(far(side)));
  }
}

Loopback::~Loopback() = default;

std::unique_ptr<relay::port::Port> Loopback::MakePort(relay::abi::CounterBlock* counters,
                                                      bool io_uring) {
  using Engine = relay::port::UringOptions::EngineChoice;
  auto port = relay::port::UringPort::Make({.engine = io_uring ? Engine::kUring : Engine::kMmsg,
                                            .buffers = 512,
                                            .receive_window = 64,
                                            .sockets_max = 64,
                                            .counters = counters});
  if (!port.ok()) std::abort();
  return *std::move(port);
}

}  // namespace acceptance
