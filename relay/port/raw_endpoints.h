// What the raw ports (xdp, dpdk) do alike with frames and local endpoints, so that one frame has
// one fate and moves one counter whichever of them receives it.
//
// A raw port needs no socket: a bound endpoint is a bit that says "a leg is there", and its handle
// is its address and port. Bind and Unbind belong to the conductor's thread, the rest to the one
// worker whose port this is.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/counters.h"
#include "relay/abi/segment.h"
#include "relay/port/port.h"
#include "relay/wire/frame.h"

namespace relay::port {

// What becomes of a frame that was received.
enum class Fate : uint8_t {
  kDeliver,   // a datagram for a leg
  kDropped,   // ours and refused; counted
  kNotTaken,  // not the relay's: the kernel's, where it can be given to it; counted
};

// What a NIC or the kernel has found out about a frame before it came to us.
struct Inspection {
  bool ip_checksum_good = false;
  // kGood and kPartial are believed; kBad is looked at again, as a NIC calls a sum bad that a
  // sender on the same host left partial.
  Checksum udp = Checksum::kUnknown;
  bool tag_removed = false;  // a VLAN tag, from the frame:
  uint16_t vlan = 0;         // its id
};

class RawEndpoints {
 public:
  // `counters` of the worker, not null. `legs_elsewhere`: frames of other workers' legs come here
  // too, and as these are unknown a datagram for no leg is delivered; the pipeline says whose it
  // is.
  RawEndpoints(std::span<const abi::LocalAddress> addresses, abi::CounterBlock* counters,
               bool legs_elsewhere = false);

  // Frames that come in by `interface` are ours only with this destination. The worker's thread, or
  // before it runs.
  void SetOwnMac(uint16_t interface, const wire::MacAddress& mac);

  // ---- conductor thread ----

  absl::StatusOr<Handle> Bind(abi::LocalEndpoint local);
  void Unbind(Handle handle);
  uint32_t bound() const { return bound_.load(std::memory_order_relaxed); }

  // ---- worker thread ----

  void Adopt(Handle handle) { Set(handle, Stage::kAdopted); }
  void Drop(Handle handle) { Unbind(handle); }

  // Reads a frame that came in by `interface`. Under kDeliver everything of `packet` is set but
  // owner, buffer, arrival and the room before and after the payload.
  Fate Judge(std::span<const uint8_t> frame, uint16_t interface, const Inspection& inspection,
             Packet* packet);

  // The local address, or null when there is none of this index.
  const abi::LocalAddress* address(uint16_t index) const {
    return index < addresses_.size() ? &addresses_[index] : nullptr;
  }
  // Handle of a local endpoint, whether bound or not.
  static constexpr Handle HandleOf(abi::LocalEndpoint local) {
    return static_cast<Handle>(local.address) << 16 | local.port;
  }

 private:
  enum class Stage : uint8_t { kFree, kTaken, kAdopted };
  // A byte each: 64 KiB an address, of which a call touches what it needs. Another value of the
  // same endpoint is written by the other thread only after the order to do so has changed hands.
  using Page = std::array<std::atomic<Stage>, 65536>;

  void Set(Handle handle, Stage stage) {
    (*pages_[handle >> 16])[handle & 0xffff].store(stage, std::memory_order_release);
  }
  // Index of the address that a frame with this destination is for.
  std::optional<uint16_t> IndexOf(const abi::Endpoint& destination, uint16_t interface) const;
  Fate Refuse(abi::Counter counter, Fate fate) {
    counters_->Add(counter);
    return fate;
  }

  // Open addressing; twice as many places as there can be addresses.
  static constexpr size_t kPlaces = 2 * abi::kLocalAddressesMax;
  static constexpr uint16_t kNobody = 0xffff;
  static size_t PlaceOf(const abi::Address& address);

  const std::vector<abi::LocalAddress> addresses_;
  abi::CounterBlock* const counters_;
  const bool legs_elsewhere_;
  std::array<uint16_t, kPlaces> places_;
  std::vector<std::unique_ptr<Page>> pages_;  // by address
  std::vector<std::optional<wire::MacAddress>> own_macs_;
  std::atomic<uint32_t> bound_{0};
};

}  // namespace relay::port
