#include "tests/relay/port/far_side.h"

#include <cstdlib>

#include "relay/port/memory.h"
#include "relay/port/uring.h"
#include "tests/relay/port/far_sockets.h"

namespace relay::port {
namespace {

const abi::Address kLoopback6 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

class MemoryFarSide final : public FarSide {
 public:
  MemoryFarSide(uint32_t buffers, MemoryOptions::Carries carries)
      : port_({.carries = carries,
               .buffers = buffers,
               .deliver_unbound = false,
               .counters = &counters_}) {}

  Port& port() override { return port_; }
  abi::CounterBlock& counters() override { return counters_; }
  abi::Endpoint own_address() const override {
    return {.address = abi::Address::Ipv4(198, 51, 100, 1)};
  }
  uint32_t buffers_free() const override { return port_.buffers_free(); }
  uint32_t bound() const override { return port_.bound(); }

  abi::Endpoint Open() override {
    return {.address = abi::Address::Ipv4(203, 0, 113, 1), .port = next_port_++};
  }
  void Say(const abi::Endpoint& from, uint16_t to_port, std::vector<uint8_t> payload,
           uint8_t dscp) override {
    if (!port_.Inject({.local = {.address = 0, .port = to_port},
                       .remote = from,
                       .payload = std::move(payload),
                       .dscp = dscp})) {
      std::abort();
    }
  }
  std::optional<Heard> Hear(const abi::Endpoint& at) override {
    while (std::optional<Datagram> datagram = port_.Collect()) {
      abi::Endpoint from = own_address();
      from.port = datagram->local.port;
      inbox_.Put(datagram->remote,
                 {.payload = std::move(datagram->payload), .from = from, .dscp = datagram->dscp});
    }
    return inbox_.Take(at);
  }

 private:
  abi::CounterBlock counters_{};
  MemoryPort port_;
  uint16_t next_port_ = 4000;
  Inbox inbox_;
};

class SocketFarSide final : public FarSide {
 public:
  SocketFarSide(uint32_t buffers, UringOptions::EngineChoice engine, bool ipv4)
      : sockets_(ipv4 ? abi::Address::Ipv4(127, 0, 16, 1) : kLoopback6) {
    absl::StatusOr<std::unique_ptr<UringPort>> port = UringPort::Make(
        {.engine = engine, .buffers = buffers, .receive_window = 64, .counters = &counters_});
    if (!port.ok()) std::abort();
    port_ = *std::move(port);
  }

  Port& port() override { return *port_; }
  abi::CounterBlock& counters() override { return counters_; }
  abi::Endpoint own_address() const override { return {.address = sockets_.address()}; }
  uint32_t buffers_free() const override { return port_->buffers_free(); }
  uint32_t bound() const override { return port_->bound(); }

  abi::Endpoint Open() override { return sockets_.Open(); }
  void Say(const abi::Endpoint& from, uint16_t to_port, std::vector<uint8_t> payload,
           uint8_t dscp) override {
    abi::Endpoint to = own_address();
    to.port = to_port;
    sockets_.Say(from, to, payload, dscp);
  }
  std::optional<Heard> Hear(const abi::Endpoint& at) override { return sockets_.Hear(at); }

 private:
  abi::CounterBlock counters_{};
  std::unique_ptr<UringPort> port_;
  FarSockets sockets_;
};

template <MemoryOptions::Carries carries>
std::unique_ptr<FarSide> MakeMemory(uint32_t buffers) {
  return std::make_unique<MemoryFarSide>(buffers, carries);
}

template <UringOptions::EngineChoice engine, bool ipv4>
std::unique_ptr<FarSide> MakeSockets(uint32_t buffers) {
  return std::make_unique<SocketFarSide>(buffers, engine, ipv4);
}

}  // namespace

const std::vector<PortTraits> kPortKinds = {
    {"memory_datagrams", false, MakeMemory<MemoryOptions::Carries::kDatagrams>},
    {"memory_frames", false, MakeMemory<MemoryOptions::Carries::kFrames>},
    {"uring_ipv4", true, MakeSockets<UringOptions::EngineChoice::kUring, true>},
    {"uring_ipv6", true, MakeSockets<UringOptions::EngineChoice::kUring, false>},
    {"mmsg_ipv4", true, MakeSockets<UringOptions::EngineChoice::kMmsg, true>},
    {"mmsg_ipv6", true, MakeSockets<UringOptions::EngineChoice::kMmsg, false>},
};

}  // namespace relay::port
