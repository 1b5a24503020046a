#include "relay/port/preflight.h"

#include <sys/resource.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace relay::port {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr PreflightPlan kPlan{
    .port_first = 10000, .port_last = 39999, .addresses = 1, .receive_buffer_bytes = 0};

MachineFacts GoodMachine() {
  return {.descriptors = 100000,
          .descriptors_max = 100000,
          .ephemeral_first = 32768,
          .ephemeral_last = 60999,
          .reserved_ports = "10000-39999",
          .receive_buffer_bytes_max = 212992};
}

TEST(Preflight, AGoodMachineGivesNoWarning) {
  EXPECT_THAT(Warnings(kPlan, GoodMachine()), IsEmpty());
}

TEST(Preflight, TooFewDescriptorsForTheRange) {
  MachineFacts facts = GoodMachine();
  facts.descriptors = 20000;
  EXPECT_THAT(Warnings(kPlan, facts),
              ElementsAre("The limit of 20000 open files lets the relay use 19744 of its 30000 "
                          "ports at a time; start it with LimitNOFILE=30256 (systemd) or "
                          "`ulimit -n 30256`."));
  facts.descriptors = 30256;
  EXPECT_THAT(Warnings(kPlan, facts), IsEmpty());
  PreflightPlan two_addresses = kPlan;
  two_addresses.addresses = 2;
  EXPECT_THAT(Warnings(two_addresses, facts), ElementsAre(HasSubstr("of its 60000 ports")));
}

TEST(Preflight, EphemeralPortsInTheRange) {
  MachineFacts facts = GoodMachine();
  facts.reserved_ports = "";
  EXPECT_THAT(Warnings(kPlan, facts),
              ElementsAre("The kernel may lend ports 32768-39999 to other programs as source "
                          "ports, and the relay would find them taken; reserve them: sysctl -w "
                          "net.ipv4.ip_local_reserved_ports=10000-39999"));
  facts.reserved_ports = "8080,20000-39000";
  EXPECT_THAT(Warnings(kPlan, facts),
              ElementsAre(HasSubstr("ip_local_reserved_ports=8080,20000-39000,10000-39999")));
  facts.ephemeral_first = 40000;
  EXPECT_THAT(Warnings(kPlan, facts), IsEmpty());
}

TEST(Preflight, AReceiveBufferBeyondTheBound) {
  PreflightPlan plan = kPlan;
  plan.receive_buffer_bytes = 1000000;
  EXPECT_THAT(Warnings(plan, GoodMachine()),
              ElementsAre(HasSubstr("sysctl -w net.core.rmem_max=1000000")));
}

TEST(Preflight, ListsOfPorts) {
  EXPECT_TRUE(CoversPorts("10000-39999", 10000, 39999));
  EXPECT_TRUE(CoversPorts("1,10000-20000,20001-39999", 10000, 39999));
  EXPECT_TRUE(CoversPorts(" 80 , 100-101\n", 100, 101));
  EXPECT_TRUE(CoversPorts("65535", 65535, 65535));
  EXPECT_FALSE(CoversPorts("", 1, 1));
  EXPECT_FALSE(CoversPorts("10000-20000,20002-39999", 10000, 39999));
  EXPECT_FALSE(CoversPorts("no-list", 1, 1));
}

TEST(Preflight, TheMachineIsReadAndItsDescriptorLimitRaised) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{.rlim_cur = before.rlim_max / 2, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const MachineFacts facts = PrepareMachine();
  EXPECT_EQ(facts.descriptors, before.rlim_max);
  EXPECT_EQ(facts.descriptors_max, before.rlim_max);
  EXPECT_GT(facts.ephemeral_first, 0);
  EXPECT_GT(facts.ephemeral_last, facts.ephemeral_first);
}

}  // namespace
}  // namespace relay::port
