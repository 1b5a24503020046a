#include "relay/port/memory.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace relay::port {
namespace {

constexpr wire::MacAddress kOwnMac = {0x02, 0, 0, 0, 0, 1};
constexpr wire::MacAddress kFarMac = {0x02, 0, 0, 0, 0, 2};

// What is in a slot of either kind.
struct Contents {
  abi::Endpoint source;
  abi::Endpoint destination;
  std::span<const uint8_t> payload;
  Checksum checksum;
  uint8_t dscp;
};

Checksum ChecksumOf(wire::UdpChecksum checksum) {
  switch (checksum) {
    case wire::UdpChecksum::kGood:
      return Checksum::kGood;
    case wire::UdpChecksum::kBad:
      return Checksum::kBad;
    case wire::UdpChecksum::kPartial:
      return Checksum::kPartial;
    case wire::UdpChecksum::kAbsent:
      break;
  }
  return Checksum::kUnknown;
}

// Nothing when it is a frame that is refused; that is counted.
std::optional<Contents> Open(const CableSlot& slot, bool is_frame, abi::CounterBlock* counters) {
  if (!is_frame) {
    return Contents{.source = slot.source,
                    .destination = slot.destination,
                    .payload = {slot.bytes, slot.length},
                    .checksum = slot.checksum,
                    .dscp = slot.dscp};
  }
  const std::span<const uint8_t> bytes(slot.bytes, slot.length);
  wire::Frame frame;
  const wire::FrameVerdict verdict = wire::ReadFrame(bytes, wire::IpChecksum::kVerify, &frame);
  if (verdict != wire::FrameVerdict::kUdp) {
    if (counters != nullptr) counters->Add(wire::CounterOf(verdict));
    return std::nullopt;
  }
  const Checksum checksum = ChecksumOf(wire::VerifyUdp(bytes, frame));
  if (checksum == Checksum::kBad) {
    if (counters != nullptr) counters->Add(abi::Counter::kBadChecksum);
    return std::nullopt;
  }
  return Contents{.source = frame.source,
                  .destination = frame.destination,
                  .payload = bytes.subspan(frame.payload_offset, frame.payload_length),
                  .checksum = checksum,
                  .dscp = frame.dscp};
}

// Puts the datagram that the slot describes on the cable as a frame. Its headers are written where
// the payload lies, as a raw port does, so `headroom` is needed.
bool Enframe(CableSlot& slot, std::span<uint8_t> payload, size_t headroom, bool outward) {
  const wire::Envelope envelope{.to = outward ? kFarMac : kOwnMac,
                                .from = outward ? kOwnMac : kFarMac,
                                .source = slot.source,
                                .destination = slot.destination,
                                .dscp = slot.dscp,
                                .udp_checksum = slot.checksum != Checksum::kPartial};
  if (wire::HeaderLength(envelope) > headroom) return false;
  const size_t length = wire::WriteHeaders(envelope, payload);
  slot.length = static_cast<uint32_t>(length + payload.size());
  std::memcpy(slot.bytes, payload.data() - length, slot.length);
  return true;
}

}  // namespace

MemoryPort::MemoryPort(const MemoryOptions& options)
    : options_(options),
      pool_(options.buffers),
      in_(std::make_shared<Cable>(options.cable_slots)),
      out_(std::make_shared<Cable>(options.cable_slots)),
      bindings_(options.handles_max) {
  handles_free_.reserve(options.handles_max);
  for (uint32_t i = options.handles_max; i-- > 0;) handles_free_.push_back(i);
}

std::pair<std::unique_ptr<MemoryPort>, std::unique_ptr<MemoryPort>> MemoryPort::MakePair(
    const MemoryOptions& left, const MemoryOptions& right) {
  auto a = std::make_unique<MemoryPort>(left);
  auto b = std::make_unique<MemoryPort>(right);
  b->in_ = a->out_;
  a->in_ = b->out_;
  return {std::move(a), std::move(b)};
}

absl::Status MemoryPort::AttachThread() {
  pool_.Fault();
  return absl::OkStatus();
}

void MemoryPort::Count(abi::Counter counter, uint64_t amount) {
  if (options_.counters != nullptr && amount != 0) options_.counters->Add(counter, amount);
}

// ---- a packet's way -----------------------------------------------------------------------------

