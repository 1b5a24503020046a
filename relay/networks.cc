#include "relay/networks.h"

#include <linux/capability.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/address_text.h"
#include "relay/log.h"
#include "relay/port/memory.h"
#include "relay/port/preflight.h"
#include "relay/port/uring.h"

namespace relay {
namespace {

// Sockets of a worker: RTP and RTCP of two legs for its share of the calls.
uint32_t SocketsOf(const Options& options) {
  return options.sessions * 4 / options.workers + 4;
}

// Names by the index that the options gave them (relay/options.cc).
std::vector<std::string> InterfacesOf(const Options& options) {
  std::vector<std::string> names;
  for (const abi::LocalAddress& address : options.listen) {
    if (address.interface >= names.size()) names.resize(address.interface + 1u);
    names[address.interface].assign(
        address.interface_name, strnlen(address.interface_name, sizeof(address.interface_name)));
  }
  return names;
}

absl::StatusOr<std::unique_ptr<port::Port>> MakeUring(const Options& options,
                                                      abi::CounterBlock* counters) {
  using Engine = port::UringOptions::EngineChoice;
  constexpr Engine kEngines[] = {Engine::kAuto, Engine::kUring, Engine::kMmsg};
  auto port = port::UringPort::Make({.engine = kEngines[static_cast<int>(options.port_engine)],
                                     .sockets_max = SocketsOf(options),
                                     .receive_buffer_bytes = options.receive_buffer,
                                     .interfaces = InterfacesOf(options),
                                     .counters = counters});
  if (!port.ok()) return port.status();
  if (!(*port)->why_not_uring().empty()) {
    log::Warn("io_uring is not used: {}", (*port)->why_not_uring());
  }
  return *std::move(port);
}

// The kernel must choose no port of ours for itself: its answers would come to us. (xdp looks by
// itself, beside the rest that it needs.)
absl::Status CheckReserved(const Options& options, const std::vector<bool>& raw) {
  const port::MachineFacts facts = port::PrepareMachine();
  for (size_t i = 0; i < options.listen.size(); ++i) {
    const abi::LocalAddress& address = options.listen[i];
    const bool apart =
        !raw[i] || address.port_last < facts.ephemeral_first ||
        address.port_first > facts.ephemeral_last ||
        port::CoversPorts(facts.reserved_ports, std::max(address.port_first, facts.ephemeral_first),
                          std::min(address.port_last, facts.ephemeral_last));
    if (apart) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "the kernel may choose UDP ports of ", ListenText(address),
        " for itself, and their answers would come to the relay; reserve them: sysctl -w "
        "net.ipv4.ip_local_reserved_ports=",
        address.port_first, "-", address.port_last));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Networks::Open(Options* options) {
  std::vector<std::string> xdp;
  std::vector<port::DpdkDeviceOptions> dpdk;
  for (const PortChoice& choice : options->ports) {
    uring_ |= choice.kind == PortKind::kUring;
    memory_ |= choice.kind == PortKind::kMemory;
    if (choice.kind == PortKind::kXdp) xdp.push_back(choice.device);
    if (choice.kind != PortKind::kDpdk) continue;
    auto device = port::ParseDpdkDevice(choice.device);
    if (!device.ok()) return device.status();
    dpdk.push_back(*std::move(device));
  }
  port_of_address_.assign(options->listen.size(), 0);
  absl::Status status;
  if (!xdp.empty()) {
    status = OpenXdp(options, xdp);
  } else if (!dpdk.empty()) {
    status = OpenDpdk(*options, std::move(dpdk));
  }
  if (status.ok() && uring_) LetSocketsHear(*options);
  return status;
}

void Networks::LetSocketsHear(const Options& options) {
  std::vector<abi::LocalAddress> addresses;
  const uint8_t sockets = xdp_ != nullptr || dpdk_ != nullptr ? 1 : 0;
  for (size_t i = 0; i < options.listen.size(); ++i) {
    if (port_of_address_[i] == sockets) addresses.push_back(options.listen[i]);
  }
  for (const std::string& sentence : port::XdpNetwork::TakeGuardsOff(addresses)) {
    log::Warn("{}", sentence);
  }
}

absl::Status Networks::Divide(const Options& options, const std::vector<bool>& raw) {
  for (size_t i = 0; i < options.listen.size(); ++i) {
    if (raw[i]) continue;
    if (!uring_) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--listen ", ListenText(options.listen[i]),
          " is reached by no --port; name its device behind '@', or give --port uring too"));
    }
    port_of_address_[i] = 1;
  }
  return absl::OkStatus();
}

absl::Status Networks::OpenHops(const Options& options, const std::vector<std::string>& devices) {
  uint64_t seed = 0;
  while (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
  }
  auto hops = port::NextHops::Open(
      {.devices = devices, .addresses = options.listen, .workers = options.workers, .seed = seed});
  if (!hops.ok()) return hops.status();
  hops_ = *std::move(hops);
  return absl::OkStatus();
}

