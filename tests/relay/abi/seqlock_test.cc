#include "relay/abi/seqlock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "relay/abi/segment.h"

namespace relay::abi {
namespace {

TEST(SeqlockTest, WhatIsStoredIsLoaded) {
  auto shared = std::make_unique<SessionRecord>();
  SessionRecord record{};
  record.session = 7;
  record.legs[7].statistics = 99;
  StoreLocked(shared.get(), record);
  SessionRecord copy;
  ASSERT_TRUE(LoadLocked(*shared, &copy));
  EXPECT_EQ(copy.session, 7u);
  EXPECT_EQ(copy.legs[7].statistics, 99u);
  EXPECT_EQ(copy.version.load(), 2u);
}

TEST(SeqlockTest, AWriterThatDiedInTheMiddleIsNoticed) {
  auto shared = std::make_unique<SessionRecord>();
  shared->version = 3;
  SessionRecord copy;
  EXPECT_FALSE(LoadLocked(*shared, &copy));
}

TEST(SeqlockTest, NoReaderSeesATornRecord) {
  auto shared = std::make_unique<SessionRecord>();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    SessionRecord record{};
    for (uint32_t i = 1; !stop; ++i) {
      record.generation = i;
      record.opened_ns = i;
      for (LegRecord& leg : record.legs) leg.statistics = i;
      StoreLocked(shared.get(), record);
    }
  });
  uint64_t torn = 0;
  uint64_t whole = 0;
  while (whole < 2000) {
    SessionRecord copy;
    if (!LoadLocked(*shared, &copy)) continue;
    ++whole;
    torn += copy.opened_ns != copy.generation;
    for (const LegRecord& leg : copy.legs) torn += leg.statistics != copy.generation;
  }
  stop = true;
  writer.join();
  EXPECT_EQ(torn, 0u);
}

}  // namespace
}  // namespace relay::abi
