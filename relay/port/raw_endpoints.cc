#include "relay/port/raw_endpoints.h"

#include "absl/strings/str_cat.h"
#include "relay/wire/bytes.h"

namespace relay::port {
namespace {

constexpr size_t kUntagged = 14;  // where IP begins then

// Not by std::array's ==, which calls memcmp for six bytes.
bool Same(const wire::MacAddress& one, const wire::MacAddress& other) {
  const auto word = [](const wire::MacAddress& mac) {
    return uint64_t{wire::Load32(mac.data())} << 16 | wire::Load16(mac.data() + 4);
  };
  return word(one) == word(other);
}

}  // namespace

RawEndpoints::RawEndpoints(std::span<const abi::LocalAddress> addresses,
                           abi::CounterBlock* counters, bool legs_elsewhere)
    : addresses_(addresses.begin(), addresses.end()),
      counters_(counters),
      legs_elsewhere_(legs_elsewhere) {
  places_.fill(kNobody);
  for (uint16_t i = 0; i < addresses_.size(); ++i) {
    size_t place = PlaceOf(addresses_[i].address);
    while (places_[place] != kNobody) place = (place + 1) % kPlaces;
    places_[place] = i;
    pages_.push_back(std::make_unique<Page>());
  }
}

void RawEndpoints::SetOwnMac(uint16_t interface, const wire::MacAddress& mac) {
  if (own_macs_.size() <= interface) own_macs_.resize(interface + 1u);
  own_macs_[interface] = mac;
}

size_t RawEndpoints::PlaceOf(const abi::Address& address) {
  const auto halves = address.Halves();
  return ((halves[0] ^ halves[1]) * 0x9e3779b97f4a7c15 >> 32) % kPlaces;
}

absl::StatusOr<Handle> RawEndpoints::Bind(abi::LocalEndpoint local) {
  if (local.address >= addresses_.size() || local.port == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("local endpoint ", local.address, ":", local.port, " does not exist"));
  }
  const Handle handle = HandleOf(local);
  if ((*pages_[local.address])[local.port].load(std::memory_order_acquire) != Stage::kFree) {
    return absl::AlreadyExistsError(absl::StrCat("port ", local.port, " is taken"));
  }
  Set(handle, Stage::kTaken);
  bound_.fetch_add(1, std::memory_order_relaxed);
  return handle;
}

void RawEndpoints::Unbind(Handle handle) {
  Set(handle, Stage::kFree);
  bound_.fetch_sub(1, std::memory_order_relaxed);
}

std::optional<uint16_t> RawEndpoints::IndexOf(const abi::Endpoint& destination,
                                              uint16_t interface) const {
  for (size_t place = PlaceOf(destination.address);; place = (place + 1) % kPlaces) {
    const uint16_t index = places_[place];
    if (index == kNobody) return std::nullopt;
    const abi::LocalAddress& own = addresses_[index];
    if (own.address == destination.address && own.interface == interface &&
        own.vlan == destination.vlan && destination.port >= own.port_first &&
        destination.port <= own.port_last) {
      return index;
    }
  }
}

Fate RawEndpoints::Judge(std::span<const uint8_t> bytes, uint16_t interface,
                         const Inspection& inspection, Packet* packet) {
  wire::Frame frame;
  const wire::FrameVerdict verdict = wire::ReadFrame(
      bytes, inspection.ip_checksum_good ? wire::IpChecksum::kTrust : wire::IpChecksum::kVerify,
      &frame);
  if (verdict != wire::FrameVerdict::kUdp) {
    return Refuse(wire::CounterOf(verdict), Fate::kNotTaken);
  }
  if (inspection.tag_removed) {
    // One more in the frame, and the frame had two.
    if (frame.ip_offset != kUntagged) return Refuse(abi::Counter::kBadFrame, Fate::kNotTaken);
    frame.source.vlan = frame.destination.vlan = inspection.vlan;
  }
  const std::optional<uint16_t> index = IndexOf(frame.destination, interface);
  if (!index || (interface < own_macs_.size() && own_macs_[interface] &&
                 !Same(*own_macs_[interface], frame.to))) {
    return Refuse(abi::Counter::kNotOurs, Fate::kNotTaken);
  }
  Checksum checksum = inspection.udp;
  // Also where the NIC says good: not all say how they like a checksum that is missing.
  if (checksum == Checksum::kUnknown || checksum == Checksum::kBad || frame.udp_checksum == 0) {
    switch (wire::VerifyUdp(bytes, frame)) {
      case wire::UdpChecksum::kGood:
        checksum = Checksum::kGood;
        break;
      case wire::UdpChecksum::kPartial:
        checksum = Checksum::kPartial;
        break;
      case wire::UdpChecksum::kAbsent:
        checksum = Checksum::kUnknown;
        break;
      case wire::UdpChecksum::kBad:
        return Refuse(abi::Counter::kBadChecksum, Fate::kDropped);
    }
  }
  if (frame.payload_length > kPayloadMax) return Refuse(abi::Counter::kTooLong, Fate::kDropped);
  const abi::LocalEndpoint local{.address = *index, .port = frame.destination.port};
  if (!legs_elsewhere_ &&
      (*pages_[*index])[local.port].load(std::memory_order_acquire) != Stage::kAdopted) {
    return Refuse(abi::Counter::kNoLeg, Fate::kDropped);
  }
  frame.source.interface = interface;
  packet->data = const_cast<uint8_t*>(bytes.data()) + frame.payload_offset;
  packet->length = frame.payload_length;
  packet->local = local;
  packet->handle = HandleOf(local);
  packet->remote = frame.source;
  packet->checksum = checksum;
  packet->dscp = frame.dscp;
  return Fate::kDeliver;
}

}  // namespace relay::port
