#include "relay/port/xdp.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/port/link.h"
#include "relay/port/xdp_port.h"
#include "relay/port/xdp_preflight.h"
#include "relay/port/xdp_steering.h"

namespace relay::port {
namespace {

constexpr TimeNs kCountEvery = kSecond / 10;  // some 20 us
constexpr TimeNs kCheckEvery = kSecond;
constexpr TimeNs kTellEvery = 60 * kSecond;  // of what may go on and on

// Index of the device that the address is reached by; devices.size() when it is none of them.
size_t DeviceOf(const std::vector<std::string>& devices, const std::vector<Link>& links,
                const abi::LocalAddress& address) {
  const Link* link = FindLink(links, InterfaceName(address));
  if (link == nullptr) return devices.size();
  const Link* below = FindLink(links, link->device());
  if (below == nullptr) return devices.size();
  return static_cast<size_t>(std::find(devices.begin(), devices.end(), below->name) -
                             devices.begin());
}

// Which counter a frame moves that the steering program gave to no socket.
constexpr std::array<abi::Counter, STEER_VERDICTS> kPassedAs = [] {
  std::array<abi::Counter, STEER_VERDICTS> counters{};
  size_t i = 0;
#define X(id, counter, sentence) counters[i++] = abi::Counter::counter;
  RELAY_FRAME_VERDICTS(X)
#undef X
  counters[i++] = abi::Counter::kNotOurs;        // STEER_ELSEWHERE
  counters[i++] = abi::Counter::kKernelDropped;  // STEER_UNHEARD
  return counters;
}();
static_assert(static_cast<int>(wire::FrameVerdict::kFragmented) == STEER_FRAGMENT);
static_assert(static_cast<int>(wire::FrameVerdict::kBadUdpLength) + 1 == STEER_ELSEWHERE);

}  // namespace

struct XdpNetwork::Parts {
  enum class Presence : uint8_t { kUp, kDown, kGone };
  struct Device {
    std::string name;
    int index = 0;  // the kernel's
    DeviceFacts facts;
    std::unique_ptr<XdpSteering> steering;
    XdpSteering::Verdicts passed{};  // counted so far
    bool attached = true;
    uint32_t queues_seen = 0;  // by the last look
    Presence presence = Presence::kUp;
    std::vector<XdpOwned> owned;
  };
  struct Seen {
    XdpPort* port;
    uint64_t dropped = 0;  // counted so far
    uint64_t starved = 0;  // told so far
  };

  explicit Parts(const XdpOptions& given) : options(given) {}
  absl::Status OpenDevice(const std::string& name, const std::vector<Link>& links);
  void PutGuards();
  // Each second: whether buffers ran out, and what happened to a device.
  void CheckBuffers(TimeNs now);
  void Check(Device& device, const std::vector<Link>& links, abi::CounterBlock& counters);
  void CheckPresence(Device& device, const Link* link);
  void CheckQueues(Device& device, const Link& link);
  void CheckOwnMac(Device& device, const std::vector<Link>& links);
  void CheckProgram(Device& device, abi::CounterBlock& counters);
  // How many queues run in which mode: the one kind of counter that may go down again.
  void CountModes(abi::CounterBlock& counters);
  bool native() const {
    return std::all_of(devices.begin(), devices.end(),
                       [](const Device& device) { return device.steering->native(); });
  }

