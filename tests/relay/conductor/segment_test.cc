#include "relay/conductor/segment.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace relay::conductor {
namespace {

TEST(SegmentTest, AMemfdCanBeNeitherShrunkNorGrown) {
  const abi::Descriptor fd = MakeSealedMemfd("test", 8192).value();
  EXPECT_EQ(fcntl(fd.get(), F_GET_SEALS) & abi::kSeals, abi::kSeals);
  EXPECT_NE(ftruncate(fd.get(), 4096), 0);
  EXPECT_NE(ftruncate(fd.get(), 16384), 0);
  EXPECT_EQ(errno, EPERM);
}

TEST(SegmentTest, TheReadOnlyDescriptorCannotBeMappedWritable) {
  const abi::Descriptor fd = MakeSealedMemfd("test", 4096).value();
  const abi::Descriptor reader = ReopenReadOnly(fd.get()).value();
  abi::Mapping mapping;
  EXPECT_FALSE(mapping.Map(reader.get(), 4096, PROT_READ | PROT_WRITE));
  EXPECT_TRUE(mapping.Map(reader.get(), 4096, PROT_READ));
}

TEST(SegmentTest, AnotherUserCannotOpenItAgainForWriting) {
  const abi::Descriptor fd = MakeSealedMemfd("test", 4096).value();
  struct stat status;
  ASSERT_EQ(fstat(fd.get(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST(SegmentTest, TheMagicComesLast) {
  abi::LocalAddress address{};
  address.port_first = 10000;
  address.port_last = 10003;
  StateSegment state =
      StateSegment::Create({.addresses = {address},
                            .placement = abi::EvenPlacement(abi::PlacementKind::kSockets, 2),
                            .workers = 2,
                            .client_slots = 1,
                            .sessions_max = 3,
                            .legs_max = 6,
                            .instance = 5,
                            .started_ns = 9})
          .value();
  EXPECT_EQ(state.header().magic.load(), 0u);
  EXPECT_EQ(state.header().layout_hash, abi::LayoutHash());
  EXPECT_EQ(state.header().local_addresses, 1);
  // The parts lie behind each other and end where the memfd ends.
  const abi::StateHeader& header = state.header();
  EXPECT_GE(header.counters_offset, sizeof(abi::StateHeader));
  EXPECT_GE(header.sessions_offset, header.counters_offset + 3 * sizeof(abi::CounterBlock));
  EXPECT_GE(header.statistics_offset, header.sessions_offset + 3 * sizeof(abi::SessionRecord));
  EXPECT_GE(header.size, header.statistics_offset + 6 * sizeof(abi::LegStatisticsSlot));
  EXPECT_EQ(state.own_counters(), state.counters(2));
  state.Publish();
  EXPECT_EQ(state.header().magic.load(), abi::kMagic);
}

TEST(SegmentTest, LeasesShareEveryPairOnce) {
  std::vector<abi::LocalAddress> addresses(2);
  addresses[0].port_first = 10000;
  addresses[0].port_last = 10019;  // 10 pairs
  addresses[1].port_first = 20000;
  addresses[1].port_last = 20005;  // 3 pairs
  std::vector<int> used(65536);
  for (uint16_t slot = 0; slot < 3; ++slot) {
    for (const abi::Lease& lease : LeasesOf(slot, 3, addresses)) {
      EXPECT_EQ(lease.port_first % 2, 0);
      EXPECT_EQ(lease.port_last % 2, 1);
      for (int port = lease.port_first; port <= lease.port_last; ++port) ++used[port];
    }
  }
  for (int port = 0; port < 65536; ++port) {
    const bool ours = (port >= 10000 && port <= 10019) || (port >= 20000 && port <= 20005);
    EXPECT_EQ(used[port], ours ? 1 : 0) << port;
  }
}

}  // namespace
}  // namespace relay::conductor
