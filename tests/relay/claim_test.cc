#include "relay/claim.h"

#include <unistd.h>

#include "gtest/gtest.h"

namespace relay {
namespace {

std::vector<std::string> Whats(const std::vector<Claim>& own) {
  std::vector<std::string> whats;
  for (const Claim::Other& other : Claim::Others("fruit", own)) {
    EXPECT_EQ(other.holder, std::to_string(getpid()));
    whats.push_back(other.what);
  }
  return whats;
}

TEST(Claim, IsSeenByAllButItsHolderWhileItLasts) {
  std::vector<Claim> own;
  {
    auto claim = Claim::Make("fruit", "two apples");
    ASSERT_TRUE(claim.ok()) << claim.status();
    own.push_back(*std::move(claim));
    // The same once more, as of another container in which the process has the same number.
    const auto same = Claim::Make("fruit", "two apples");
    ASSERT_TRUE(same.ok()) << same.status();
    const auto other_kind = Claim::Make("fruits", "a pear");
    EXPECT_EQ(Whats(own), (std::vector<std::string>{"two apples"}));
    EXPECT_EQ(Whats({}).size(), 2u);
  }
  EXPECT_TRUE(Whats(own).empty());
  own.clear();
  EXPECT_TRUE(Whats({}).empty());
}

}  // namespace
}  // namespace relay
