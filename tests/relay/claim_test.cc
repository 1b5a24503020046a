#include "relay/claim.h"

#include <sys/wait.h>
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

// Whoever may start a process could keep every relay from starting.
TEST(Claim, OfAnotherUserIsNotHeeded) {
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(done[1]);
    const bool other = setuid(65534) == 0;
    const auto claim = Claim::Make("fruit", "all of them");
    char word = other && claim.ok() ? 'y' : 'n';
    if (write(ready[1], &word, 1) == 1) read(done[0], &word, 1) >= 0 ? _exit(0) : _exit(1);
    _exit(1);
  }
  close(done[0]);
  char word = 'n';
  EXPECT_EQ(read(ready[0], &word, 1), 1);
  EXPECT_EQ(word, 'y') << "needs root, to become another user";
  EXPECT_TRUE(Whats({}).empty());
  close(done[1]);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
}

}  // namespace
}  // namespace relay
