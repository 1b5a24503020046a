#include "relay/port/memory.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace relay::port {

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
  const std::optional<abi::LocalEndpoint> local = LocalOf(slot.destination);
  const Handle handle = local ? HandleOf(*local) : kNoHandle;
  if (!local || (handle == kNoHandle && !options_.deliver_unbound)) {
    Count(abi::Counter::kNotOurs);
    return false;
  }
  std::memcpy(packet->data, slot.bytes, slot.length);
  packet->length = slot.length;
  packet->tailroom = static_cast<uint16_t>(packet->tailroom - slot.length);
  packet->arrival_ns = slot.arrival_ns != 0 ? slot.arrival_ns : now;
  packet->local = *local;
  packet->handle = handle;
  packet->remote = slot.source;
  packet->checksum = slot.checksum;
  packet->dscp = slot.dscp;
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
  CableSlot* slot = packet.length <= kPayloadMax + kTailroom ? out_->Reserve() : nullptr;
  if (slot == nullptr) return false;
  slot->source = AddressOf(packet.local);
  slot->destination = packet.remote;
  slot->arrival_ns = 0;
  slot->length = packet.length;
  slot->checksum = Checksum::kGood;
  slot->dscp = packet.dscp;
  std::memcpy(slot->bytes, packet.data, packet.length);
  out_->Commit();
  return true;
}

bool MemoryPort::Allocate(Packet* packet) {
  uint32_t buffer;
  if (pool_empty_ || !pool_.Take(&buffer)) return false;
  pool_.Describe(this, buffer, packet);
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
  const std::lock_guard lock(mutex_);
  const abi::LocalEndpoint local = bindings_[handle].local;
  if (handle_of_[local.address] != nullptr) (*handle_of_[local.address])[local.port] = kNoHandle;
  taken_.erase(Key(local));
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
  CableSlot* slot = datagram.payload.size() <= kPayloadMax ? in_->Reserve() : nullptr;
  if (slot == nullptr) return false;
  slot->source = datagram.remote;
  {
    const std::lock_guard lock(mutex_);
    slot->destination = AddressOf(datagram.local);
  }
  slot->arrival_ns = datagram.arrival_ns;
  slot->length = static_cast<uint32_t>(datagram.payload.size());
  slot->checksum = datagram.checksum;
  slot->dscp = datagram.dscp;
  std::ranges::copy(datagram.payload, slot->bytes);
  in_->Commit();
  return true;
}

std::optional<Datagram> MemoryPort::Collect() {
  const CableSlot* slot = out_->Front();
  if (slot == nullptr) return std::nullopt;
  Datagram datagram{.local = {},
                    .remote = slot->destination,
                    .payload = {slot->bytes, slot->bytes + slot->length},
                    .arrival_ns = slot->arrival_ns,
                    .checksum = slot->checksum,
                    .dscp = slot->dscp};
  {
    const std::lock_guard lock(mutex_);
    datagram.local = LocalOf(slot->source).value_or(abi::LocalEndpoint{});
  }
  out_->Advance();
  return datagram;
}

}  // namespace relay::port
