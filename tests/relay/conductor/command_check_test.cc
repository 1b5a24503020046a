// What only the check by itself decides; refusals end to end are in session_factory_test.cc.
#include "relay/conductor/command_check.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "relay/conductor/segment.h"
#include "tests/support/relay_harness.h"

namespace relay::conductor {
namespace {

class CommandCheckTest : public testing::Test {
 protected:
  CommandCheckTest() {
    addresses_[0].address = abi::Address::Ipv4(192, 0, 2, 1);
    addresses_[0].port_first = 10000;
    addresses_[0].port_last = 10999;
    leases_ = LeasesOf(0, 1, addresses_);
  }
  Finding Check(const abi::Command& command) const {
    return CheckCommand(command, {.addresses = addresses_, .leases = leases_});
  }

  std::vector<abi::LocalAddress> addresses_{1};
  std::vector<abi::Lease> leases_;
};

TEST_F(CommandCheckTest, GoodCommandsPass) {
  EXPECT_TRUE(Check(support::LegOpen(1, 0, 10000)).ok());
  EXPECT_TRUE(Check(support::LegOpen(1, 7, 10998)).ok());
  EXPECT_TRUE(Check(support::Bridge(1, 0, 1)).ok());
  EXPECT_TRUE(Check(support::LegClose(1, 0)).ok());
  EXPECT_TRUE(Check(support::SessionClose(1)).ok());
  EXPECT_TRUE(Check(support::Networks(0, 16)).ok());
}

TEST_F(CommandCheckTest, AnUnknownRemoteNeedsNoAddress) {
  abi::Command command = support::LegOpen(1, 0, 10000);
  command.body.leg.plan.remote_rtp = {};
  command.body.leg.plan.remote_rtcp = {};
  EXPECT_TRUE(Check(command).ok());
}

TEST_F(CommandCheckTest, RtcpsAddressDoesNotMatterUnderMux) {
  abi::Command command = support::LegOpen(1, 0, 10000);
  command.body.leg.plan.remote_rtcp.address = {};
  EXPECT_EQ(Check(command).refusal, abi::Refusal::kBadRemote);
  command.body.leg.plan.rtcp_mux = 1;
  EXPECT_TRUE(Check(command).ok());
}

TEST_F(CommandCheckTest, PayloadTypesThatLookLikeRtcpAreNotForMux) {
  abi::Command command = support::LegOpen(1, 0, 10000);
  abi::Format& format = command.body.leg.plan.formats[0];
  format = abi::EqualFormat(72, abi::Codec::kOpaque, 8000);
  EXPECT_TRUE(Check(command).ok());
  command.body.leg.plan.rtcp_mux = 1;
  EXPECT_EQ(Check(command).refusal, abi::Refusal::kBadFormat);
  format.payload_type = 96;
  EXPECT_EQ(Check(command).refusal, abi::Refusal::kBadFormat)
      << "what we send is on that port, too";
  format.payload_type_sent = 97;
  EXPECT_TRUE(Check(command).ok());
  format.payload_type_sent = 128;
  EXPECT_EQ(Check(command).refusal, abi::Refusal::kBadFormat);
}

TEST_F(CommandCheckTest, ALinkLocalPartyNeedsTheInterfaceOfTheLocalAddress) {
  addresses_[0].address = {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  abi::Command command = support::LegOpen(1, 0, 10000);
  abi::LegPlan& plan = command.body.leg.plan;
  plan.remote_rtp.address = {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};
  plan.remote_rtcp.address = plan.remote_rtp.address;
  EXPECT_EQ(Check(command).refusal, abi::Refusal::kBadRemote);
  std::memcpy(addresses_[0].interface_name, "lan", 4);
  EXPECT_TRUE(Check(command).ok());
}

TEST_F(CommandCheckTest, WithoutLearningThereMustBeNetworks) {
  abi::Command command = support::LegOpen(1, 0, 10000);
  command.body.leg.plan.learning = abi::Learning::kOff;
  const Finding finding = Check(command);
  EXPECT_EQ(finding.refusal, abi::Refusal::kBadNetworkSet);
  EXPECT_EQ(finding.field, kPlanOffset + offsetof(abi::LegPlan, network_set));
  command.body.leg.plan.network_set = 0;
  EXPECT_TRUE(Check(command).ok());
}

TEST_F(CommandCheckTest, AnIpv4NetworkHasAtLeast96Bits) {
  abi::Command command = support::Networks(0, 1);
  command.body.network_set.networks[0].prefix_length = 95;
  EXPECT_EQ(Check(command).refusal, abi::Refusal::kBadValue);
}

// Every byte of a plan that is not covered by a named field must be zero, and every named field
// has a bound: whatever single byte is turned to 0xff, the check neither crashes nor points
// outside the record.
TEST_F(CommandCheckTest, FindingsPointIntoTheRecord) {
  const abi::Command good = support::LegOpen(1, 0, 10000);
  for (size_t at = 0; at < sizeof good; ++at) {
    abi::Command bad = good;
    auto* bytes = reinterpret_cast<uint8_t*>(&bad);
    bytes[at] = 0xff;
    const Finding finding = Check(bad);
    EXPECT_LT(finding.field, sizeof bad);
    if (at >= kBodyOffset + sizeof(abi::LegCommand)) {
      EXPECT_EQ(finding.refusal, abi::Refusal::kReservedNotZero) << at;
    }
  }
}

TEST_F(CommandCheckTest, NoiseIsRefused) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    abi::Command command;
    auto* bytes = reinterpret_cast<uint8_t*>(&command);
    for (size_t at = 0; at < sizeof command; ++at) bytes[at] = static_cast<uint8_t>(random());
    EXPECT_FALSE(Check(command).ok());
  }
}

}  // namespace
}  // namespace relay::conductor
