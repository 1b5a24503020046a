#include "kernels/isa.h"

#include <gtest/gtest.h>

namespace kernels {
namespace {

TEST(Isa, NamesLeadBack) {
  for (Isa isa : kAllIsas) EXPECT_EQ(IsaOf(IsaName(isa)), isa);
  EXPECT_EQ(IsaOf("mmx"), std::nullopt);
  EXPECT_EQ(IsaOf(""), std::nullopt);
}

TEST(Isa, BestIsSupported) {
  EXPECT_TRUE(IsSupported(Isa::kScalar));
  EXPECT_TRUE(IsSupported(BestIsa()));
}

}  // namespace
}  // namespace kernels
