#include "sipctl/media/port_allocator.h"

#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace sipctl::media {
namespace {

using relay::abi::Address;
using relay::abi::EvenPlacement;
using relay::abi::LocalEndpoint;
using relay::abi::PlacementKind;

const Address kA = Address::Ipv4(10, 0, 0, 1);
const Address kB = Address::Ipv4(10, 0, 0, 2);

class PortAllocatorTest : public testing::Test {
 protected:
  // `pairs` port pairs on each of the two addresses.
  void Lend(uint16_t pairs, uint16_t workers, std::vector<Address> addresses = {kA, kB}) {
    addresses_.clear();
    leases_.clear();
    for (size_t i = 0; i < addresses.size(); ++i) {
      relay::abi::LocalAddress address{};
      address.address = addresses[i];
      addresses_.push_back(address);
      leases_.push_back({.address = static_cast<uint16_t>(i),
                         .port_first = 10000,
                         .port_last = static_cast<uint16_t>(10000 + 2 * pairs - 1),
                         .reserved = 0});
    }
    placement_ = EvenPlacement(PlacementKind::kSockets, workers);
    ports_.Reset({.addresses = addresses_, .leases = leases_, .placement = placement_});
  }
  std::optional<PortAllocator::Pairs> Take(TimeMs now) {
    return ports_.Take(std::vector{kA}, std::vector{kB}, now);
  }

