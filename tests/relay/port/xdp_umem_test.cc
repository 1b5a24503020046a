// Where frames lie, and which of them an address of the kernel's means.
#include "relay/port/xdp_umem.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

namespace relay::port {
namespace {

using Layout = XdpUmem::Layout;

constexpr uint32_t kFrames = 100;
// What is between the begin of a frame and its packet, and the packet's own lines.
constexpr uint64_t kHeadroomOfKernel = 256;
constexpr uint64_t kPacketBytes = 224;

XdpUmem Made(Layout layout) {
  return XdpUmem::Make(kFrames, layout).value();
}

class XdpUmemTest : public testing::TestWithParam<Layout> {};

TEST_P(XdpUmemTest, EachFrameIsGivenOnceAndHasItsOwnPlace) {
  XdpUmem umem = Made(GetParam());
  EXPECT_EQ(umem.free(), kFrames);
  std::set<uint64_t> begins;
  for (uint32_t i = 0; i < kFrames; ++i) {
    uint32_t frame = 0;
    ASSERT_TRUE(umem.Take(&frame));
    begins.insert(umem.BeginOf(frame));
  }
  uint32_t none = 0;
  EXPECT_FALSE(umem.Take(&none));
  ASSERT_EQ(begins.size(), kFrames);
  for (auto at = begins.begin(); std::next(at) != begins.end(); ++at) {
    EXPECT_GE(*std::next(at) - *at, XdpUmem::kFrameSize);
  }
  EXPECT_LE(*begins.rbegin() + XdpUmem::kFrameSize, umem.size());
}

TEST_P(XdpUmemTest, AnyByteOfAFrameIsTheFrames) {
  XdpUmem umem = Made(GetParam());
  for (uint32_t frame = 0; frame < kFrames; ++frame) {
    EXPECT_EQ(umem.FrameOf(umem.BeginOf(frame)), frame);
    EXPECT_EQ(umem.FrameOf(umem.BeginOf(frame) + XdpUmem::kFrameSize - 1), frame);
    EXPECT_EQ(umem.At(umem.BeginOf(frame)) - umem.At(0),
              static_cast<ptrdiff_t>(umem.BeginOf(frame)));
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, XdpUmemTest, testing::Values(Layout::kAligned, Layout::kSpread),
                         [](const auto& layout) {
                           return layout.param == Layout::kAligned ? "Aligned" : "Spread";
                         });

// linux/if_xdp.h: XSK_UNALIGNED_BUF_OFFSET_SHIFT.
TEST(XdpUmem, AnArrivalsOffsetStandsInTheUpperBits) {
  XdpUmem umem = Made(Layout::kSpread);
  for (uint32_t frame = 0; frame < kFrames; ++frame) {
    const uint64_t told = umem.BeginOf(frame) | kHeadroomOfKernel << 48;
    EXPECT_EQ(umem.FrameOf(told), frame);
    EXPECT_EQ(umem.At(told), umem.At(umem.BeginOf(frame) + kHeadroomOfKernel));
  }
}

// A first-level cache has 64 sets of a line each.
TEST(XdpUmem, PacketsOfSpreadFramesUseAllSetsOfACache) {
  for (const Layout layout : {Layout::kAligned, Layout::kSpread}) {
    const XdpUmem umem = Made(layout);
    std::set<uint64_t> sets;
    for (uint32_t frame = 0; frame < kFrames; ++frame) {
      for (uint64_t byte = 0; byte < kPacketBytes; byte += 64) {
        sets.insert((umem.BeginOf(frame) + kHeadroomOfKernel + byte) / 64 % 64);
      }
    }
    EXPECT_EQ(sets.size(), layout == Layout::kSpread ? 64u : 8u);
  }
}

}  // namespace
}  // namespace relay::port
