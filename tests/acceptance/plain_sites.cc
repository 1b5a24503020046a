// Sites that need no privilege: memory, and the kernel's sockets on the loopback device.
#include "relay/port/memory.h"
#include "tests/acceptance/site.h"

namespace acceptance {
namespace {

using relay::abi::Address;
using relay::abi::CounterBlock;
using relay::abi::Endpoint;
using relay::conductor::Assembly;
using relay::port::MemoryOptions;
using relay::port::MemoryPort;

constexpr Address Ipv6(uint8_t last) {
  return {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}};
}

Address OwnInMemory(uint16_t side) {
  return side == kPbxSide6 ? Ipv6(1) : Address::Ipv4(192, 0, 2, static_cast<uint8_t>(1 + side));
}

// One or two memory ports; what leaves them is sorted by who shall hear it.
class MemorySite final : public Site, public FarParty {
 public:
  MemorySite(MemoryOptions::Carries carries, size_t ports) : carries_(carries), ports_(ports) {}

  std::vector<relay::abi::LocalAddress> addresses() const override {
    std::vector<relay::abi::LocalAddress> addresses;
    for (uint16_t side = 0; side < kSides; ++side) {
      addresses.push_back(LocalAddress(OwnInMemory(side), 0));
    }
    return addresses;
  }
  Assembly::MakePorts make_ports() override {
    return [this](uint16_t, CounterBlock* counters) -> absl::StatusOr<Assembly::Ports> {
      Assembly::Ports made;
      for (size_t i = 0; i < ports_.size(); ++i) {
        auto port = std::make_unique<MemoryPort>(MemoryOptions{
            .carries = carries_, .buffers = 256, .deliver_unbound = false, .counters = counters});
        ports_[i] = port.get();
        made.push_back(std::move(port));
      }
      return made;
    };
  }
  std::vector<uint8_t> port_of_address() const override {
    const auto second = static_cast<uint8_t>(ports_.size() - 1);
    return {0, second, second};
  }
  Address far(uint16_t side) const override {
    return side == kPbxSide6 ? Ipv6(9) : Address::Ipv4(203, 0, 113, static_cast<uint8_t>(1 + side));
  }
  FarParty& party(uint16_t) override { return *this; }

  void Open(const Endpoint&) override {}
  void Say(const Endpoint& from, const Endpoint& to, const std::vector<uint8_t>& payload) override {
    for (uint16_t side = 0; side < kSides; ++side) {
      if (OwnInMemory(side) != to.address) continue;
      ports_[port_of_address()[side]]->Inject(
          {.local = {.address = side, .port = to.port}, .remote = from, .payload = payload});
    }
  }
  std::optional<Heard> Hear(const Endpoint& at) override {
    for (MemoryPort* port : ports_) {
      while (std::optional<relay::port::Datagram> datagram = port->Collect()) {
        Endpoint from{.address = OwnInMemory(datagram->local.address)};
        from.port = datagram->local.port;
        inbox_.Put(datagram->remote,
                   {.payload = std::move(datagram->payload), .from = from, .dscp = datagram->dscp});
      }
    }
    return inbox_.Take(at);
  }

 private:
  const MemoryOptions::Carries carries_;
  std::vector<MemoryPort*> ports_;
  relay::port::Inbox inbox_;
};

class SocketSite final : public Site {
 public:
  explicit SocketSite(bool io_uring) : io_uring_(io_uring) {}
  std::vector<relay::abi::LocalAddress> addresses() const override {
    std::vector<relay::abi::LocalAddress> addresses;
    for (uint16_t side = 0; side < kSides; ++side) {
      addresses.push_back(LocalAddress(Loopback::own(side), 0));
    }
    return addresses;
  }
  Assembly::MakePorts make_ports() override {
    return [this](uint16_t, CounterBlock* counters) -> absl::StatusOr<Assembly::Ports> {
      Assembly::Ports made;
      made.push_back(Loopback::MakePort(counters, io_uring_));
      return made;
    };
  }
  Address far(uint16_t side) const override { return Loopback::far(side); }
  FarParty& party(uint16_t side) override { return loopback_.party(side); }

 private:
  const bool io_uring_;
  Loopback loopback_;
};

template <MemoryOptions::Carries carries, size_t ports>
std::unique_ptr<Site> MakeMemory() {
  return std::make_unique<MemorySite>(carries, ports);
}

template <bool io_uring>
std::unique_ptr<Site> MakeSockets() {
  return std::make_unique<SocketSite>(io_uring);
}

}  // namespace

const std::vector<SiteKind> kSiteKinds = {
    {"memory_datagrams", MakeMemory<MemoryOptions::Carries::kDatagrams, 1>},
    {"memory_frames", MakeMemory<MemoryOptions::Carries::kFrames, 1>},
    {"two_memories", MakeMemory<MemoryOptions::Carries::kDatagrams, 2>},
    {"uring", MakeSockets<true>},
    {"mmsg", MakeSockets<false>},
};

}  // namespace acceptance