absl::Status Networks::OpenXdp(Options* options, const std::vector<std::string>& devices) {
  const absl::StatusOr<std::vector<bool>> raw = port::XdpNetwork::Place(devices, options->listen);
  if (!raw.ok()) return raw.status();
  if (absl::Status status = Divide(*options, *raw); !status.ok()) return status;
  if (absl::Status status = OpenHops(*options, devices); !status.ok()) return status;
  auto xdp = port::XdpNetwork::Open({.devices = devices,
                                     .addresses = options->listen,
                                     .workers = options->workers,
                                     .mode = options->xdp_mode,
                                     .busy_poll_us = options->xdp_busy_poll_us,
                                     .dispatcher = options->xdp_dispatcher});
  if (!xdp.ok()) return xdp.status();
  xdp_ = *std::move(xdp);
  return absl::OkStatus();
}

absl::Status Networks::OpenDpdk(const Options& options,
                                std::vector<port::DpdkDeviceOptions> devices) {
  std::vector<bool> raw;
  for (const abi::LocalAddress& address : options.listen) {
    raw.push_back(address.interface < devices.size());  // relay/options.cc numbers them so
  }
  if (absl::Status status = Divide(options, raw); !status.ok()) return status;
  const auto by_kernel = [](const port::DpdkDeviceOptions& device) {
    return !device.next_hop.has_value() && !device.interface.empty();
  };
  const bool kernel = by_kernel(devices.front());
  if (!std::all_of(devices.begin(), devices.end(),
                   [&](const auto& device) { return by_kernel(device) == kernel; })) {
    return absl::InvalidArgumentError(
        "some --port dpdk:... name a kernel's INTERFACE and some do not; next hops come from the "
        "kernel for all devices or for none");
  }
  if (kernel) {
    if (absl::Status status = CheckReserved(options, raw); !status.ok()) return status;
  }
  auto dpdk = port::Dpdk::Open(
      {.eal = options.eal,
       .devices = std::move(devices),
       .addresses = options.listen,
       .placement = abi::EvenPlacement(abi::PlacementKind::kNone, options.workers)});
  if (!dpdk.ok()) return dpdk.status();
  dpdk_ = *std::move(dpdk);
  return kernel ? OpenHops(options, dpdk_->kernel_devices()) : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<port::Port>> Networks::MakeRaw(uint16_t worker,
                                                              abi::CounterBlock* counters) {
  port::HopReader* const reader = hops_ != nullptr ? hops_->reader(worker) : nullptr;
  std::function<void(uint16_t, const abi::Address&)> approach;
  if (hops_ != nullptr) {
    approach = [hops = hops_.get()](uint16_t local, const abi::Address& remote) {
      hops->Approach(local, remote);
    };
  }
  if (xdp_ != nullptr) return xdp_->MakePort(worker, counters, reader, std::move(approach));
  return dpdk_->MakePort(worker, counters, reader, std::move(approach));
}

conductor::Assembly::MakePorts Networks::PortMaker(const Options& options) {
  using Ports = conductor::Assembly::Ports;
  return [this, &options](uint16_t worker, abi::CounterBlock* counters) -> absl::StatusOr<Ports> {
    Ports ports;
    if (xdp_ != nullptr || dpdk_ != nullptr) {
      auto port = MakeRaw(worker, counters);
      if (!port.ok()) return port.status();
      ports.push_back(*std::move(port));
    }
    if (uring_) {
      auto port = MakeUring(options, counters);
      if (!port.ok()) return port.status();
      ports.push_back(*std::move(port));
    }
    if (memory_) {
      ports.push_back(std::make_unique<port::MemoryPort>(
          port::MemoryOptions{.handles_max = SocketsOf(options), .counters = counters}));
    }
    return ports;
  };
}

std::vector<port::Upkeep*> Networks::upkeeps() const {
  std::vector<port::Upkeep*> upkeeps;
  if (hops_ != nullptr) upkeeps.push_back(hops_.get());
  if (xdp_ != nullptr) upkeeps.push_back(xdp_.get());
  if (dpdk_ != nullptr) upkeeps.push_back(dpdk_.get());
  return upkeeps;
}

abi::PlacementKind Networks::placement() const {
  if (xdp_ != nullptr) return xdp_->placement_kind();
  if (dpdk_ != nullptr) return dpdk_->placement_kind();
  return abi::PlacementKind::kSockets;
}

CapabilitySet Networks::capabilities(const Options& options) const {
  const auto set = [](int capability) { return CapabilitySet{1} << capability; };
  CapabilitySet needed = 0;
  if (hops_ != nullptr) needed |= set(CAP_NET_ADMIN);  // asks the kernel for neighbours
  // To attach the program again that somebody took off, behind a dispatcher too; for that the
  // kernel is asked for programs by their numbers.
  if (xdp_ != nullptr) needed |= set(CAP_NET_ADMIN) | set(CAP_BPF) | set(CAP_PERFMON);
  if (xdp_ != nullptr && options.xdp_dispatcher) needed |= set(CAP_SYS_ADMIN);
  // What drivers of cards ask for when a queue is set up again and memory is made known to the
  // card.
  if (dpdk_ != nullptr) needed |= set(CAP_NET_ADMIN) | set(CAP_NET_RAW) | set(CAP_IPC_LOCK);
  return needed;
}

std::vector<std::string> Networks::Report() const {
  return xdp_ != nullptr ? xdp_->Report() : std::vector<std::string>{};
}

}  // namespace relay
