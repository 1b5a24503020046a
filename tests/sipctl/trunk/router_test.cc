#include "sipctl/trunk/router.h"

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

Router Make(std::vector<Route> routes) {
  Config config;
  for (const char* name : {"exotel", "pbx", "bot"}) {
    Trunk trunk;
    trunk.name = name;
    config.trunks.push_back(trunk);
  }
  config.routes = std::move(routes);
  return Router(std::make_shared<const Config>(std::move(config)));
}

TEST(Router, TheLongestPrefixWinsInAnyOrder) {
  const Router router =
      Make({{1, "+91", 0, 0, "", 10}, {1, "", 2, 0, "", 11}, {1, "+9180", 1, 0, "", 12}});
  EXPECT_EQ(router.Find(1, "+919876543210").route, 0u);
  EXPECT_EQ(router.Find(1, "+918012345678").route, 2u);
  EXPECT_EQ(router.Find(1, "100").route, 1u);
  EXPECT_EQ(router.Find(1, "+91").route, 0u);
  EXPECT_EQ(router.Find(1, "").route, 1u);
}

TEST(Router, ARouteOfTheSourceBeatsOneForAny) {
  const Router router = Make({{1, "9", 0, 0, "", 1}, {std::nullopt, "9", 2, 0, "", 2}});
  EXPECT_EQ(router.Find(1, "99").trunk, 0u);
  EXPECT_EQ(router.Find(0, "99").trunk, 2u);
  const Router turned = Make({{std::nullopt, "9", 2, 0, "", 2}, {1, "9", 0, 0, "", 1}});
  EXPECT_EQ(turned.Find(1, "99").trunk, 0u);
  // A longer prefix for any beats a shorter one of the source.
  EXPECT_EQ(Make({{1, "9", 0, 0, "", 1}, {std::nullopt, "99", 2, 0, "", 2}}).Find(1, "991").trunk,
            2u);
}

TEST(Router, RewritesTheNumber) {
  const Router router = Make({{1, "0", 0, 1, "+91", 7}});
  const Decision decision = router.Find(1, "08012345678");
  EXPECT_EQ(decision.number, "+918012345678");
  EXPECT_EQ(decision.explanation,
            "'08012345678' from pbx goes to exotel as '+918012345678' (line 7, prefix 0)");
  EXPECT_EQ(Make({{1, "", 0, 9, "1", 7}}).Find(1, "123").number, "1");
}

TEST(Router, SaysWhenThereIsNoRoute) {
  const Router router = Make({{1, "+91", 0, 0, "", 1}});
  EXPECT_FALSE(router.Find(0, "+9112").trunk.has_value());
  EXPECT_EQ(router.Find(1, "+4412").explanation, "no route for '+4412' from pbx");
}

}  // namespace
}  // namespace sipctl::trunk
