#include "relay/worker/mailbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace relay::worker {
namespace {

TEST(Mailbox, IsFullAndEmptyWhenItSaysSo) {
  Mailbox<uint32_t> box(4);
  uint32_t record = 0;
  EXPECT_FALSE(box.Take(&record));
  for (uint32_t i = 0; i < 4; ++i) EXPECT_TRUE(box.Post(i));
  EXPECT_FALSE(box.Post(4));
  EXPECT_TRUE(box.Take(&record));
  EXPECT_EQ(record, 0u);
  EXPECT_TRUE(box.Post(4));
}

TEST(Mailbox, TwoThreadsLoseNothing) {
  constexpr uint32_t kRecords = 200'000;
  Mailbox<uint32_t> box(64);
  std::thread conductor([&] {
    for (uint32_t i = 0; i < kRecords;) {
      if (box.Post(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (uint32_t expected = 0; expected < kRecords;) {
    uint32_t record;
    if (box.Take(&record)) {
      ASSERT_EQ(record, expected++);
    } else {
      std::this_thread::yield();
    }
  }
  conductor.join();
}

}  // namespace
}  // namespace relay::worker
