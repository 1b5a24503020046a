#include "relay/port/steering.h"

#include <array>
#include <cstring>
#include <random>

#include "gtest/gtest.h"

namespace relay::port {
namespace {

abi::Placement Even(uint16_t workers) {
  return abi::EvenPlacement(abi::PlacementKind::kFlowRules, workers);
}

uint8_t WorkerOf(const abi::Placement& placement, uint32_t port) {
  return abi::WorkerOf(placement, {.address = 0, .port = static_cast<uint16_t>(port)});
}

// Receive-side scaling as Microsoft wrote it down: bit by bit over the whole input.
uint32_t Toeplitz(const std::vector<uint8_t>& key, const std::array<uint8_t, 12>& input) {
  const auto key_bit = [&key](size_t bit) { return key[bit / 8] >> (7 - bit % 8) & 1u; };
  uint32_t hash = 0;
  for (size_t bit = 0; bit < 8 * input.size(); ++bit) {
    if ((input[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
    uint32_t window = 0;
    for (size_t i = 0; i < 32; ++i) window = window << 1 | key_bit(bit + i);
    hash ^= window;
  }
  return hash;
}

// The example of the specification: 66.9.149.187:2794 -> 161.142.100.80:1766.
TEST(Steering, TheTestsToeplitzIsTheRealOne) {
  const std::vector<uint8_t> key = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
  EXPECT_EQ(Toeplitz(key, {66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 0xff, 1766 >> 8,
                           1766 & 0xff}),
            0x51ccc178u);
}

TEST(Steering, RulesMatchEachPortOnceWithItsWorker) {
  constexpr std::array<std::pair<uint16_t, uint16_t>, 5> kRanges = {
      {{10000, 39999}, {1024, 65535}, {10000, 10001}, {30006, 30019}, {0, 65535}}};
  for (const auto& [first, last] : kRanges) {
    for (uint16_t workers : {1, 2, 3, 4, 7, 8, 32}) {
      const std::vector<PortRule> rules = PortRules(first, last, Even(workers));
      std::vector<int> matches(65536);
      for (const PortRule& rule : rules) {
        EXPECT_EQ(rule.value & ~rule.mask, 0);
        for (uint32_t port = 0; port < 65536; ++port) {
          if ((port & rule.mask) != rule.value) continue;
          ++matches[port];
          ASSERT_EQ(rule.worker, WorkerOf(Even(workers), port)) << port;
        }
      }
      for (uint32_t port = 0; port < 65536; ++port) {
        ASSERT_EQ(matches[port], port >= first && port <= last) << port << " of " << workers;
      }
    }
  }
}

// A NIC has room for some hundreds of rules.
TEST(Steering, RulesAreFew) {
  EXPECT_LE(PortRules(10000, 39999, Even(1)).size(), 20u);
  EXPECT_LE(PortRules(10000, 39999, Even(2)).size(), 40u);
  EXPECT_LE(PortRules(10000, 39999, Even(8)).size(), 160u);
}

// All ports, whatever the addresses and the source port are.
TEST(Steering, TheOneBitKeySteersByTheDestinationPortAlone) {
  std::mt19937 random(7);
  for (size_t entries : {64, 128, 256, 512}) {
    for (uint16_t workers : {1, 2, 4, 8, 16, 32}) {
      const std::vector<uint8_t> key = SinglePortKey(entries, 40);
      const std::vector<uint8_t> table = IndirectionTable(entries, Even(workers));
      ASSERT_EQ(table.size(), entries);
      for (uint32_t port = 0; port < 65536; port += workers == 2 ? 1 : 7) {
        std::array<uint8_t, 12> input;
        for (uint8_t& byte : input) byte = static_cast<uint8_t>(random());
        input[10] = static_cast<uint8_t>(port >> 8);
        input[11] = static_cast<uint8_t>(port);
        ASSERT_EQ(table[Toeplitz(key, input) % entries], WorkerOf(Even(workers), port)) << port;
      }
    }
  }
}

TEST(Steering, TheBitThatTheDesignNames) {
  std::vector<uint8_t> expected(40);
  expected[119 / 8] = 0x80 >> 119 % 8;
  EXPECT_EQ(SinglePortKey(128, 40), expected);
  expected.resize(52);  // Intel's and Mellanox's longer keys
  EXPECT_EQ(SinglePortKey(128, 52), expected);
}

TEST(Steering, WorkersThatATableCannotTellApart) {
  EXPECT_EQ(IndirectionTable(128, Even(3)).size(), 128u);
  EXPECT_TRUE(IndirectionTable(64, Even(3)).empty());
  EXPECT_TRUE(IndirectionTable(2, Even(4)).empty());
}

// docs/ports.md: `ethtool -X weight 1 1` makes a table of two halves, `-N ... m 0xfffd` rules of
// bit 1.
TEST(Steering, WhatPeopleAreToldToTypeForTwoWorkers) {
  const std::vector<uint8_t> table = IndirectionTable(128, Even(2));
  for (size_t i = 0; i < table.size(); ++i) EXPECT_EQ(table[i], i / 64) << i;
  for (uint32_t port = 0; port < 65536; ++port) ASSERT_EQ(WorkerOf(Even(2), port), (port & 2) / 2);
}

// What a driver says of its table is not ours to trust.
TEST(Steering, TablesAndKeysOfSizesThatDoNotFit) {
  for (const size_t entries : {0, 1, 3, 100, 192, 65536}) {
    EXPECT_TRUE(SinglePortKey(entries, 40).empty()) << entries;
    EXPECT_TRUE(IndirectionTable(entries, Even(2)).empty()) << entries;
  }
  EXPECT_TRUE(SinglePortKey(128, 14).empty());
  EXPECT_EQ(SinglePortKey(128, 15).size(), 15u);
}

}  // namespace
}  // namespace relay::port