size_t MemoryPort::Receive(std::span<Packet> packets, TimeNs now) {
  if (options_.outside != nullptr) return options_.outside->Give(*this, packets, now);
  size_t count = 0;
  while (count < packets.size()) {
    const CableSlot* slot = in_->Front();
    if (slot == nullptr) break;
    if (!Allocate(&packets[count])) break;  // it waits in the cable
    if (Arrive(*slot, now, &packets[count])) {
      ++count;
    } else {
      Release({&packets[count], 1});
    }
    in_->Advance();
  }
  return count;
}

bool MemoryPort::Arrive(const CableSlot& slot, TimeNs now, Packet* packet) {
  const std::optional<Contents> contents = Open(slot, frames(), options_.counters);
  if (!contents) return false;
  const std::optional<abi::LocalEndpoint> local = LocalOf(contents->destination);
  const Handle handle = local ? HandleOf(*local) : kNoHandle;
  if (!local || (handle == kNoHandle && !options_.deliver_unbound)) {
    Count(abi::Counter::kNotOurs);
    return false;
  }
  if (contents->payload.size() > kPayloadMax) {
    Count(abi::Counter::kTooLong);
    return false;
  }
  std::ranges::copy(contents->payload, packet->data);
  packet->length = static_cast<uint32_t>(contents->payload.size());
  packet->tailroom = static_cast<uint16_t>(packet->tailroom - packet->length);
  packet->arrival_ns = slot.arrival_ns != 0 ? slot.arrival_ns : now;
  packet->local = *local;
  packet->handle = handle;
  packet->remote = contents->source;
  packet->checksum = contents->checksum;
  packet->dscp = contents->dscp;
  return true;
}

size_t MemoryPort::Send(std::span<const Packet> packets) {
  size_t sent = 0;
  if (options_.outside != nullptr) {
    options_.outside->Take(packets);
    sent = packets.size();
  } else {
    for (const Packet& packet : packets) sent += Depart(packet) ? 1 : 0;
  }
  Count(abi::Counter::kSendFailed, packets.size() - sent);
  Release(packets);
  return sent;
}

bool MemoryPort::Depart(const Packet& packet) {
  if (fail_sends_ > 0) {
    --fail_sends_;
    return false;
  }
  const abi::Endpoint source = AddressOf(packet.local);
  if (packet.length > kPayloadMax + kTailroom ||
      source.address.IsIpv4() != packet.remote.address.IsIpv4()) {
    return false;
  }
  CableSlot* slot = out_->Reserve();
  if (slot == nullptr) return false;
  slot->source = source;
  slot->destination = packet.remote;
  slot->checksum = Checksum::kGood;
  slot->dscp = packet.dscp;
  slot->length = packet.length;
  slot->arrival_ns = 0;
  if (!frames()) {
    std::memcpy(slot->bytes, packet.data, packet.length);
  } else if (!Enframe(*slot, {packet.data, packet.length}, packet.headroom, true)) {
    return false;
  }
  out_->Commit();
  return true;
}

void MemoryPort::Release(std::span<const Packet> packets) {
  ReleaseToOwners(packets, this, [this](std::span<const Packet> own) {
    for (const Packet& packet : own) pool_.Give(static_cast<uint32_t>(packet.buffer));
  });
}

// ---- endpoints ----------------------------------------------------------------------------------

namespace {

constexpr uint32_t Key(abi::LocalEndpoint local) {
  return static_cast<uint32_t>(local.address) << 16 | local.port;
}

}  // namespace

absl::StatusOr<Handle> MemoryPort::Bind(abi::LocalEndpoint local, const abi::Endpoint& as) {
  if (local.address >= abi::kLocalAddressesMax || local.port == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("local endpoint ", local.address, ":", local.port, " does not exist"));
  }
  const std::lock_guard lock(mutex_);
  if (handles_free_.empty()) return absl::ResourceExhaustedError("no handle is free");
  if (!taken_.insert(Key(local)).second) {
    return absl::AlreadyExistsError(absl::StrCat("port ", local.port, " is taken"));
  }
  const Handle handle = handles_free_.back();
  handles_free_.pop_back();
  bindings_[handle] = Binding{.local = local, .as = as};
  return handle;
}

void MemoryPort::Adopt(Handle handle) {
  const std::lock_guard lock(mutex_);
  const Binding& binding = bindings_[handle];
  auto& page = handle_of_[binding.local.address];
  if (page == nullptr) {
    page = std::make_unique<std::array<Handle, 65536>>();
    page->fill(kNoHandle);
  }
  (*page)[binding.local.port] = handle;
  addresses_[binding.local.address] = binding.as;
}

