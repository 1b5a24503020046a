#include "bench/loadgen/port_wire.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "relay/clock.h"

namespace bench::loadgen {
namespace {

namespace abi = relay::abi;
namespace port = relay::port;

// Bursts taken before it is the senders' turn again.
constexpr int kBurstsMax = 4;

// Makes `addresses` hold this pair of ports, the first of which is even, of this address.
void Widen(std::vector<abi::LocalAddress>& addresses, const abi::Address& address,
           uint16_t number) {
  const auto same = [&address](const abi::LocalAddress& known) { return known.address == address; };
  auto found = std::find_if(addresses.begin(), addresses.end(), same);
  if (found == addresses.end()) {
    found = addresses.insert(
        found,
        {.address = address, .port_first = number, .port_last = static_cast<uint16_t>(number + 1)});
  }
  abi::LocalAddress& own = *found;
  own.port_first = std::min(own.port_first, number);
  own.port_last = std::max<uint16_t>(own.port_last, number + 1);
}

}  // namespace

abi::Address PortWire::AddressOf(const sockaddr_in& from) {
  uint8_t bytes[4];
  std::memcpy(bytes, &from.sin_addr, sizeof bytes);
  return abi::Address::Ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

absl::Status PortWire::Prepare(std::span<const Call> calls) {
  if (lanes_.empty()) {
    if (absl::Status status = Start(calls); !status.ok()) return status;
  }
  return AwaitRoad(calls);
}

absl::Status PortWire::Start(std::span<const Call> calls) {
  const absl::StatusOr<Addresses> addresses = Heard(calls);
  if (!addresses.ok()) return addresses.status();
  if (absl::Status status = OpenDevice(*addresses); !status.ok()) return status;
  return OpenLanes(*addresses);
}

// What packets to us are addressed to: ours is the first.
absl::StatusOr<PortWire::Addresses> PortWire::Heard(std::span<const Call> calls) const {
  Addresses addresses;
  const absl::StatusOr<sockaddr_in> own = Ipv4Endpoint(far_.address, far_.port_first);
  if (!own.ok()) return own.status();
  Widen(addresses, AddressOf(*own), far_.port_first);
  Widen(addresses, AddressOf(*own), PortOf(1, far_.sockets - 1u));
  if (!far_.reflect) return addresses;
  for (const Call& call : calls) {
    for (const sockaddr_in* to : {&call.a, &call.b}) {
      Widen(addresses, AddressOf(*to), ntohs(to->sin_port));
    }
  }
  return addresses;
}

absl::Status PortWire::OpenLanes(const Addresses& addresses) {
  std::vector<Lane> lanes(far_.queues);
  for (uint16_t queue = 0; queue < lanes.size(); ++queue) {
    auto made = MakePort(queue, &counters_);
    if (!made.ok()) return made.status();
    port::Port& port = *(lanes[queue].port = *std::move(made));
    if (absl::Status status = port.AttachThread(); !status.ok()) return status;
    // Any endpoint of these may hear something.
    for (uint16_t address = 0; address < addresses.size(); ++address) {
      const abi::LocalAddress& own = addresses[address];
      for (uint32_t number = own.port_first; number <= own.port_last; number += 2) {
        const auto handle =
            port.Bind({.address = address, .port = static_cast<uint16_t>(number)}, {});
        if (!handle.ok()) return handle.status();
        port.Adopt(*handle);
      }
    }
  }
  lanes_ = std::move(lanes);
  return absl::OkStatus();
}

std::span<uint8_t> PortWire::Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
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
void PortWire::Flush(Lane& lane) {
  if (lane.size != 0) lane.port->Send({lane.out.data(), lane.size});
  lane.size = 0;
}

void PortWire::Flush() {
  for (Lane& lane : lanes_) Flush(lane);
}

void PortWire::Receive(Taker take) {
  for (Lane& lane : lanes_) Receive(lane, take);
}

void PortWire::Receive(Lane& lane, Taker take) {
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