  const XdpOptions options;
  std::vector<Device> devices;
  std::vector<XdpInterface> interfaces;
  std::vector<Seen> ports;
  std::function<void(uint16_t, const abi::Address&)> approach;
  std::vector<std::string> news;
  std::array<uint64_t, 3> modes{};  // counted so far: zero-copy, copy, generic
  bool guarded = false;
  TimeNs next_count_ns = 0;
  TimeNs next_check_ns = 0;
  TimeNs next_starved_word_ns = 0;
};

XdpNetwork::XdpNetwork(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
XdpNetwork::~XdpNetwork() = default;

absl::StatusOr<std::vector<bool>> XdpNetwork::Place(const std::vector<std::string>& devices,
                                                    std::span<abi::LocalAddress> addresses) {
  const absl::StatusOr<std::vector<Link>> links = ReadLinks();
  if (!links.ok()) return links.status();
  for (const std::string& device : devices) {
    if (FindLink(*links, device) == nullptr) {
      return absl::NotFoundError(absl::StrCat("--port xdp:", device,
                                              ": there is no Ethernet device of that name; "
                                              "`ip -brief link` lists those that are"));
    }
  }
  std::vector<bool> ours;
  for (abi::LocalAddress& address : addresses) {
    ours.push_back(DeviceOf(devices, *links, address) < devices.size());
    const Link* link = FindLink(*links, InterfaceName(address));
    if (ours.back()) address.vlan = link->vlan;
  }
  return ours;
}

absl::StatusOr<std::unique_ptr<XdpNetwork>> XdpNetwork::Open(const XdpOptions& options) {
  auto parts = std::make_unique<Parts>(options);
  const absl::StatusOr<std::vector<Link>> links = ReadLinks();
  if (!links.ok()) return links.status();
  for (const std::string& name : options.devices) {
    if (absl::Status status = parts->OpenDevice(name, *links); !status.ok()) return status;
  }
  for (const abi::LocalAddress& address : options.addresses) {
    const size_t device = DeviceOf(options.devices, *links, address);
    if (device == options.devices.size()) continue;
    parts->interfaces.push_back({.device = static_cast<uint16_t>(device),
                                 .vlan = address.vlan,
                                 .interface = address.interface});
  }
  return std::unique_ptr<XdpNetwork>(new XdpNetwork(std::move(parts)));
}

absl::Status XdpNetwork::Parts::OpenDevice(const std::string& name,
                                           const std::vector<Link>& links) {
  const Link* link = FindLink(links, name);
  if (link == nullptr) return absl::NotFoundError(absl::StrCat("there is no device ", name));
  XdpPlan plan{.workers = options.workers,
               .port_first = 65535,
               .buffers = options.buffers,
               .devices = options.devices.size()};
  std::vector<XdpOwned> owned;
  for (const abi::LocalAddress& address : options.addresses) {
    const size_t device = DeviceOf(options.devices, links, address);
    if (device == options.devices.size() || options.devices[device] != name) continue;
    owned.push_back({.address = address, .mac = FindLink(links, InterfaceName(address))->mac});
    plan.port_first = std::min(plan.port_first, address.port_first);
    plan.port_last = std::max(plan.port_last, address.port_last);
    plan.vlan |= address.vlan != 0;
  }
  Device device{.name = name, .index = link->index};
  device.facts = ReadDevice(name, link->mtu, link->up);
  if (absl::Status no = Obstacle(plan, device.facts, PrepareMachine()); !no.ok()) return no;
  for (std::string& sentence : Warnings(plan, device.facts)) news.push_back(std::move(sentence));
  auto steering = XdpSteering::Load(link->index, name, owned, options.dispatcher);
  if (!steering.ok()) return steering.status();
  if ((*steering)->leftovers() != 0) {
    news.push_back(absl::StrCat("the steering program that a dead relay had left on ", name,
                                " was taken off"));
  }
  device.steering = *std::move(steering);
  device.owned = std::move(owned);
  device.presence = link->up ? Presence::kUp : Presence::kDown;
  const bool generic_only = options.mode == XdpMode::kGeneric;
  const bool generic_allowed = generic_only || options.mode == XdpMode::kAuto;
  if (absl::Status status = device.steering->Attach(generic_only, generic_allowed); !status.ok()) {
    return status;
  }
  devices.push_back(std::move(device));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Port>> XdpNetwork::MakePort(uint16_t worker,
                                                           abi::CounterBlock* counters,
                                                           HopReader* hops, Approaching approach) {
  XdpPortOptions made{
      .interfaces = parts_->interfaces,
      .addresses = parts_->options.addresses,
      .approach = std::move(approach),
      .try_zero_copy = parts_->native() && parts_->options.mode != XdpMode::kGeneric,
      .need_zero_copy = parts_->options.mode == XdpMode::kZeroCopy,
      .legs_elsewhere = parts_->options.workers > 1,
      .busy_poll_us = parts_->options.busy_poll_us,
      .buffers = parts_->options.buffers,
      .counters = counters,
      .hops = hops};
  made.name = "xdp";
  for (uint16_t egress = 0; egress < parts_->devices.size(); ++egress) {
    const Parts::Device& device = parts_->devices[egress];
    const uint32_t queues = std::min<uint32_t>(device.facts.queues, STEER_QUEUES_MAX);
    for (uint32_t queue = worker; queue < queues; queue += parts_->options.workers) {
      made.queues.push_back({.device = device.name, .queue = queue, .egress = egress});
    }
  }
  made.steer = [parts = parts_.get()](const XdpQueue& queue, int socket) {
    return parts->devices[queue.egress].steering->AddSocket(queue.queue, socket);
  };
  auto port = std::make_unique<XdpPort>(std::move(made));
  parts_->ports.push_back({.port = port.get()});
  return port;
}

absl::Status XdpNetwork::Release(const std::string& device) {
  const absl::StatusOr<std::vector<Link>> links = ReadLinks();
  if (!links.ok()) return links.status();
  const Link* link = FindLink(*links, device);
  if (link == nullptr) return absl::NotFoundError(absl::StrCat("there is no device ", device));
  return XdpSteering::TakeGuardAway(link->index);
}

std::vector<std::string> XdpNetwork::TakeGuardsOff(std::span<const abi::LocalAddress> addresses) {
  std::vector<std::string> news;
  const absl::StatusOr<std::vector<Link>> links = ReadLinks();
  if (!links.ok()) {
    news.push_back(
        absl::StrCat("whether a relay with --port xdp has left a guard over these ports "
                     "cannot be seen: ",
                     links.status().message()));
    return news;
  }
  for (const Link& link : *links) {
    const XdpSteering::Guard guard = XdpSteering::GuardOver(link.device(), link.vlan, addresses);
    if (guard != XdpSteering::Guard::kOver && guard != XdpSteering::Guard::kUnseen) continue;
    const Link* device = FindLink(*links, link.device());
    const std::string& name = device != nullptr ? device->name : link.name;
    if (guard == XdpSteering::Guard::kOver && XdpSteering::TakeGuardAway(link.device()).ok()) {
      news.push_back(absl::StrCat("the guard that a relay with --port xdp:", name,
                                  " had left on that device was taken off: it dropped what comes "
                                  "for this one"));
    } else if (link.vlan == 0 || guard == XdpSteering::Guard::kOver) {
      news.push_back(absl::StrCat(
          name, " has the guard of a relay with --port xdp, and no such relay runs; ",
          guard == XdpSteering::Guard::kOver ? "it drops what comes for this one"
                                             : "if its addresses are ours, nothing is heard",
          ": take it off by `relay --xdp-release ", name, "`, as root"));
    }
  }
  return news;
}

abi::PlacementKind XdpNetwork::placement_kind() const {
  return parts_->options.workers == 1 ? abi::PlacementKind::kFlowRules
                                      : abi::PlacementKind::kHandOver;
}

std::vector<std::string> XdpNetwork::Report() const {
  std::vector<std::string> lines;
  const bool zero_copy = !parts_->ports.empty() && parts_->ports.front().port->zero_copy();
  for (const Parts::Device& device : parts_->devices) {
    std::string map;
    for (uint32_t queue = 0; queue < device.facts.queues; ++queue) {
      absl::StrAppend(&map, queue == 0 ? "" : ", ", "queue ", queue, " to worker ",
                      queue % parts_->options.workers);
    }
    lines.push_back(
        absl::StrCat("xdp ", device.name, ": ", device.steering->native() ? "native" : "generic",
                     ", ", zero_copy ? "zero-copy" : "copy",
                     parts_->options.dispatcher ? ", under libxdp's dispatcher" : "", "; ", map));
  }
  return lines;
}

// ---- upkeep -------------------------------------------------------------------------------------

void XdpNetwork::Turn(TimeNs now, abi::CounterBlock& counters) {
  if (now < parts_->next_count_ns) return;
  parts_->next_count_ns = now + kCountEvery;
  if (!std::exchange(parts_->guarded, true)) parts_->PutGuards();
  for (Parts::Seen& seen : parts_->ports) {
    const uint64_t dropped = seen.port->KernelDropped();
    counters.Add(abi::Counter::kKernelDropped, dropped - std::exchange(seen.dropped, dropped));
  }
  for (Parts::Device& device : parts_->devices) {
    const XdpSteering::Verdicts passed = device.steering->Passed();
    for (size_t i = 0; i < passed.size(); ++i) {
      counters.Add(kPassedAs[i], passed[i] - device.passed[i]);
    }
    device.passed = passed;
  }
  parts_->CountModes(counters);
  if (now < parts_->next_check_ns) return;
  parts_->next_check_ns = now + kCheckEvery;
  parts_->CheckBuffers(now);
  const absl::StatusOr<std::vector<Link>> links = ReadLinks();
  if (!links.ok()) return;
  for (Parts::Device& device : parts_->devices) parts_->Check(device, *links, counters);
  parts_->CountModes(counters);
}

// At the first turn: nothing refuses the start any more, and one that was refused leaves the guard
// of an earlier relay as it found it. The kernel answers for the range no sooner for that: the
// steering program, on since the start, gives it none of it but fragments, and those stop at the
// guard that is there, if a relay died; if none did, no call waits for its restart.
void XdpNetwork::Parts::PutGuards() {
  for (Device& device : devices) {
    const absl::Status status = device.steering->PutGuard();
    if (status.ok()) continue;
    news.push_back(absl::StrCat(device.name,
                                " has no guard, and while the relay is away the kernel "
                                "refuses its calls' packets by ICMP: ",
                                status.message()));
  }
}

void XdpNetwork::Parts::CheckBuffers(TimeNs now) {
  if (now < next_starved_word_ns) return;
  for (size_t worker = 0; worker < ports.size(); ++worker) {
    const uint64_t starved = ports[worker].port->Starved();
    const uint64_t times = starved - std::exchange(ports[worker].starved, starved);
    if (times == 0) continue;
    next_starved_word_ns = now + kTellEvery;
    news.push_back(absl::StrCat(
        "worker ", worker, " had too few free buffers on xdp ", times,
        " times since the last word of it, and the kernel drops what finds none; no call ends, but "
        "more comes than the worker carries: give the relay more --workers with a queue each "
        "(`ethtool -L ",
        devices.front().name, " combined N`), or fewer calls"));
  }
}

void XdpNetwork::Parts::CountModes(abi::CounterBlock& counters) {
  constexpr std::array kModes = {abi::Counter::kXdpZeroCopy, abi::Counter::kXdpCopy,
                                 abi::Counter::kXdpGeneric};
  std::array<uint64_t, 3> now{};
  for (const Seen& seen : ports) {
    for (const XdpQueue& queue : seen.port->queues()) {
      const bool native = devices[queue.egress].steering->native();
      ++now[!native ? 2 : seen.port->zero_copy() ? 0 : 1];
    }
  }
  for (size_t mode = 0; mode < kModes.size(); ++mode) {
    counters.Add(kModes[mode], now[mode] - modes[mode]);
  }
  modes = now;
}

void XdpNetwork::Parts::Check(Device& device, const std::vector<Link>& links,
                              abi::CounterBlock& counters) {
  const Link* link = FindLink(links, device.index);
  CheckPresence(device, link);
  if (link == nullptr) return;
  CheckQueues(device, *link);
  CheckOwnMac(device, links);
  CheckProgram(device, counters);
}

void XdpNetwork::Parts::CheckPresence(Device& device, const Link* link) {
  // A device that goes for good mostly loses its link first.
  const Presence presence = link == nullptr ? Presence::kGone
                            : link->up      ? Presence::kUp
                                            : Presence::kDown;
  if (presence == std::exchange(device.presence, presence)) return;
  if (presence == Presence::kUp) {
    news.push_back(absl::StrCat(device.name, " is up again; its calls go on"));
  } else if (presence == Presence::kDown) {
    news.push_back(absl::StrCat(device.name,
                                " has lost its link; its calls wait for it, check "
                                "cable, switch, or `ip link set ",
                                device.name, " up`"));
  } else {
    news.push_back(absl::StrCat(device.name,
                                " was removed; its calls cannot be carried on until "
                                "the device is back and the relay is restarted"));
  }
}

// Sockets are opened at the start, one a queue.
void XdpNetwork::Parts::CheckQueues(Device& device, const Link& link) {
  const uint32_t before = device.queues_seen;
  device.queues_seen = ReadDevice(link.name, link.mtu, link.up).queues;
  const uint32_t heard = std::min<uint32_t>(device.facts.queues, STEER_QUEUES_MAX);
  if (device.queues_seen <= heard || device.queues_seen == before) return;
  news.push_back(
      absl::StrCat(link.name, " has ", device.queues_seen, " queues now, of which the relay hears ",
                   heard, "; what comes by the others is dropped (kernel_dropped): `ethtool -L ",
                   link.name, " combined ", heard, "`",
                   device.queues_seen <= STEER_QUEUES_MAX ? ", or restart the relay" : ""));
}

// The steering program takes frames to our link addresses alone. What leaves follows by itself
// (NextHops).
void XdpNetwork::Parts::CheckOwnMac(Device& device, const std::vector<Link>& links) {
  bool changed = false;
  for (XdpOwned& owned : device.owned) {
    const Link* link = FindLink(links, InterfaceName(owned.address));
    if (link == nullptr || link->mac == owned.mac) continue;
    owned.mac = link->mac;
    // Several addresses of an interface, and one change.
    const std::string word = FollowedText(*link);
    if (news.empty() || news.back() != word) news.push_back(word);
    changed = true;
  }
  if (!changed) return;
  if (const absl::Status status = device.steering->Own(device.owned); !status.ok()) {
    news.push_back(absl::StrCat(status.message(), "; restart the relay"));
  }
}

void XdpNetwork::Parts::CheckProgram(Device& device, abi::CounterBlock& counters) {
  if (device.steering->attached()) return;
  const bool generic_only = options.mode == XdpMode::kGeneric;
  const bool generic_allowed = generic_only || options.mode == XdpMode::kAuto;
  const bool was_native = device.steering->native();
  const absl::Status again = device.steering->Attach(generic_only, generic_allowed);
  if (again.ok()) {
    counters.Add(abi::Counter::kXdpReattached);
    const char* now = device.steering->native() == was_native ? ""
                      : was_native
                          ? ", but in generic mode, which is slower: the driver takes it in native "
                            "mode no longer (MTU above 3498 here or at a veth's other end? too few "
                            "queues?); mend that and restart the relay, or forbid generic mode by "
                            "--xdp-mode native"
                          : ", and in native mode now";
    news.push_back(absl::StrCat("somebody took the steering program off ", device.name,
                                "; it is attached again", now));
  } else if (device.attached) {
    news.push_back(absl::StrCat("somebody took the steering program off ", device.name,
                                ", and its calls are not heard: ", again.message()));
  }
  device.attached = again.ok();
}

std::vector<std::string> XdpNetwork::TakeNews() {
  return std::exchange(parts_->news, {});
}

uint32_t XdpNetwork::BuffersFree(Port& port) {
  return static_cast<XdpPort&>(port).BuffersFree();
}

uint32_t XdpNetwork::Bound(const Port& port) {
  return static_cast<const XdpPort&>(port).bound();
}

}  // namespace relay::port