void MemoryPort::Drop(Handle handle) {
  const abi::LocalEndpoint local = bindings_[handle].local;
  const auto& page = handle_of_[local.address];
  if (page != nullptr) (*page)[local.port] = kNoHandle;
  Unbind(handle);
}

void MemoryPort::Unbind(Handle handle) {
  const std::lock_guard lock(mutex_);
  taken_.erase(Key(bindings_[handle].local));
  handles_free_.push_back(handle);
}

uint32_t MemoryPort::bound() const {
  const std::lock_guard lock(mutex_);
  return options_.handles_max - static_cast<uint32_t>(handles_free_.size());
}

Handle MemoryPort::HandleOf(abi::LocalEndpoint local) const {
  const auto& page = handle_of_[local.address];
  return page == nullptr ? kNoHandle : (*page)[local.port];
}

abi::Endpoint MemoryPort::AddressOf(abi::LocalEndpoint local) const {
  abi::Endpoint endpoint{};
  if (addresses_[local.address]) {
    endpoint = *addresses_[local.address];
  } else {
    endpoint.address = abi::Address::Ipv4(192, 0, 2, static_cast<uint8_t>(local.address));
  }
  endpoint.port = local.port;
  return endpoint;
}

std::optional<abi::LocalEndpoint> MemoryPort::LocalOf(const abi::Endpoint& endpoint) const {
  for (uint16_t i = 0; i < abi::kLocalAddressesMax; ++i) {
    const abi::LocalEndpoint local{.address = i, .port = endpoint.port};
    if (AddressOf(local) == endpoint) return local;
  }
  return std::nullopt;
}

void MemoryPort::Wait(TimeNs timeout_ns) {
  if (options_.outside == nullptr) in_->Wait(timeout_ns);
}

void MemoryPort::Wake() {
  in_->Wake();
}

// ---- the far side -------------------------------------------------------------------------------

bool MemoryPort::Inject(const Datagram& datagram) {
  abi::Endpoint destination;
  {
    const std::lock_guard lock(mutex_);
    destination = AddressOf(datagram.local);
  }
  if (datagram.payload.size() > kPayloadMax ||
      destination.address.IsIpv4() != datagram.remote.address.IsIpv4()) {
    return false;
  }
  CableSlot* slot = in_->Reserve();
  if (slot == nullptr) return false;
  slot->source = datagram.remote;
  slot->destination = destination;
  slot->checksum = datagram.checksum;
  slot->dscp = datagram.dscp;
  slot->length = static_cast<uint32_t>(datagram.payload.size());
  slot->arrival_ns = datagram.arrival_ns;
  std::ranges::copy(datagram.payload, slot->bytes);
  if (frames()) {
    std::vector<uint8_t> room(kHeadroom + datagram.payload.size());
    std::ranges::copy(datagram.payload, room.begin() + kHeadroom);
    Enframe(*slot, std::span(room).subspan(kHeadroom), kHeadroom, false);
  }
  in_->Commit();
  return true;
}

std::optional<Datagram> MemoryPort::Collect() {
  const CableSlot* slot = out_->Front();
  if (slot == nullptr) return std::nullopt;
  const std::optional<Contents> contents = Open(*slot, frames(), nullptr);
  assert(contents && "what this port writes can be read");
  Datagram datagram{.local = {},
                    .remote = contents->destination,
                    .payload = {contents->payload.begin(), contents->payload.end()},
                    .arrival_ns = slot->arrival_ns,
                    .checksum = contents->checksum,
                    .dscp = contents->dscp};
  {
    const std::lock_guard lock(mutex_);
    datagram.local = LocalOf(contents->source).value_or(abi::LocalEndpoint{});
  }
  out_->Advance();
  return datagram;
}

bool MemoryPort::InjectFrame(std::span<const uint8_t> frame, TimeNs arrival_ns) {
  CableSlot* slot = frame.size() <= kBufferSize ? in_->Reserve() : nullptr;
  if (slot == nullptr) return false;
  slot->length = static_cast<uint32_t>(frame.size());
  slot->arrival_ns = arrival_ns;
  std::ranges::copy(frame, slot->bytes);
  in_->Commit();
  return true;
}

std::optional<std::vector<uint8_t>> MemoryPort::CollectFrame() {
  const CableSlot* slot = out_->Front();
  if (slot == nullptr) return std::nullopt;
  std::vector<uint8_t> frame(slot->bytes, slot->bytes + slot->length);
  out_->Advance();
  return frame;
}

}  // namespace relay::port
