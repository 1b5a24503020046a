#include "relay/session/session_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

namespace relay::session {
namespace {

const PortRange kRanges[] = {{10000, 10099}, {2, 1}, {40000, 40001}};

TEST(SessionTable, FindsBothPortsOfAPair) {
  SessionTable table(kRanges);
  ASSERT_TRUE(table.Insert({.address = 0, .port = 10010}, 7));
  EXPECT_EQ(table.Find({.address = 0, .port = 10010}), 7u);
  EXPECT_EQ(table.Find({.address = 0, .port = 10011}), 7u);
  EXPECT_EQ(table.Find({.address = 0, .port = 10009}), kNoLeg);
  EXPECT_EQ(table.Find({.address = 0, .port = 10012}), kNoLeg);
  EXPECT_EQ(table.Find({.address = 2, .port = 40000}), kNoLeg);
}

TEST(SessionTable, KnowsTheEdgesOfEachRange) {
  SessionTable table(kRanges);
  EXPECT_TRUE(table.Insert({.address = 0, .port = 10000}, 1));
  EXPECT_TRUE(table.Insert({.address = 0, .port = 10098}, 2));
  EXPECT_TRUE(table.Insert({.address = 2, .port = 40000}, 3));
  EXPECT_FALSE(table.Insert({.address = 0, .port = 9998}, 4));
  EXPECT_FALSE(table.Insert({.address = 0, .port = 10100}, 4));
  EXPECT_FALSE(table.Insert({.address = 1, .port = 10000}, 4));
  EXPECT_FALSE(table.Insert({.address = 2, .port = 40002}, 4));
  EXPECT_FALSE(table.Insert({.address = 255, .port = 10000}, 4));
  EXPECT_FALSE(table.Insert({.address = 256, .port = 10000}, 4));
  EXPECT_FALSE(table.Insert({.address = 65535, .port = 65534}, 4));
  EXPECT_EQ(table.Find({.address = 0, .port = 10099}), 2u);
  EXPECT_EQ(table.Find({.address = 0, .port = 0}), kNoLeg);
  EXPECT_EQ(table.Find({.address = 0, .port = 65535}), kNoLeg);
}

TEST(SessionTable, RefusesATakenPairAndFreesAnErasedOne) {
  SessionTable table(kRanges);
  const abi::LocalEndpoint local{.address = 0, .port = 10020};
  ASSERT_TRUE(table.Insert(local, 1));
  EXPECT_FALSE(table.Insert(local, 2));
  EXPECT_EQ(table.Find(local), 1u);
  table.Erase(local);
  EXPECT_EQ(table.Find(local), kNoLeg);
  EXPECT_TRUE(table.Insert(local, 2));
}

TEST(SessionTable, CoversEveryPortOfTheWidestRange) {
  const PortRange whole[] = {{0, 65535}};
  SessionTable table(whole);
  for (uint32_t port = 0; port < 65536; port += 2) {
    ASSERT_TRUE(table.Insert({.address = 0, .port = static_cast<uint16_t>(port)}, port));
  }
  for (uint32_t port = 0; port < 65536; ++port) {
    ASSERT_EQ(table.Find({.address = 0, .port = static_cast<uint16_t>(port)}), port & ~1u);
  }
}

// A long random walk against the obvious model.
TEST(SessionTable, BehavesLikeAMapOfPairs) {
  const PortRange ranges[] = {{10000, 10063}, {20000, 20031}, {10000, 10063}};
  SessionTable table(ranges);
  std::map<std::pair<int, int>, uint32_t> model;
  std::mt19937 random(20261121);
  for (int step = 0; step < 200000; ++step) {
    const uint16_t address = static_cast<uint16_t>(random() % 4);
    const uint16_t port = static_cast<uint16_t>((random() % 2 ? 9990 : 19990) + random() % 90);
    const abi::LocalEndpoint local{.address = address, .port = port};
    const bool inside =
        address < 3 && port >= ranges[address].first && port <= ranges[address].last;
    const auto key = std::make_pair(int{address}, port >> 1);
    switch (random() % 3) {
      case 0:
        ASSERT_EQ(table.Insert(local, step), inside && !model.contains(key));
        if (inside) model.try_emplace(key, step);
        break;
      case 1:
        table.Erase(local);
        model.erase(key);
        break;
      default:
        table.Prefetch(local);
        ASSERT_EQ(table.Find(local), model.contains(key) ? model[key] : kNoLeg);
    }
  }
}

}  // namespace
}  // namespace relay::session
