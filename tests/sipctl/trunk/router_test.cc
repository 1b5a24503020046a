#include "sipctl/trunk/router.h"

#include <algorithm>
#include <random>
#include <utility>

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

// The rule as a sentence: of the routes that match, the longest prefix; then the one that names the
// trunk; their order in the file changes nothing.
TEST(Router, AgreesWithTheRuleForRandomRoutes) {
  std::mt19937_64 random(20261121);
  const auto number = [&random](size_t length_max) {
    std::string digits;
    for (size_t i = random() % (length_max + 1); i > 0; --i) {
      digits += static_cast<char>('0' + random() % 2);
    }
    return digits;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<Route> routes;
    for (int i = 0; i < 12; ++i) {
      Route route;
      if (random() % 2 == 0) route.from = random() % 3;
      route.prefix = number(4);
      route.to = random() % 3;
      const bool taken = std::any_of(routes.begin(), routes.end(), [&route](const Route& other) {
        return other.from == route.from && other.prefix == route.prefix;
      });
      if (!taken) routes.push_back(route);
    }
    const std::string called = number(6);
    const size_t source = random() % 3;
    const Route* best = nullptr;
    const auto rank = [](const Route& route) {
      return std::pair(route.prefix.size(), route.from.has_value());
    };
    for (const Route& route : routes) {
      if (route.from.value_or(source) != source || called.rfind(route.prefix, 0) != 0) continue;
      if (best == nullptr || rank(route) > rank(*best)) best = &route;
    }
    const Decision decision = Make(routes).Find(source, called);
    ASSERT_EQ(decision.route.has_value(), best != nullptr);
    if (best != nullptr) {
      ASSERT_EQ(*decision.route, static_cast<size_t>(best - routes.data()));
    }
    std::vector<Route> turned(routes.rbegin(), routes.rend());
    ASSERT_EQ(Make(turned).Find(source, called).trunk, decision.trunk);
  }
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
