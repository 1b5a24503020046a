#include "sipctl/cli/spare_memory.h"

#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

class SpareMemoryTest : public testing::Test {
 protected:
  void Pass(TimeMs ms) {
    for (TimeMs i = 0; i < ms; i += 100) timers_.Advance(timers_.now() + 100);
  }

  Timers timers_{0};
  size_t alive_ = 0;
  int given_ = 0;
  SpareMemory spare_{&timers_, [this] { return alive_; }, [this] { ++given_; }};
};

TEST_F(SpareMemoryTest, IsGivenBackAtEachHalvingAfterARush) {
  alive_ = 100'000;
  Pass(10'000);
  EXPECT_EQ(given_, 0);
  alive_ = 40'000;
  Pass(10'000);
  EXPECT_EQ(given_, 1);
  alive_ = 10;
  Pass(10'000);
  EXPECT_EQ(given_, 2);
  Pass(100'000);
  EXPECT_EQ(given_, 2);
}

TEST_F(SpareMemoryTest, IsNotAskedForWithoutARush) {
  alive_ = 5000;
  Pass(10'000);
  alive_ = 0;
  Pass(10'000);
  EXPECT_EQ(given_, 0);
}

TEST(SpareMemory, EndsWithItsOwner) {
  Timers timers(0);
  {
    SpareMemory spare(
        &timers, [] { return size_t{0}; }, [] {});
  }
  EXPECT_EQ(timers.size(), 0u);
}

}  // namespace
}  // namespace sipctl::cli
