#include "tests/relay/port/far_side.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "relay/port/memory.h"
#include "relay/port/socket.h"
#include "relay/port/uring.h"

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
      heard_[datagram->remote.port].push_back(
          {.payload = std::move(datagram->payload), .from = from, .dscp = datagram->dscp});
    }
    std::vector<Heard>& heard = heard_[at.port];
    if (heard.empty()) return std::nullopt;
    Heard first = std::move(heard.front());
    heard.erase(heard.begin());
    return first;
  }

 private:
  abi::CounterBlock counters_{};
  MemoryPort port_;
  uint16_t next_port_ = 4000;
  std::map<uint16_t, std::vector<Heard>> heard_;
};

class SocketFarSide final : public FarSide {
 public:
  SocketFarSide(uint32_t buffers, UringOptions::EngineChoice engine, bool ipv4) : ipv4_(ipv4) {
    absl::StatusOr<std::unique_ptr<UringPort>> port = UringPort::Make(
        {.engine = engine, .buffers = buffers, .receive_window = 64, .counters = &counters_});
    if (!port.ok()) std::abort();
    port_ = *std::move(port);
  }
  ~SocketFarSide() override {
    for (const auto& [port, descriptor] : sockets_) close(descriptor);
  }

  Port& port() override { return *port_; }
  abi::CounterBlock& counters() override { return counters_; }
  abi::Endpoint own_address() const override {
    return {.address = ipv4_ ? abi::Address::Ipv4(127, 0, 16, 1) : kLoopback6};
  }
  uint32_t buffers_free() const override { return port_->buffers_free(); }
  uint32_t bound() const override { return port_->bound(); }

  abi::Endpoint Open() override {
    SocketAddress address;
    socklen_t length = WriteSocketAddress(own_address(), &address);
    const int descriptor = socket(address.any.sa_family, SOCK_DGRAM, 0);
    const int one = 1;
    if (bind(descriptor, &address.any, length) != 0 ||
        getsockname(descriptor, &address.any, &length) != 0 ||
        setsockopt(descriptor, ipv4_ ? IPPROTO_IP : IPPROTO_IPV6,
                   ipv4_ ? IP_RECVTOS : IPV6_RECVTCLASS, &one, sizeof(one)) != 0) {
      std::abort();
    }
    abi::Endpoint endpoint = own_address();
    endpoint.port = ntohs(ipv4_ ? address.ipv4.sin_port : address.ipv6.sin6_port);
    sockets_[endpoint.port] = descriptor;
    return endpoint;
  }

  void Say(const abi::Endpoint& from, uint16_t to_port, std::vector<uint8_t> payload,
           uint8_t dscp) override {
    abi::Endpoint to = own_address();
    to.port = to_port;
    SocketAddress address;
    const socklen_t length = WriteSocketAddress(to, &address);
    const int descriptor = sockets_.at(from.port);
    const int mark = dscp << 2;
    setsockopt(descriptor, ipv4_ ? IPPROTO_IP : IPPROTO_IPV6, ipv4_ ? IP_TOS : IPV6_TCLASS, &mark,
               sizeof(mark));
    if (sendto(descriptor, payload.data(), payload.size(), 0, &address.any, length) !=
        static_cast<ssize_t>(payload.size())) {
      std::abort();
    }
  }

  std::optional<Heard> Hear(const abi::Endpoint& at) override {
    pollfd ready{.fd = sockets_.at(at.port), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 1000) != 1) return std::nullopt;
    std::vector<uint8_t> payload(kBufferSize);
    SocketAddress address;
    alignas(cmsghdr) uint8_t control[kControlLength];
    iovec vector{.iov_base = payload.data(), .iov_len = payload.size()};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof(address);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t length = recvmsg(ready.fd, &message, 0);
    if (length < 0) return std::nullopt;
    payload.resize(static_cast<size_t>(length));
    Heard heard{.payload = std::move(payload), .from = own_address(), .dscp = 0};
    heard.from.port = ntohs(ipv4_ ? address.ipv4.sin_port : address.ipv6.sin6_port);
    const cmsghdr* told = CMSG_FIRSTHDR(&message);
    if (told != nullptr) heard.dscp = static_cast<uint8_t>(*CMSG_DATA(told) >> 2);
    return heard;
  }

 private:
  const bool ipv4_;
  abi::CounterBlock counters_{};
  std::unique_ptr<UringPort> port_;
  std::map<uint16_t, int> sockets_;
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
