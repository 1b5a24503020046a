#include "relay/tools/relaystat_views.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/support/relay_harness.h"

namespace relay::tools {
namespace {

class RelaystatViewsTest : public testing::Test {
 protected:
  RelaystatViewsTest() : client_(relay_.Client()) {
    abi::Command open = support::LegOpen(0x2a, 0, 10000);
    std::memcpy(open.body.leg.plan.label, "ev\x1b[31mil\xff", 10);  // a label may hold anything
    EXPECT_EQ(relay_.Do(client_, open).kind, abi::EventKind::kCommandDone);
    EXPECT_EQ(relay_.Do(client_, support::LegOpen(0x2a, 1, 10002)).kind,
              abi::EventKind::kCommandDone);
    EXPECT_EQ(relay_.Do(client_, support::Bridge(0x2a, 0, 1)).kind, abi::EventKind::kCommandDone);
    for (uint16_t i = 0; i < 5; ++i) {
      EXPECT_TRUE(relay_.port().Inject({.local = {.address = 0, .port = 10000},
                                        .remote = support::FarEnd(0),
                                        .payload = support::RtpPacket(i)}));
    }
    relay_.Step(2100);  // statistics are refreshed about once a second
    EXPECT_TRUE(relay_.Observe(&observer_).ok());
  }

  support::RelayHarness relay_;
  abi::Attachment client_;
  abi::Attachment observer_;
};

TEST_F(RelaystatViewsTest, TheJsonHoldsSessionsAndCounters) {
  const auto root = nlohmann::json::parse(Json(Take(observer_, relay_.now())));
  ASSERT_EQ(root["sessions"].size(), 1u);
  const auto& legs = root["sessions"][0]["legs"];
  ASSERT_EQ(legs.size(), 2u);
  EXPECT_EQ(legs[0]["received_packets"], 5);
  EXPECT_EQ(legs[0]["lost_packets"], 0);
  EXPECT_EQ(legs[1]["sent_packets"], 5);
  EXPECT_EQ(legs[0]["local"], "192.0.2.1:10000");
  EXPECT_EQ(legs[0]["remote"], "198.51.100.1:4000");
  EXPECT_EQ(legs[0]["codec"], "PCMA");
  EXPECT_EQ(legs[0]["label"], "ev?[31mil?");
  EXPECT_EQ(root["counters"]["forwarded"], 5);
  EXPECT_EQ(root["counters"].size(), size_t{abi::kCounterCount});
}

TEST_F(RelaystatViewsTest, TheTextLeavesZerosOutUnlessAsked) {
  const Snapshot snapshot = Take(observer_, relay_.now());
  const std::string few = Text(snapshot, false);
  EXPECT_NE(few.find("forwarded"), std::string::npos);
  EXPECT_EQ(few.find("bad_checksum"), std::string::npos);
  EXPECT_NE(few.find("198.51.100.2:4000"), std::string::npos);
  EXPECT_EQ(few.find('\x1b'), std::string::npos);
  EXPECT_NE(Text(snapshot, true).find("bad_checksum"), std::string::npos);
}

}  // namespace
}  // namespace relay::tools
