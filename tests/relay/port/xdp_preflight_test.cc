#include "relay/port/xdp_preflight.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "relay/limits.h"

namespace relay::port {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr XdpPlan kXdpPlan{.workers = 2, .port_first = 10000, .port_last = 39999};

MachineFacts Machine(std::string reserved) {
  return {.ephemeral_first = 32768, .ephemeral_last = 60999, .reserved_ports = std::move(reserved)};
}

TEST(XdpPreflight, AGoodDeviceIsNoWordWorth) {
  const DeviceFacts device{.name = "eth0", .mtu = 1500, .queues = 2};
  EXPECT_TRUE(Obstacle(kXdpPlan, device, Machine("10000-39999")).ok());
  EXPECT_THAT(Warnings(kXdpPlan, device), IsEmpty());
}

TEST(XdpPreflight, TooFewQueuesAreRefusedWithTheCommandThatHelps) {
  const absl::Status no =
      Obstacle(kXdpPlan, {.name = "eth0", .mtu = 1500, .queues = 1}, Machine("10000-39999"));
  EXPECT_THAT(std::string(no.message()), HasSubstr("eth0 has 1 queue for 2 workers"));
  EXPECT_THAT(std::string(no.message()), HasSubstr("`ethtool -L eth0 combined 2`"));
}

TEST(XdpPreflight, PortsThatTheKernelLendsMustBeReserved) {
  const DeviceFacts device{.name = "eth0", .mtu = 1500, .queues = 2};
  const absl::Status no = Obstacle(kXdpPlan, device, Machine("50000"));
  EXPECT_THAT(std::string(no.message()),
              HasSubstr("net.ipv4.ip_local_reserved_ports=50000,10000-39999"));
  XdpPlan below = kXdpPlan;
  below.port_last = 32767;
  EXPECT_TRUE(Obstacle(below, device, Machine("")).ok());
}

TEST(XdpPreflight, MemoryThatMayNotBeLockedIsRefusedBeforeTheKernelDoes) {
  const DeviceFacts device{.name = "eth0", .mtu = 1500, .queues = 2};
  XdpPlan plan = kXdpPlan;
  plan.buffers = 8192;
  MachineFacts machine = Machine("10000-39999");
  machine.locked_bytes_max = (33 << 20) - 1;
  const absl::Status no = Obstacle(plan, device, machine);
  EXPECT_THAT(std::string(no.message()),
              HasSubstr("the frames of 2 workers lock 33792 KiB of memory, and the limit is 33791 "
                        "KiB; start with LimitMEMLOCK=infinity"));
  machine.locked_bytes_max = 33 << 20;
  EXPECT_TRUE(Obstacle(plan, device, machine).ok());
  machine.locked_bytes_max = 0;
  machine.may_lock_all = true;
  EXPECT_TRUE(Obstacle(plan, device, machine).ok());
}

TEST(XdpPreflight, OneSentenceForEachTrouble) {
  XdpPlan plan = kXdpPlan;
  plan.vlan = true;
  EXPECT_THAT(Warnings(plan, {.name = "eth0",
                              .mtu = 9000,
                              .queues = 1,
                              .lro = true,
                              .strips_vlan = true,
                              .up = false}),
              ElementsAre(HasSubstr("`ip link set eth0 up`"), HasSubstr("mtu 1500"),
                          HasSubstr("lro off"), HasSubstr("rxvlan off"), HasSubstr("one queue")));
  plan.workers = 1;
  EXPECT_THAT(Warnings(plan, {.name = "eth0", .mtu = 1500, .queues = 4}),
              ElementsAre(HasSubstr("4 queues, all served by the one worker")));
}

// One worker's buffers are shared out among its queues.
TEST(XdpPreflight, MoreQueuesThanTheBuffersFillAreTold) {
  XdpPlan plan = kXdpPlan;
  plan.buffers = 16384;
  DeviceFacts device{.name = "eth0", .mtu = 1500, .queues = 16};
  EXPECT_THAT(Warnings(plan, device), IsEmpty());
  device.queues = 64;
  EXPECT_THAT(Warnings(plan, device),
              ElementsAre(AllOf(HasSubstr("eth0 has 64 queues for 2 workers"),
                                HasSubstr("leaves each 256 buffers"),
                                HasSubstr("`ethtool -L eth0 combined 16`"))));
  plan.workers = 64;
  EXPECT_THAT(Warnings(plan, device), IsEmpty());
}

// Loopback has none of it, and is asked all the same.
TEST(XdpPreflight, ADeviceThatAnswersNothingHasOneQueue) {
  const DeviceFacts facts = ReadDevice("lo", 65536, true);
  EXPECT_EQ(facts.queues, 1u);
  EXPECT_FALSE(facts.lro);
}

}  // namespace
}  // namespace relay::port
