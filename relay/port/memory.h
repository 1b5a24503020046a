// The port of tests and benches: its network is memory.
//
// What lies on the other side is one of three things:
//   - the test itself, through Inject and Collect (the default);
//   - another memory port (MakePair): what one sends the other receives;
//   - an Outside, asked directly once a burst: for benches, which must not pay for a network.
//
// The far side may be another thread than the worker's: one thread injects, one collects.
#pragma once

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "relay/port/buffer_pool.h"
#include "relay/port/cable.h"
#include "relay/port/port.h"
#include "relay/wire/frame.h"

namespace relay::port {

// A datagram as a test sees it.
struct Datagram {
  abi::LocalEndpoint local;
  abi::Endpoint remote;
  std::vector<uint8_t> payload;
  TimeNs arrival_ns = 0;  // injected: 0 = the `now` of Receive
  Checksum checksum = Checksum::kGood;
  uint8_t dscp = 0;
};

class MemoryPort;

// A network without cost. Called on the worker's thread, from inside Receive and Send.
class Outside {
 public:
  virtual ~Outside() = default;
  // Fills packets that arrive, in buffers taken by port.Allocate; returns how many.
  virtual size_t Give(MemoryPort& port, std::span<Packet> packets, TimeNs now) = 0;
  // Looks at what was sent; the port frees the buffers afterwards.
  virtual void Take(std::span<const Packet> packets) = 0;
};

struct MemoryOptions {
  // kFrames: Ethernet frames go over the cable, read and written as a raw port does it.
  enum class Carries : uint8_t { kDatagrams, kFrames };
  Carries carries = Carries::kDatagrams;
  uint32_t buffers = 4096;
  uint32_t cable_slots = 1024;  // datagrams under way in each direction; a power of two
  uint32_t handles_max = 65536;
  // A raw port delivers what comes to an unbound endpoint too (and the pipeline finds no leg); a
  // socket never does.
  bool deliver_unbound = true;
  Outside* outside = nullptr;             // must outlive the port
  abi::CounterBlock* counters = nullptr;  // of the worker; may be null
};

class MemoryPort final : public Port {
 public:
  explicit MemoryPort(const MemoryOptions& options = {});

  // Two ports joined by two cables: for each endpoint bound on one, the other may send to it.
  static std::pair<std::unique_ptr<MemoryPort>, std::unique_ptr<MemoryPort>> MakePair(
      const MemoryOptions& left = {}, const MemoryOptions& right = {});

  std::string_view name() const override { return "memory"; }
  absl::Status AttachThread() override;
  size_t Receive(std::span<Packet> packets, TimeNs now) override;
  size_t Send(std::span<const Packet> packets) override;
  bool Allocate(Packet* packet) override {
    uint32_t buffer;
    if (pool_empty_ || !pool_.Take(&buffer)) return false;
    pool_.Describe(this, buffer, packet);
    return true;
  }
  void Release(std::span<const Packet> packets) override;
  void Adopt(Handle handle) override;
  void Drop(Handle handle) override;
  void Wait(TimeNs timeout_ns) override;
  void Wake() override;
  absl::StatusOr<Handle> Bind(abi::LocalEndpoint local, const abi::Endpoint& as) override;
  void Unbind(Handle handle) override;

  // ---- the far side ----

  // False when the cable is full or the payload is longer than kPayloadMax.
  bool Inject(const Datagram& datagram);
  std::optional<Datagram> Collect();  // the oldest sent datagram
  // The same with frames as they are, for a port that carries them.
  bool InjectFrame(std::span<const uint8_t> frame, TimeNs arrival_ns = 0);
  std::optional<std::vector<uint8_t>> CollectFrame();

  // ---- faults (worker's thread) ----

  void FailSends(uint32_t count) { fail_sends_ = count; }  // the next `count` packets
  void set_pool_empty(bool empty) { pool_empty_ = empty; }

  // What must be back to its first value when a test ends.
  uint32_t buffers_free() const { return pool_.free(); }
  uint32_t bound() const;

  // The address of a local index: as adopted, else 192.0.2.<index> (RFC 5737).
  abi::Endpoint AddressOf(abi::LocalEndpoint local) const;

 private:
  struct Binding {
    abi::LocalEndpoint local;
    abi::Endpoint as;
  };

  bool frames() const { return options_.carries == MemoryOptions::Carries::kFrames; }
  bool Arrive(const CableSlot& slot, TimeNs now, Packet* packet);
  bool Depart(const Packet& packet);
  Handle HandleOf(abi::LocalEndpoint local) const;
  std::optional<abi::LocalEndpoint> LocalOf(const abi::Endpoint& endpoint) const;
  void Count(abi::Counter counter, uint64_t amount = 1);

  const MemoryOptions options_;
  BufferPool pool_;
  std::shared_ptr<Cable> in_;
  std::shared_ptr<Cable> out_;

  // Bind runs on the conductor's thread, Drop on the worker's; neither is on a packet's way.
  mutable std::mutex mutex_;
  std::vector<Handle> handles_free_;
  std::vector<Binding> bindings_;  // by handle
  absl::flat_hash_set<uint32_t> taken_;

  // Written by the worker alone, under the mutex, so that the far side may read them under it.
  // [address][port] -> handle; a page per address that was ever adopted.
  std::array<std::unique_ptr<std::array<Handle, 65536>>, abi::kLocalAddressesMax> handle_of_;
  std::array<std::optional<abi::Endpoint>, abi::kLocalAddressesMax> addresses_;

  uint32_t fail_sends_ = 0;
  bool pool_empty_ = false;
};

}  // namespace relay::port
