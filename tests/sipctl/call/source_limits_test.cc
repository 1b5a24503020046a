#include "sipctl/call/source_limits.h"

#include "gtest/gtest.h"

namespace sipctl::call {
namespace {

using relay::abi::Address;

DoorLimits Small() {
  return {.all_per_minute = 600,
          .all_burst = 10,
          .source_per_minute = 60,
          .source_burst = 3,
          .sources_max = 4,
          .guesses_max = 3,
          .guesses_ms = 60'000,
          .silence_ms = 10'000,
          .guessers_max = 2,
          .known_max = 2};
}

int Taken(SourceLimits* limits, const Address& source, int tries, TimeMs now) {
  int taken = 0;
  for (int i = 0; i < tries; ++i) taken += limits->Take(source, now) ? 1 : 0;
  return taken;
}

TEST(SourceLimits, EachSourceHasItsShareAndAllTogetherTheirs) {
  SourceLimits limits(Small(), 1000);
  EXPECT_EQ(Taken(&limits, Address::Ipv4(1, 1, 1, 1), 20, 1000), 3);
  EXPECT_EQ(Taken(&limits, Address::Ipv4(1, 1, 1, 2), 20, 1000), 3);
  EXPECT_EQ(Taken(&limits, Address::Ipv4(1, 1, 1, 3), 20, 1000), 3);
  EXPECT_EQ(Taken(&limits, Address::Ipv4(1, 1, 1, 4), 20, 1000), 1);  // of the ten for all
  // A second later each has one more, and all together ten.
  EXPECT_EQ(Taken(&limits, Address::Ipv4(1, 1, 1, 1), 20, 2000), 1);
}

TEST(SourceLimits, AHostWithIpv6HasOneShareForItsNetwork) {
  SourceLimits limits(Small(), 0);
  Address first{}, second{}, other{};
  first.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8};
  second.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 8, 7, 6, 5, 4, 3, 2, 1};
  other.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(Taken(&limits, first, 9, 0), 3);
  EXPECT_EQ(Taken(&limits, second, 9, 0), 0);
  EXPECT_EQ(Taken(&limits, other, 9, 0), 3);
}

TEST(SourceLimits, GuessesMakeSilentForATime) {
  SourceLimits limits(Small(), 0);
  EXPECT_FALSE(limits.CountGuess("a", 0));
  EXPECT_FALSE(limits.CountGuess("a", 1));
  EXPECT_FALSE(limits.IsSilent("a", 1));
  EXPECT_TRUE(limits.CountGuess("a", 2));
  EXPECT_TRUE(limits.IsSilent("a", 10'001));
  EXPECT_FALSE(limits.IsSilent("b", 2));
  EXPECT_FALSE(limits.IsSilent("a", 10'002));
  EXPECT_FALSE(limits.CountGuess("a", 10'002));  // begins anew
}

TEST(SourceLimits, OldGuessesDoNotCount) {
  SourceLimits limits(Small(), 0);
  limits.CountGuess("a", 0);
  limits.CountGuess("a", 1);
  EXPECT_FALSE(limits.CountGuess("a", 60'001));
  EXPECT_FALSE(limits.CountGuess("a", 60'002));
  EXPECT_TRUE(limits.CountGuess("a", 60'003));
}

TEST(SourceLimits, WhoIsKnown) {
  SourceLimits limits(Small(), 0);
  const Address address = Address::Ipv4(1, 1, 1, 1);
  EXPECT_FALSE(limits.IsKnown(address, 0));
  limits.Know(address, 100);
  limits.Know(address, 50);  // shorter: changes nothing
  EXPECT_TRUE(limits.IsKnown(address, 99));
  EXPECT_FALSE(limits.IsKnown(address, 100));
}

TEST(BoundedTable, TheOldestMakesRoom) {
  BoundedTable<int, int> table(2);
  table.Get(1, 10) = 11;
  EXPECT_EQ(table.Get(1, 10), 11);
  table.Get(2, 20);
  EXPECT_EQ(table.Get(3, 30), 30);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.Find(1), nullptr);
  EXPECT_EQ(*table.Find(2), 20);
}

}  // namespace
}  // namespace sipctl::call
