#include "bench/loadgen/dpdk_wire.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "relay/clock.h"

namespace bench::loadgen {
namespace {

namespace abi = relay::abi;
namespace port = relay::port;

constexpr relay::TimeNs kLinkPatience = 10 * relay::kSecond;
// What is measured must be lost by the relay, not by us while we send.
constexpr uint16_t kDescriptors = 4096;
// Bursts taken before it is the senders' turn again.
constexpr int kBurstsMax = 4;

abi::Address AddressOf(const sockaddr_in& from) {
  uint8_t bytes[4];
  std::memcpy(bytes, &from.sin_addr, sizeof bytes);
  return abi::Address::Ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

abi::LocalAddress AllPortsOf(const abi::Address& address) {
  abi::LocalAddress own{};
  own.address = address;
  own.port_first = 1024;
  own.port_last = 65535;
  return own;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Wire>> DpdkWire::Open(const FarEnd& far) {
  return std::unique_ptr<Wire>(new DpdkWire(far));
}

absl::Status DpdkWire::Prepare(std::span<const Call> calls) {
  return lanes_.empty() ? Start(calls) : absl::OkStatus();
}

absl::Status DpdkWire::Start(std::span<const Call> calls) {
  const absl::StatusOr<sockaddr_in> own = Ipv4Endpoint(far_.address, far_.port_first);
  if (!own.ok()) return own.status();
  const auto device = port::ParseDpdkDevice(std::string_view(far_.device).substr(5));
  if (!device.ok()) return device.status();
  port::DpdkOptions options{.eal = far_.eal,
                            .devices = {*device},
                            .addresses = {},
                            .placement = abi::EvenPlacement(abi::PlacementKind::kNone, far_.queues),
                            .descriptors = kDescriptors};
  options.addresses.push_back(AllPortsOf(AddressOf(*own)));
  for (const Call& call : far_.reflect ? calls : std::span<const Call>{}) {
    for (const sockaddr_in* to : {&call.a, &call.b}) {
      const abi::LocalAddress one = AllPortsOf(AddressOf(*to));
      const auto same = [&one](const abi::LocalAddress& known) {
        return known.address == one.address;
      };
      if (std::none_of(options.addresses.begin(), options.addresses.end(), same)) {
        options.addresses.push_back(one);
      }
    }
  }
  auto dpdk = port::Dpdk::Open(options);
  if (!dpdk.ok()) return dpdk.status();
  dpdk_ = *std::move(dpdk);
  lanes_ = std::vector<Lane>(far_.queues);
  if (absl::Status status = OpenLanes(options.addresses.size()); !status.ok()) return status;
  return AwaitLink();
}

absl::Status DpdkWire::OpenLanes(size_t addresses) {
  for (uint16_t queue = 0; queue < lanes_.size(); ++queue) {
    auto made = dpdk_->MakePort(queue, &counters_, nullptr);
    if (!made.ok()) return made.status();
    port::Port& port = *(lanes_[queue].port = *std::move(made));
    if (absl::Status status = port.AttachThread(); !status.ok()) return status;
    // Any endpoint of these may hear something.
    for (uint16_t address = 0; address < addresses; ++address) {
      for (uint32_t number = 1024; number < 65536; number += 2) {
        const auto handle =
            port.Bind({.address = address, .port = static_cast<uint16_t>(number)}, {});
        if (!handle.ok()) return handle.status();
        port.Adopt(*handle);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status DpdkWire::AwaitLink() {
  const relay::TimeNs deadline = relay::MonotonicNow() + kLinkPatience;
  while (relay::MonotonicNow() < deadline) {
    dpdk_->Turn(relay::MonotonicNow(), counters_);
    for (const std::string& news : dpdk_->TakeNews()) {
      if (absl::StrContains(news, "link is up")) return absl::OkStatus();
    }
  }
  return absl::DeadlineExceededError(
      absl::StrCat(far_.device, ": the link does not come up; is the other end there?"));
}

std::span<uint8_t> DpdkWire::Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
                                  size_t length) {
  // As a card's receive hash, which knows no call: half of two queues is for the other worker.
  Lane& lane = lanes_[index * lanes_.size() / far_.sockets];
  if (lane.size == kBatch) Flush(lane);
  port::Packet& packet = lane.out[lane.size];
  if (!lane.port->Allocate(&packet)) {
    // Everything is under way: as a socket whose queue is full.
    refused_.push_back(stream);
    return std::span(nowhere_).first(length);
  }
  ++lane.size;
  packet.length = static_cast<uint32_t>(length);
  packet.local = {.address = 0, .port = PortOf(side, index)};
  packet.remote = {.address = AddressOf(to), .port = ntohs(to.sin_port)};
  return {packet.data, length};
}

// What the device does not take is lost there: it had a full ring to take it from us.
void DpdkWire::Flush(Lane& lane) {
  if (lane.size != 0) lane.port->Send({lane.out.data(), lane.size});
  lane.size = 0;
}

void DpdkWire::Flush() {
  for (Lane& lane : lanes_) Flush(lane);
}

void DpdkWire::Receive(Taker take) {
  for (Lane& lane : lanes_) Receive(lane, take);
}

void DpdkWire::Receive(Lane& lane, Taker take) {
  for (int burst = 0; burst < kBurstsMax; ++burst) {
    const size_t count = lane.port->Receive(in_, 0);
    if (count == 0) return;
    const uint64_t now = relay::MonotonicNow();
    for (const port::Packet& packet : std::span(in_).first(count)) {
      // A reflector gives each party its own packets back, as if it were the other.
      const int side =
          packet.local.address == 0 ? SideOf(packet.local.port) : 1 - SideOf(packet.remote.port);
      take({.side = side,
            .from = SocketAddressOf(packet.remote),
            .packet = {packet.data, packet.length},
            .now_ns = now});
    }
    lane.port->Release({in_.data(), count});
    if (count < in_.size()) return;
  }
}

}  // namespace bench::loadgen
