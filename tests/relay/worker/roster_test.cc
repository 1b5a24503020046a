// Who hears whom, after each order.
#include "relay/worker/roster.h"

#include "tests/relay/worker/office.h"

namespace relay::worker {
namespace {

using session::kNoLeg;

class RosterTest : public Office {
 protected:
  RosterTest() {
    for (uint32_t leg = 0; leg < 3; ++leg) Open(leg, SetupFor(leg, kTrunk));
  }
  const session::Gate& gate(uint32_t leg) { return legs[leg].gate; }
  const session::BridgesLine& bridges(uint32_t leg) { return legs[leg].bridges; }
};

TEST_F(RosterTest, ABridgeIsKnownToBothItsEnds) {
  Hear(0, 1);
  EXPECT_EQ(gate(0).listeners[0], 1u);
  EXPECT_EQ(bridges(1).speakers[0], 0u);
  EXPECT_EQ(gate(1).listeners[0], kNoLeg);
  Hear(0, 1);  // again: nothing new
  EXPECT_EQ(gate(0).listeners[1], kNoLeg);
}

TEST_F(RosterTest, LaterListenersMoveUp) {
  Hear(0, 1);
  Hear(0, 2);
  Unhear(0, 1);
  EXPECT_EQ(gate(0).listeners[0], 2u);
  EXPECT_EQ(gate(0).listeners[1], kNoLeg);
  EXPECT_EQ(bridges(1).speakers[0], kNoLeg);
  EXPECT_EQ(bridges(2).speakers[0], 0u);
}

TEST_F(RosterTest, AClosedLegLeavesNoBridgeBehind) {
  Join(0, 1);
  Hear(2, 1);
  Close(1);
  for (const uint32_t leg : {0u, 2u}) {
    EXPECT_EQ(gate(leg).listeners[0], kNoLeg);
    EXPECT_EQ(bridges(leg).speakers[0], kNoLeg);
  }
  EXPECT_EQ(counters.Read(abi::Counter::kLegsClosed), 1u);
}

TEST_F(RosterTest, OrdersForLegsThatAreNotThereDoNothing) {
  Hear(0, 9);
  Hear(9, 0);
  Hear(0, 1000);
  Close(9);
  EXPECT_EQ(gate(0).listeners[0], kNoLeg);
  EXPECT_EQ(bridges(0).speakers[0], kNoLeg);
  EXPECT_EQ(counters.Read(abi::Counter::kLegsClosed), 0u);
}

}  // namespace
}  // namespace relay::worker
