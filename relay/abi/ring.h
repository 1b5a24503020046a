// A single-producer single-consumer ring over memory that belongs to somebody else.
//
// The two cursors and the records may lie in different mappings, so that each mapping has exactly
// one writer: the producer writes records and `produced`, the consumer writes `consumed` alone
// (docs/shared-memory.md draws this). Cursors count records since the beginning and never wrap in
// practice (2^64 records), hence "full" and "empty" need no spare slot.
//
// Ordering: the producer's release store of `produced` publishes the record before it; the
// consumer's release store of `consumed` gives the slot back after its copy. No fences, so that
// ThreadSanitizer can follow.
//
// Neither side trusts the other. A cursor that lies (more than `capacity` apart, or running
// backwards) is reported as kBroken and never used as an index.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace relay::abi {

// One cursor alone on its cache line: the two ends never share a line for writing.
struct alignas(64) Cursor {
  std::atomic<uint64_t> value;
  uint8_t padding[56];
};
static_assert(sizeof(Cursor) == 64);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

enum class RingResult : uint8_t {
  kOk,
  kFull,    // push only: the consumer is behind by `capacity` records
  kEmpty,   // pop only
  kBroken,  // the other side's cursor cannot be true; stop talking to it
};

// Where the parts of a ring lie. `capacity` is a power of two.
template <typename Record>
struct RingView {
  Record* records;
  Cursor* produced;
  Cursor* consumed;
  uint64_t capacity;
};

template <typename Record>
class RingProducer {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  RingProducer() = default;
  explicit RingProducer(const RingView<Record>& view)
      : view_(view), produced_(view.produced->value.load(std::memory_order_relaxed)) {}

  RingResult Push(const Record& record) {
    if (produced_ - consumed_seen_ >= view_.capacity) {
      const uint64_t consumed = view_.consumed->value.load(std::memory_order_acquire);
      if (produced_ - consumed > view_.capacity) return RingResult::kBroken;
      consumed_seen_ = consumed;
      if (produced_ - consumed_seen_ == view_.capacity) return RingResult::kFull;
    }
    std::memcpy(static_cast<void*>(&view_.records[produced_ & (view_.capacity - 1)]), &record,
                sizeof(Record));
    view_.produced->value.store(++produced_, std::memory_order_release);
    return RingResult::kOk;
  }

 private:
  RingView<Record> view_{};
  uint64_t produced_ = 0;
  uint64_t consumed_seen_ = 0;
};

template <typename Record>
class RingConsumer {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  RingConsumer() = default;
  explicit RingConsumer(const RingView<Record>& view)
      : view_(view), consumed_(view.consumed->value.load(std::memory_order_relaxed)) {}

  // Copies the oldest record out, once; the caller validates and uses its own copy only.
  RingResult Pop(Record* record) {
    const uint64_t produced = view_.produced->value.load(std::memory_order_acquire);
    if (produced == consumed_) return RingResult::kEmpty;
    if (produced - consumed_ > view_.capacity) return RingResult::kBroken;
    std::memcpy(static_cast<void*>(record),
                static_cast<const void*>(&view_.records[consumed_ & (view_.capacity - 1)]),
                sizeof(Record));
    view_.consumed->value.store(++consumed_, std::memory_order_release);
    return RingResult::kOk;
  }

  // As Pop, and overwrites the slot with zeros first: for records that may carry keys. The one
  // store a consumer ever makes into its producer's mapping.
  RingResult PopAndWipe(Record* record) {
    const uint64_t produced = view_.produced->value.load(std::memory_order_acquire);
    if (produced == consumed_) return RingResult::kEmpty;
    if (produced - consumed_ > view_.capacity) return RingResult::kBroken;
    Record* slot = &view_.records[consumed_ & (view_.capacity - 1)];
    std::memcpy(static_cast<void*>(record), static_cast<const void*>(slot), sizeof(Record));
    std::memset(static_cast<void*>(slot), 0, sizeof(Record));
    view_.consumed->value.store(++consumed_, std::memory_order_release);
    return RingResult::kOk;
  }

 private:
  RingView<Record> view_{};
  uint64_t consumed_ = 0;
};

}  // namespace relay::abi