  std::vector<relay::abi::LocalAddress> addresses_;
  std::vector<relay::abi::Lease> leases_;
  relay::abi::Placement placement_;
  PortAllocator ports_;
};

TEST_F(PortAllocatorTest, PairsAreEvenUniqueAndOnOneWorker) {
  Lend(100, 4);
  std::set<std::pair<int, int>> seen;
  for (int i = 0; i < 100; ++i) {
    const auto pairs = Take(0);
    ASSERT_TRUE(pairs);
    for (const LocalEndpoint& pair : {pairs->first, pairs->second}) {
      EXPECT_EQ(pair.port % 2, 0);
      EXPECT_TRUE(seen.insert({pair.address, pair.port}).second);
    }
    EXPECT_EQ(pairs->first.address, 0);
    EXPECT_EQ(pairs->second.address, 1);
    EXPECT_EQ(WorkerOf(placement_, pairs->first), WorkerOf(placement_, pairs->second));
  }
  EXPECT_FALSE(Take(0));
  EXPECT_EQ(ports_.in_use(), 200u);
}

TEST_F(PortAllocatorTest, WorkersAreLoadedEvenly) {
  Lend(64, 4);
  std::vector<int> load(4);
  for (int i = 0; i < 40; ++i) ++load[WorkerOf(placement_, Take(0)->first)];
  EXPECT_EQ(load, (std::vector<int>{10, 10, 10, 10}));
}

TEST_F(PortAllocatorTest, AddressesOfATrunkAreLoadedEvenly) {
  Lend(50, 1);
  const std::vector both = {kA, kB};
  int on_a = 0;
  for (int i = 0; i < 40; ++i) {
    const auto pairs = ports_.Take(both, both, 0);
    ASSERT_TRUE(pairs);
    on_a += (pairs->first.address == 0) + (pairs->second.address == 0);
  }
  EXPECT_EQ(on_a, 40);
}

TEST_F(PortAllocatorTest, BothLegsMayShareAnAddressButNotAPair) {
  Lend(3, 1);
  const auto pairs = ports_.Take(std::vector{kA}, std::vector{kA}, 0);
  ASSERT_TRUE(pairs);
  EXPECT_NE(pairs->first.port, pairs->second.port);
  EXPECT_FALSE(ports_.Take(std::vector{kA}, std::vector{kA}, 0)) << "only one pair is left";
  EXPECT_TRUE(Take(0)) << "a call with one leg there still fits";
}

TEST_F(PortAllocatorTest, ReleasedPairsRest) {
  Lend(1, 1);
  const auto pairs = Take(1000);
  ASSERT_TRUE(pairs);
  ports_.Release(pairs->first, 5000);
  ports_.Release(pairs->second, 5000);
  EXPECT_FALSE(Take(5000 + kRestMs - 1));
  EXPECT_TRUE(Take(5000 + kRestMs));
}

TEST_F(PortAllocatorTest, APairThatCannotBeBoundIsLeftAloneForLonger) {
  Lend(2, 1);
  const auto pairs = Take(0);
  ASSERT_TRUE(pairs);
  ports_.Avoid(pairs->first, 1000);
  ports_.Release(Take(1000)->first, 2000);
  EXPECT_EQ(ports_.avoided(), 1u);
  ports_.Release(pairs->second, 2000);
  // The one released later comes first: the other is not to be had yet.
  const auto next = Take(2000 + kRestMs);
  ASSERT_TRUE(next);
  EXPECT_NE(next->first, pairs->first);
  ports_.Release(next->second, 0);
  EXPECT_FALSE(Take(1000 + kAvoidMs - 1));
  EXPECT_EQ(Take(1000 + kAvoidMs)->first, pairs->first);
}

TEST_F(PortAllocatorTest, AnotherPairComesFromTheSameWorker) {
  Lend(64, 4);
  const auto pairs = Take(0);
  ASSERT_TRUE(pairs);
  const auto other = ports_.TakeBeside(pairs->first, std::vector{kA}, 0);
  ASSERT_TRUE(other);
  EXPECT_NE(*other, pairs->first);
  EXPECT_EQ(WorkerOf(placement_, *other), WorkerOf(placement_, pairs->first));
}

TEST_F(PortAllocatorTest, LongestAtRestComesFirst) {
  Lend(3, 1);
  std::vector<PortAllocator::Pairs> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(*Take(0));
  TimeMs now = 10;
  for (size_t i : {2, 0, 1}) {
    ports_.Release(calls[i].first, now);
    ports_.Release(calls[i].second, now);
    ++now;
  }
  EXPECT_EQ(Take(kRestMs * 2)->first, calls[2].first);
}

TEST_F(PortAllocatorTest, ASecondReleaseDoesNothing) {
  Lend(2, 1);
  const auto pairs = Take(0);
  ports_.Release(pairs->first, 0);
  ports_.Release(pairs->first, 0);
  ports_.Release({.address = 0, .port = 10001}, 0);
  ports_.Release({.address = 9, .port = 10000}, 0);
  EXPECT_EQ(ports_.in_use(), 1u);
}

TEST_F(PortAllocatorTest, ClaimedPairsAreNotGivenOut) {
  Lend(2, 1);
  EXPECT_TRUE(ports_.Claim({.address = 0, .port = 10000}));
  EXPECT_FALSE(ports_.Claim({.address = 0, .port = 20000})) << "not leased";
  EXPECT_EQ(Take(0)->first.port, 10002);
  EXPECT_FALSE(Take(0));
}

TEST_F(PortAllocatorTest, AnotherNumberingKeepsUseAndRest) {
  Lend(2, 1);
  const auto used = Take(0);
  const auto resting = Take(0);
  ports_.Release(resting->first, 100);
  ports_.Release(resting->second, 100);
  Lend(2, 1, {kB, kA});
  EXPECT_EQ(ports_.in_use(), 2u);
  EXPECT_EQ(ports_.IndexOf(kA), 1);
  EXPECT_FALSE(Take(200)) << "one is used, one at rest";
  const auto later = Take(100 + kRestMs);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->first.address, 1);
  EXPECT_EQ(later->first.port, resting->first.port);
  ports_.Release({.address = 1, .port = used->first.port}, 0);
  EXPECT_EQ(ports_.in_use(), 3u);
}

TEST_F(PortAllocatorTest, NothingWithoutARelay) {
  EXPECT_FALSE(Take(0));
}

}  // namespace
}  // namespace sipctl::media
