// The only way in which conductor and worker touch each other: two bounded rings, one each way.
//
//     conductor  --- Mailbox<Order> --->  worker
//                <-- Mailbox<Report> ---
//
// Orders are obeyed in order. A full order box makes the conductor wait (Counter::kMailboxFull);
// a full report box makes the worker try again in its next cycle, from flags in the leg itself:
// nothing is lost and nothing grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "relay/abi/ring.h"
#include "relay/abi/segment.h"
#include "relay/limits.h"
#include "relay/session/leg_setup.h"
#include "relay/session/secret_memory.h"

namespace relay::worker {

enum class OrderKind : uint32_t {
  kNone = 0,
  kOpenLeg = 1,    // `leg` is a free slot; `setup`
  kUpdateLeg = 2,  // `setup`, whole; the local endpoint and handles stay as they were, but an
                   // RTCP handle may join
  kCloseLeg = 3,   // with all its bridges; answered by kLegClosed, then the slot is free
  kBridge = 4,     // `listener` hears `leg`
  kUnbridge = 5,
  kSendDigit = 6,  // `digit`, unless `number` is the last one's
};

struct Order {
  OrderKind kind;
  uint32_t leg;       // slot in the worker's array of legs
  uint32_t listener;  // kBridge, kUnbridge
  uint32_t reserved;
  session::LegSetup setup;  // kOpenLeg, kUpdateLeg
  session::Digit digit;     // kSendDigit
  uint32_t number;          // kSendDigit
};
static_assert(std::is_trivially_copyable_v<Order>);

enum class ReportKind : uint32_t {
  kNone = 0,
  kLegUpdated = 1,     // obeyed all updates up to `plan_version`; older network sets are unused
  kSourceLearned = 2,  // body.source
  kMediaTimeout = 3,   // body.timeout
  kMediaResumed = 4,
  kLegClosed = 5,  // body.statistics, final; handles are dropped; the slot may be used again
  kDigit = 6,      // body.digit
};

struct Report {
  ReportKind kind;
  uint32_t leg;
  uint32_t generation;
  uint32_t plan_version;  // that the leg runs on
  union Body {
    abi::LegStatistics statistics;
    abi::TimeoutBody timeout;
    abi::SourceBody source;
    abi::DigitBody digit;
  } body;
};
static_assert(std::is_trivially_copyable_v<Report>);

// One direction. Post belongs to one thread, Take to one other. Orders may carry keys: records lie
// in no core dump, and are overwritten as they are taken.
template <typename Record>
class Mailbox {
 public:
  // `capacity` is a power of two. All memory is taken here.
  explicit Mailbox(size_t capacity = kMailboxCapacity)
      : records_(capacity * sizeof(Record)), producer_(View(capacity)), consumer_(View(capacity)) {}

  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False when full.
  bool Post(const Record& record) { return producer_.Push(record) == abi::RingResult::kOk; }
  // False when empty.
  bool Take(Record* record) { return consumer_.PopAndWipe(record) == abi::RingResult::kOk; }

 private:
  abi::RingView<Record> View(size_t capacity) {
    return {.records = reinterpret_cast<Record*>(records_.data()),
            .produced = &produced_,
            .consumed = &consumed_,
            .capacity = capacity};
  }

  abi::Cursor produced_{};
  abi::Cursor consumed_{};
  session::SecretMemory records_;
  alignas(64) abi::RingProducer<Record> producer_;
  alignas(64) abi::RingConsumer<Record> consumer_;
};

}  // namespace relay::worker
