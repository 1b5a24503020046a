#include "relay/conductor/worker_link.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "tests/support/own_memory.h"

namespace relay::conductor {
namespace {

using support::Count;
using support::Where;

// A key with every bit turned over.
std::string FlippedKey() {
  std::string flipped;
  for (char c = 1; c <= 16; ++c) flipped.push_back(static_cast<char>(c * 11));
  return flipped;
}

worker::Order OrderWithKey(uint32_t leg) {
  worker::Order order{};
  order.kind = worker::OrderKind::kUpdateLeg;
  order.leg = leg;
  order.setup.srtp.suite = abi::SrtpSuite::kAesCm128HmacSha1_80;
  const std::string flipped = FlippedKey();
  std::transform(flipped.begin(), flipped.end(), order.setup.srtp.send.key,
                 [](char c) { return static_cast<uint8_t>(~c); });
  return order;
}

TEST(WorkerLink, OrdersThatWaitKeepTheirKeysAndAreWiped) {
  abi::CounterBlock counters{};
  WorkerLink link({}, 0, 16, &counters);
  const std::string flipped = FlippedKey();
  constexpr uint32_t kWaiting = 5;
  for (uint32_t i = 0; i < kMailboxCapacity + kWaiting; ++i) link.Post(OrderWithKey(i));
  ASSERT_TRUE(link.congested());
  EXPECT_EQ(Count(Where::kAnywhere, flipped), kMailboxCapacity + kWaiting);
  EXPECT_EQ(Count(Where::kInDumps, flipped), 0u);
  for (uint32_t i = 0; i < kMailboxCapacity + kWaiting; ++i) {
    worker::Order order;
    ASSERT_TRUE(link.orders()->Take(&order));
    EXPECT_EQ(order.leg, i);
    EXPECT_EQ(static_cast<uint8_t>(~order.setup.srtp.send.key[15]),
              static_cast<uint8_t>(flipped[15]));
    link.Flush();
  }
  EXPECT_FALSE(link.congested());
  EXPECT_EQ(Count(Where::kAnywhere, flipped), 0u);
}

}  // namespace
}  // namespace relay::conductor
