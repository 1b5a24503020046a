#include "relay/session/secret_memory.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

#include "tests/support/own_memory.h"

namespace relay::session {
namespace {

TEST(SecretMemory, IsInNoCoreDump) {
  const auto usual = std::make_unique<char[]>(10'000);
  EXPECT_TRUE(support::IsDumped(usual.get()));
  for (const size_t bytes : {size_t{1}, size_t{4096}, size_t{10'000}, size_t{5} << 20}) {
    const SecretMemory memory(bytes);
    ASSERT_GE(memory.size(), bytes);
    EXPECT_FALSE(support::IsDumped(memory.data()));
    EXPECT_FALSE(support::IsDumped(memory.data() + memory.size() - 1)) << bytes;
  }
}

TEST(SecretAllocator, NorIsWhatAContainerTakes) {
  std::vector<int, SecretAllocator<int>> numbers(10'000, 7);
  EXPECT_FALSE(support::IsDumped(&numbers.front()));
  EXPECT_FALSE(support::IsDumped(&numbers.back()));
  std::deque<int, SecretAllocator<int>> queue;
  for (int i = 0; i < 1000; ++i) queue.push_back(i);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(queue.front(), i);
    if (i % 100 == 0) {
      EXPECT_FALSE(support::IsDumped(&queue.front()));
    }
    queue.pop_front();
  }
}

}  // namespace
}  // namespace relay::session
