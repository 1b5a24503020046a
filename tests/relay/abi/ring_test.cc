// The ring over memory that belongs to somebody else: two threads, and cursors that lie.
#include "relay/abi/ring.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace relay::abi {
namespace {

struct Record {
  uint64_t number;
  uint64_t square;
  uint8_t filling[48];
};

constexpr uint64_t kCapacity = 8;

class RingTest : public testing::Test {
 protected:
  RingView<Record> View() { return {records_.data(), &produced_, &consumed_, kCapacity}; }
  static Record Make(uint64_t number) { return {.number = number, .square = number * number}; }

  std::array<Record, kCapacity> records_{};
  Cursor produced_{};
  Cursor consumed_{};
};

TEST_F(RingTest, FullAndEmptyNeedNoSpareSlot) {
  RingProducer<Record> producer(View());
  RingConsumer<Record> consumer(View());
  Record record;
  EXPECT_EQ(consumer.Pop(&record), RingResult::kEmpty);
  for (uint64_t i = 0; i < kCapacity; ++i) EXPECT_EQ(producer.Push(Make(i)), RingResult::kOk);
  EXPECT_EQ(producer.Push(Make(99)), RingResult::kFull);
  for (uint64_t i = 0; i < kCapacity; ++i) {
    ASSERT_EQ(consumer.Pop(&record), RingResult::kOk);
    EXPECT_EQ(record.number, i);
  }
  EXPECT_EQ(consumer.Pop(&record), RingResult::kEmpty);
}

// Any interleaving of pushes and pops behaves like a bounded queue.
TEST_F(RingTest, BehavesLikeABoundedQueue) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    produced_.value = consumed_.value = random() % 1000;  // a ring that was in use before
    RingProducer<Record> producer(View());
    RingConsumer<Record> consumer(View());
    uint64_t pushed = 0;
    uint64_t popped = 0;
    for (int i = 0; i < 1000; ++i) {
      if (random() % 2 == 0) {
        const bool full = pushed - popped == kCapacity;
        ASSERT_EQ(producer.Push(Make(pushed)), full ? RingResult::kFull : RingResult::kOk);
        pushed += full ? 0 : 1;
      } else {
        Record record;
        const bool empty = pushed == popped;
        ASSERT_EQ(consumer.Pop(&record), empty ? RingResult::kEmpty : RingResult::kOk);
        if (!empty) {
          ASSERT_EQ(record.number, popped++);
        }
      }
    }
  }
}

TEST_F(RingTest, TwoThreadsSeeWholeRecordsInOrder) {
  constexpr uint64_t kRecords = 20000;
  std::thread writer([this] {
    RingProducer<Record> producer(View());
    for (uint64_t i = 0; i < kRecords;) {
      if (producer.Push(Make(i)) == RingResult::kOk) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  RingConsumer<Record> consumer(View());
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kRecords;) {
    Record record;
    if (consumer.Pop(&record) != RingResult::kOk) {
      std::this_thread::yield();
      continue;
    }
    wrong += record.number != i || record.square != i * i;
    ++i;
  }
  writer.join();
  EXPECT_EQ(wrong, 0u);
}

TEST_F(RingTest, PopAndWipeLeavesZeros) {
  RingProducer<Record> producer(View());
  RingConsumer<Record> consumer(View());
  ASSERT_EQ(producer.Push(Make(7)), RingResult::kOk);
  Record record;
  ASSERT_EQ(consumer.PopAndWipe(&record), RingResult::kOk);
  EXPECT_EQ(record.square, 49u);
  EXPECT_EQ(records_[0].number, 0u);
  EXPECT_EQ(records_[0].square, 0u);
}

TEST_F(RingTest, AProducerThatLiesIsFoundOut) {
  for (const uint64_t lie : {kCapacity + 1, uint64_t{1} << 40, ~uint64_t{0}}) {
    produced_.value = consumed_.value = 100;
    RingConsumer<Record> consumer(View());
    produced_.value = 100 + lie;
    Record record;
    EXPECT_EQ(consumer.Pop(&record), RingResult::kBroken) << lie;
    EXPECT_EQ(consumer.PopAndWipe(&record), RingResult::kBroken) << lie;
    EXPECT_EQ(consumed_.value, 100u);
  }
}

TEST_F(RingTest, AConsumerThatLiesIsFoundOut) {
  for (const uint64_t lie : {uint64_t{101}, ~uint64_t{0}, uint64_t{200} - kCapacity - 1}) {
    produced_.value = consumed_.value = 100;
    RingProducer<Record> producer(View());
    consumed_.value = lie;
    RingResult result = RingResult::kOk;
    for (uint64_t i = 0; i <= kCapacity && result == RingResult::kOk; ++i) {
      result = producer.Push(Make(i));
    }
    // Ahead of the producer it cannot be; within the records pushed since, it may.
    EXPECT_NE(result, RingResult::kOk) << lie;
  }
}

}  // namespace
}  // namespace relay::abi
