// A worker's way to the table of next hops.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "relay/abi/endpoint.h"
#include "relay/abi/ring.h"
#include "relay/port/hop_table.h"

namespace relay::port {

// Where a packet of ours goes: what the kernel is asked.
struct Destination {
  abi::Address remote;
  uint16_t local;  // index of the local address

  bool operator==(const Destination&) const = default;
  template <typename H>
  friend H AbslHashValue(H state, const Destination& d) {
    return H::combine(std::move(state), d.remote.bytes, d.local);
  }
};

// A worker's way to the table: what it looks for and does not find, it asks for.
class HopReader {
 public:
  // `turn` counts those of the conductor; `wake_fd` is an eventfd that it watches.
  HopReader(const HopTable* table, const std::atomic<uint64_t>* turn, int wake_fd);

  // ---- worker thread ----

  // False: not resolved, and resolution is under way.
  bool Find(uint16_t local, const abi::Address& remote, Hop* hop) {
    const uint64_t hash = table_->HashOf(local, remote);
    const uint16_t index = table_->Find(hash);
    if (index != kNoHop && table_->Read(index, hop)) [[likely]] {
      // Mostly a read of a line that only this worker writes.
      if (used_[index].load(std::memory_order_relaxed) == 0) {
        used_[index].store(1, std::memory_order_relaxed);
      }
      return true;
    }
    Ask(hash, {.remote = remote, .local = local});
    return false;
  }

  // ---- conductor thread ----

  bool TakeQuestion(Destination* destination) {
    return consumer_.Pop(destination) == abi::RingResult::kOk;
  }
  // Whether the worker sent by the hop since this was asked last.
  bool TakeUsed(uint16_t hop) { return used_[hop].exchange(0, std::memory_order_relaxed) != 0; }

 private:
  void Ask(uint64_t hash, const Destination& destination);

  static constexpr uint64_t kQuestionsMax = 256;
  struct Asked {
    uint64_t hash = 0;
    uint64_t turn = 0;
  };

  const HopTable* const table_;
  const std::atomic<uint64_t>* const turn_;  // the conductor's: one question a destination and turn
  const int wake_fd_;
  std::array<Asked, 64> asked_{};
  const std::unique_ptr<std::atomic<uint8_t>[]>
      used_;  // by hop; set here, cleared by the conductor
  const std::unique_ptr<Destination[]> questions_;
  abi::Cursor produced_{};
  abi::Cursor consumed_{};
  abi::RingProducer<Destination> producer_;
  abi::RingConsumer<Destination> consumer_;
};

}  // namespace relay::port
