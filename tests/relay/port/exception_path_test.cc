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

// Addresses and routes of the host's own traffic outlive the relay.
TEST_F(ExceptionPathTest, TheTapStaysAndIsTakenAgain) {
  EXPECT_FALSE(ExceptionPath::IsTap("media0"));
  EXPECT_FALSE(ExceptionPath::IsTap("lo"));
  {
    const auto path = ExceptionPath::Open("media0", {2, 0, 0, 0, 0, 9}, 1);
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_NE(if_nametoindex("media0"), 0u);
    EXPECT_EQ(std::system("ip -brief link show media0 | grep -q 02:00:00:00:00:09"), 0);
    const auto second = ExceptionPath::Open("media0", {2, 0, 0, 0, 0, 9}, 1);
    EXPECT_NE(second.status().message().find("is held by another process"), absl::string_view::npos)
        << second.status();
    ASSERT_EQ(std::system("ip address add 192.0.2.1/24 dev media0 && "
                          "ip route add 198.51.100.0/24 via 192.0.2.2"),
              0);
  }
  EXPECT_TRUE(ExceptionPath::IsTap("media0"));
  {
    // Another card, another link address.
    const auto again = ExceptionPath::Open("media0", {2, 0, 0, 0, 0, 8}, 1);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(std::system("ip -brief link show media0 | grep -q 02:00:00:00:00:08"), 0);
    EXPECT_EQ(std::system("ip -brief address show media0 | grep -q 192.0.2.1/24"), 0);
    EXPECT_EQ(std::system("ip route get 198.51.100.1 | grep -q 'via 192.0.2.2 dev media0'"), 0);
  }
  EXPECT_EQ(std::system("ip link delete media0"), 0);
}

// Who has it down wants it down, whatever the device below is called now.
TEST_F(ExceptionPathTest, AnotherLinkAddressDoesNotBringTheTapUp) {
  auto path = ExceptionPath::Open("media0", {2, 0, 0, 0, 0, 9}, 1).value();
  EXPECT_EQ(std::system("ip link set media0 down"), 0);
  EXPECT_TRUE(path->Follow({2, 0, 0, 0, 0, 8}).ok());
  EXPECT_EQ(std::system("ip -brief link show media0 | grep -q 02:00:00:00:00:08"), 0);
  EXPECT_NE(std::system("ip link show media0 up | grep -q media0"), 0);
  EXPECT_EQ(std::system("ip link delete media0"), 0);
  const absl::Status gone = path->Follow({2, 0, 0, 0, 0, 7});
  EXPECT_NE(gone.message().find("setting the link address of media0"), absl::string_view::npos)
      << gone;
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
