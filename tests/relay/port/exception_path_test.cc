#include "relay/port/exception_path.h"

#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "gtest/gtest.h"

namespace relay::port {
namespace {

class ExceptionPathTest : public testing::Test {
 protected:
  void SetUp() override {
    static const bool own_namespace = geteuid() == 0 && unshare(CLONE_NEWNET) == 0;
    if (!own_namespace) {
      std::fprintf(stderr, "needs root\n");
      std::exit(77);
    }
  }
};

TEST_F(ExceptionPathTest, TheTapComesAndGoes) {
  {
    const auto path = ExceptionPath::Open("media0", {2, 0, 0, 0, 0, 9}, 1);
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_NE(if_nametoindex("media0"), 0u);
    EXPECT_EQ(std::system("ip -brief link show media0 | grep -q 02:00:00:00:00:09"), 0);
    const auto second = ExceptionPath::Open("media0", {2, 0, 0, 0, 0, 9}, 1);
    EXPECT_NE(second.status().message().find("needs CAP_NET_ADMIN and a name that is free"),
              absl::string_view::npos)
        << second.status();
  }
  EXPECT_EQ(if_nametoindex("media0"), 0u);
}

// A flood is bounded: what the conductor does not come to take is lost, and media goes on.
TEST_F(ExceptionPathTest, AFloodIsBounded) {
  auto path = ExceptionPath::Open("media0", {2, 0, 0, 0, 0, 9}, 2).value();
  const std::vector<uint8_t> frame(60, 0xff);
  abi::CounterBlock counters{};
  for (int round = 1; round <= 2; ++round) {
    int taken = 0;
    while (taken < 100000 && path->ToKernel(1, frame)) ++taken;
    EXPECT_GT(taken, 100);
    EXPECT_LT(taken, 1000);
    EXPECT_TRUE(path->ToKernel(0, frame)) << "another worker's way is its own";
    path->Turn(0, counters);
    EXPECT_EQ(counters.Read(abi::Counter::kToKernel), static_cast<uint64_t>(round * (taken + 1)));
  }
  EXPECT_FALSE(path->ToKernel(0, std::vector<uint8_t>(kBufferSize + 1)));
}

}  // namespace
}  // namespace relay::port
