#include "relay/conductor/session_directory.h"

#include <gtest/gtest.h>

namespace relay::conductor {
namespace {

class SessionDirectoryTest : public testing::Test {
 protected:
  SessionDirectoryTest()
      : state_(StateSegment::Create({.workers = 1, .sessions_max = 2, .legs_max = 4}).value()),
        directory_(state_, 2, 4) {}
  uint32_t Open(uint16_t slot, uint64_t number) {
    return directory_.Open(
        {.client_slot = slot, .worker = 0, .number = number, .owner_cookie = 5, .now = 100});
  }

  StateSegment state_;
  SessionDirectory directory_;
};

TEST_F(SessionDirectoryTest, NumbersBelongToTheirClient) {
  const uint32_t one = Open(0, 7);
  const uint32_t other = Open(1, 7);
  EXPECT_NE(one, other);
  EXPECT_EQ(directory_.Find(0, 7), one);
  EXPECT_EQ(directory_.Find(1, 7), other);
  EXPECT_EQ(directory_.Find(2, 7), kNobody);
  EXPECT_FALSE(directory_.HasRoom());
  EXPECT_EQ(directory_.LiveOf(0), 1u);
  EXPECT_EQ(directory_.Live().size(), 2u);
}

TEST_F(SessionDirectoryTest, AReusedSlotHasAnotherGeneration) {
  const uint32_t index = Open(0, 7);
  abi::SessionRecord record;
  ASSERT_TRUE(abi::LoadLocked(state_.sessions()[index], &record));
  EXPECT_EQ(record.session, 7u);
  EXPECT_EQ(record.owner_cookie, 5u);
  const uint32_t generation = record.generation;
  directory_.Free(index);
  ASSERT_TRUE(abi::LoadLocked(state_.sessions()[index], &record));
  EXPECT_EQ(record.session, 0u);
  ASSERT_EQ(Open(0, 8), index);
  ASSERT_TRUE(abi::LoadLocked(state_.sessions()[index], &record));
  EXPECT_EQ(record.generation, generation + 1);
}

TEST_F(SessionDirectoryTest, DeadlinesComeInTheirOrderAndOnce) {
  const uint32_t one = Open(0, 1);
  const uint32_t two = Open(0, 2);
  directory_.SetLength(one, 500);
  directory_.SetLength(two, 300);
  EXPECT_EQ(directory_.next_deadline(), 400u);
  directory_.SetLength(two, 900);  // replaced, not added
  EXPECT_EQ(directory_.next_deadline(), 600u);
  EXPECT_FALSE(directory_.TakeOverdue(599).has_value());
  EXPECT_EQ(directory_.TakeOverdue(600), one);
  EXPECT_FALSE(directory_.TakeOverdue(600).has_value());
  directory_.Free(two);
  EXPECT_EQ(directory_.next_deadline(), 0u);
}

}  // namespace
}  // namespace relay::conductor
