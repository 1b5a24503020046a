#include "bench/loadgen/xdp_wire.h"

#include <poll.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/address_text.h"
#include "relay/clock.h"

namespace bench::loadgen {
namespace {

namespace abi = relay::abi;
namespace port = relay::port;

constexpr relay::TimeNs kHopPatience = 10 * relay::kSecond;
constexpr int kTurnEveryMs = 10;

}  // namespace

absl::Status XdpWire::OpenDevice(const Addresses& addresses) {
  const std::string device = far_.device.substr(4);
  port::XdpOptions options{.devices = {device}, .addresses = addresses, .workers = far_.queues};
  for (abi::LocalAddress& address : options.addresses) {
    // A longer name is no device's.
    device.copy(address.interface_name, sizeof address.interface_name - 1);
  }
  const auto places = port::XdpNetwork::Place(options.devices, options.addresses);
  if (!places.ok()) return places.status();
  if (!places->front()) {
    return absl::InvalidArgumentError(
        absl::StrCat(far_.device, ": AF_XDP has no VLAN devices; name an Ethernet device"));
  }
  auto network = port::XdpNetwork::Open(options);
  if (!network.ok()) {
    return absl::Status(network.status().code(),
                        absl::StrCat(far_.device, ": ", network.status().message()));
  }
  network_ = *std::move(network);
  auto hops = port::NextHops::Open(
      {.devices = options.devices, .addresses = options.addresses, .workers = far_.queues});
  if (!hops.ok()) return hops.status();
  hops_ = *std::move(hops);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<port::Port>> XdpWire::MakePort(uint16_t queue,
                                                              abi::CounterBlock* counters) {
  return network_->MakePort(queue, counters, hops_->reader(queue), nullptr);
}

absl::Status XdpWire::AwaitRoad(std::span<const Call> calls) {
  std::set<uint32_t> known;
  for (const Call& call : calls) {
    for (const sockaddr_in* to : {&call.a, &call.b}) {
      if (!known.insert(to->sin_addr.s_addr).second) continue;
      if (absl::Status status = AwaitHop(AddressOf(*to)); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status XdpWire::AwaitHop(const abi::Address& to) {
  const relay::TimeNs deadline = relay::MonotonicNow() + kHopPatience;
  hops_->Approach(0, to);
  for (port::Hop hop{}; !hops_->reader(0)->Find(0, to, &hop);) {
    if (relay::MonotonicNow() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(far_.device, ": no way to the relay's address ", relay::AddressText(to),
                       " was found; is it at the other end of this cable?"));
    }
    hops_->Turn(relay::MonotonicNow(), counters_);
    poll(nullptr, 0, kTurnEveryMs);
  }
  return absl::OkStatus();
}

}  // namespace bench::loadgen
