// The steering program beside another program on the same device, and what a dead relay leaves.
#include "relay/port/xdp_dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "relay/port/xdp.h"
#include "tests/relay/port/xdp_bystander.h"
#include "tests/support/veth_lab.h"

namespace relay::port {
namespace {

using test::XdpBystander;
using testing::Contains;
using testing::HasSubstr;

constexpr char kDevice[] = "near0";

absl::StatusOr<std::unique_ptr<XdpNetwork>> Open(bool dispatcher) {
  return XdpNetwork::Open({.devices = {kDevice},
                           .addresses = {{.address = abi::Address::Ipv4(10, 66, 0, 1),
                                          .port_first = 10000,
                                          .port_last = 19999,
                                          .interface_name = "near0"}},
                           .buffers = 256,
                           .dispatcher = dispatcher});
}

std::string RefusalOf(bool dispatcher) {
  const auto network = Open(dispatcher);
  return network.ok() ? "it started" : std::string(network.status().message());
}

// A relay that ends without a word: nothing that it attached is taken off.
void LiveAndDie(bool dispatcher) {
  const pid_t child = fork();
  if (child == 0) {
    const auto network = Open(dispatcher);
    _exit(network.ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
}

class XdpDispatcherTest : public testing::Test {
 protected:
  test::VethLab lab_;
};

// Some kernels take no extension programs; then it is said, and nobody's program is touched.
TEST_F(XdpDispatcherTest, TwoProgramsShareADeviceWhereTheKernelCan) {
  const XdpBystander bystander(kDevice);
  if (!KernelHasDispatchers()) {
    EXPECT_THAT(RefusalOf(true), HasSubstr("this kernel takes no extension programs"));
    EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 1);
  } else {
    const auto network = Open(true);
    ASSERT_TRUE(network.ok()) << network.status();
    EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 2);
  }
  const uint64_t before = bystander.frames();
  // The kernel still gets what is not ours.
  lab_.Far("bash -c 'echo who is there >/dev/udp/10.66.0.1/9'");
  EXPECT_GT(bystander.frames(), before);
  EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 1);
}

TEST_F(XdpDispatcherTest, WithoutTheOptionAForeignProgramIsRefusedWithTheWayOut) {
  const XdpBystander bystander(kDevice);
  EXPECT_THAT(RefusalOf(false), HasSubstr("near0 has another XDP program"));
  EXPECT_THAT(RefusalOf(false), HasSubstr("--xdp-dispatcher"));
  EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 1);
}

TEST_F(XdpDispatcherTest, ItEndsWithItsRelayWhenThatEndsInOrder) {
  {
    const auto network = Open(true);
    ASSERT_TRUE(network.ok()) << network.status();
    EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 1);
    EXPECT_THAT((*network)->Report(),
                Contains(HasSubstr("native, copy, under libxdp's dispatcher")));
  }
  EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 0);
}

TEST_F(XdpDispatcherTest, WhatADeadRelayLeftIsRemovedAtTheNextStart) {
  for (const bool dispatcher : {true, false}) {
    LiveAndDie(true);
    EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 1);
    const auto network = Open(dispatcher);
    ASSERT_TRUE(network.ok()) << network.status();
    EXPECT_THAT((*network)->TakeNews(), Contains(HasSubstr("a dead relay had left on near0")));
    EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 1);
  }
}

TEST_F(XdpDispatcherTest, ALivingRelayIsNotRobbed) {
  for (const bool dispatcher : {true, false}) {
    const auto network = Open(dispatcher);
    ASSERT_TRUE(network.ok()) << network.status();
    EXPECT_THAT(RefusalOf(true), HasSubstr(", serves near0; stop it"));
    EXPECT_THAT(RefusalOf(false), HasSubstr(", serves near0; stop it"));
    EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 1);
  }
}

TEST_F(XdpDispatcherTest, WhoeverTakesItOffFindsItBackAgain) {
  const auto network = Open(true);
  ASSERT_TRUE(network.ok()) << network.status();
  EXPECT_EQ(RemoveSteeringLeftovers(static_cast<int>(if_nametoindex(kDevice))), 1);
  EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 0);
  abi::CounterBlock counters{};
  (*network)->Turn(MonotonicNow(), counters);
  EXPECT_EQ(counters.Read(abi::Counter::kXdpReattached), 1u);
  EXPECT_THAT((*network)->TakeNews(), Contains(HasSubstr("it is attached again")));
  EXPECT_EQ(XdpBystander::ProgramsOn(kDevice), 1);
}

TEST_F(XdpDispatcherTest, WithoutBpffsItSaysWhatToMount) {
  setenv("LIBXDP_BPFFS", "/proc", 1);
  EXPECT_THAT(RefusalOf(true), HasSubstr("mount -t bpf bpf /proc"));
  EXPECT_EQ(RefusalOf(false), "it started");
  unsetenv("LIBXDP_BPFFS");
}

}  // namespace
}  // namespace relay::port

int main(int count, char** arguments) {
  relay::test::NeedRoot();
  relay::test::OwnBpffs();
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
