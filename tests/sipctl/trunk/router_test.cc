#include "sipctl/trunk/router.h"

#include <algorithm>
#include <random>
#include <string>
#include <tuple>

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
  EXPECT_EQ(router.Find({1, "+919876543210"}).route, 0u);
  EXPECT_EQ(router.Find({1, "+918012345678"}).route, 2u);
  EXPECT_EQ(router.Find({1, "100"}).route, 1u);
  EXPECT_EQ(router.Find({1, "+91"}).route, 0u);
  EXPECT_EQ(router.Find({1, ""}).route, 1u);
}

TEST(Router, ARouteOfTheSourceBeatsOneForAny) {
  const Router router = Make({{1, "9", 0, 0, "", 1}, {std::nullopt, "9", 2, 0, "", 2}});
  EXPECT_EQ(router.Find({1, "99"}).trunk, 0u);
  EXPECT_EQ(router.Find({0, "99"}).trunk, 2u);
  const Router turned = Make({{std::nullopt, "9", 2, 0, "", 2}, {1, "9", 0, 0, "", 1}});
  EXPECT_EQ(turned.Find({1, "99"}).trunk, 0u);
  // A longer prefix for any beats a shorter one of the source.
  EXPECT_EQ(Make({{1, "9", 0, 0, "", 1}, {std::nullopt, "99", 2, 0, "", 2}}).Find({1, "991"}).trunk,
            2u);
}

TEST(Router, NumbersAreE164ForRoutesAndAsTheDestinationWantsThemAfterwards) {
  Config config;
  config.trunks.resize(2);
  config.trunks[0].name = "pbx";
  config.trunks[0].number_plan = {.country = "91", .digits = 10};
  config.trunks[1].name = "carrier";
  config.routes = {{0, "+91", 1, 0, "", 1}, {0, "", 1, 0, "", 2}};
  const auto find = [&config](std::string_view number) {
    return Router(std::make_shared<const Config>(config)).Find({.source = 0, .number = number});
  };
  EXPECT_EQ(find("09812345678").route, 0u);
  EXPECT_EQ(find("09812345678").number, "+919812345678");
  EXPECT_EQ(find("09812345678").explanation,
            "'09812345678' is +919812345678; '+919812345678' from pbx goes to carrier as "
            "'+919812345678' (line 1, prefix +91)");
  EXPECT_EQ(find("112").route, 1u);
  EXPECT_EQ(find("112").number, "112");
  config.trunks[1].number_plan = {.country = "91", .digits = 10};
  config.trunks[1].number_form = NumberForm::kNational;
  EXPECT_EQ(find("+91 98123 45678").number, "09812345678");
  EXPECT_EQ(find("0014155550100").number, "0014155550100");
  EXPECT_EQ(find("112").number, "112");
  const Router router(std::make_shared<const Config>(config));
  const Query query{.source = 0, .number = "9812345678"};
  EXPECT_EQ(router.Verdict(1, query, router.Find(query)), "line 1 has a longer prefix");
}

// The rule as a sentence: of the routes that match, the one with the whole number; then the longest
// prefix; then the narrowest source; then the one that names the trunk. Their order in the file
// changes nothing.
TEST(Router, AgreesWithTheRuleForRandomRoutes) {
  std::mt19937_64 random(20261121);
  const auto number = [&random](size_t length_max) {
    std::string digits;
    for (size_t i = random() % (length_max + 1); i > 0; --i) {
      digits += static_cast<char>('0' + random() % 2);
    }
    return digits;
  };
  const auto address = [](uint64_t last) {
    return *sdp::ParseIpAddress("10.0.0." + std::to_string(last));
  };
  for (int round = 0; round < 1000; ++round) {
    std::vector<Route> routes;
    for (int i = 0; i < 12; ++i) {
      Route route;
      if (random() % 2 == 0) route.from = random() % 3;
      if (random() % 4 == 0) {
        route.numbers = {number(4), number(4)};
      } else {
        route.prefix = number(4);
      }
      if (random() % 4 == 0) {
        const uint64_t wide = random() % 3;  // /32, /31 or /30 of eight addresses
        route.sources = {{.address = address(random() % 8 >> wide << wide),
                          .prefix_length = static_cast<uint8_t>(128 - wide)}};
      }
      route.to = random() % 3;
      const bool taken = std::any_of(routes.begin(), routes.end(), [&route](const Route& other) {
        const auto shared = [&](const std::string& each) {
          return std::count(other.numbers.begin(), other.numbers.end(), each) > 0;
        };
        return other.from == route.from && other.sources == route.sources &&
               (std::any_of(route.numbers.begin(), route.numbers.end(), shared) ||
                (route.numbers.empty() && other.numbers.empty() && other.prefix == route.prefix));
      });
      if (!taken) routes.push_back(route);
    }
    const std::string called = number(6);
    const size_t source = random() % 3;
    const sdp::IpAddress caller = address(random() % 8);
    const auto listed = [&](const Route& route) {
      return std::count(route.numbers.begin(), route.numbers.end(), called) > 0;
    };
    const auto bits = [](const Route& route) {
      return route.sources.empty() ? -1 : static_cast<int>(route.sources[0].prefix_length);
    };
    const Route* best = nullptr;
    const auto rank = [&](const Route& route) {
      return std::tuple(listed(route), route.prefix.size(), bits(route), route.from.has_value());
    };
    for (const Route& route : routes) {
      if (route.from.value_or(source) != source || called.rfind(route.prefix, 0) != 0) continue;
      if (!route.numbers.empty() && !listed(route)) continue;
      if (!route.sources.empty() && !route.sources[0].Contains(caller)) continue;
      if (best == nullptr || rank(route) > rank(*best)) best = &route;
    }
    const Query query{source, called, caller};
    const Decision decision = Make(routes).Find(query);
    ASSERT_EQ(decision.route.has_value(), best != nullptr);
    if (best != nullptr) {
      ASSERT_EQ(*decision.route, static_cast<size_t>(best - routes.data()));
    }
    ASSERT_EQ(decision.status, best == nullptr ? 404 : 0);
    std::vector<Route> turned(routes.rbegin(), routes.rend());
    ASSERT_EQ(Make(turned).Find(query).trunk, decision.trunk);
    // Of every route something is said, and of the taken one alone that it is.
    for (size_t i = 0; i < routes.size(); ++i) {
      const std::string verdict = Make(routes).Verdict(i, query, decision);
      ASSERT_EQ(verdict == "taken", i == decision.route) << verdict;
      ASSERT_NE(verdict, "is not asked");
    }
  }
}

TEST(Router, ATrunkThatMayNotCallIsRefusedWhateverTheRoutes) {
  Config config;
  config.trunks.resize(2);
  config.trunks[0].name = "carrier";
  config.trunks[0].way = Way::kOutbound;
  config.routes = {{std::nullopt, "", 1, 0, "", 1}};
  const Router router(std::make_shared<const Config>(config));
  const Decision decision = router.Find({0, "100"});
  EXPECT_FALSE(decision.trunk.has_value());
  EXPECT_EQ(decision.status, 403);
  EXPECT_EQ(decision.explanation, "trunk carrier is outbound: it may not call us");
  EXPECT_EQ(router.Find({1, "100"}).trunk, 1u);
}

TEST(Router, RewritesTheNumber) {
  const Router router = Make({{1, "0", 0, 1, "+91", 7}});
  const Decision decision = router.Find({1, "08012345678"});
  EXPECT_EQ(decision.number, "+918012345678");
  EXPECT_EQ(decision.explanation,
            "'08012345678' from pbx goes to exotel as '+918012345678' (line 7, prefix 0)");
  EXPECT_EQ(Make({{1, "", 0, 9, "1", 7}}).Find({1, "123"}).number, "1");
}

TEST(Router, AUserStandsInsteadOfTheNumber) {
  Route route;
  route.to = 2;
  route.user = "proj_4711";
  EXPECT_EQ(Make({route}).Find({1, "123"}).number, "proj_4711");
}

TEST(Router, SaysWhenThereIsNoRoute) {
  const Router router = Make({{1, "+91", 0, 0, "", 1}});
  EXPECT_FALSE(router.Find({0, "+9112"}).trunk.has_value());
  EXPECT_EQ(router.Find({1, "+4412"}).explanation, "no route for '+4412' from pbx");
}

}  // namespace
}  // namespace sipctl::trunk
