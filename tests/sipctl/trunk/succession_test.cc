#include "sipctl/trunk/succession.h"

#include <random>

#include "gtest/gtest.h"
#include "sipctl/text.h"
#include "sipctl/trunk/acl.h"
#include "sipctl/trunk/limits.h"
#include "sipctl/trunk/router.h"

namespace sipctl::trunk {
namespace {

sdp::IpNetwork Host(int last) {
  return {.address = *sdp::ParseIpAddress(Concat("10.0.0.", last)), .prefix_length = 128};
}

Trunk Named(const std::string& name, int host, uint32_t calls_max = 10) {
  Trunk trunk;
  trunk.name = name;
  trunk.sources = {Host(host)};
  trunk.calls_max = calls_max;
  return trunk;
}

Route To(size_t from, size_t to) {
  Route route;
  route.from = from;
  route.to = to;
  return route;
}

bool Never(size_t) {
  return false;
}
bool Always(size_t) {
  return true;
}

TEST(Succession, AChangedTrunkStandsBesideTheOneThatItsCallsBeganWith) {
  Config running;
  running.trunks = {Named("carrier", 1), Named("pbx", 2)};
  Config next = running;
  next.trunks[0].calls_max = 20;
  next.trunks[1].line = 77;  // a line further down is no other trunk
  next.routes = {To(1, 0)};
  const Config result = Succeed(running, next, Always);
  ASSERT_EQ(result.trunks.size(), 3u);
  EXPECT_TRUE(result.trunks[0].retired);
  EXPECT_EQ(result.trunks[0].calls_max, 10u);
  EXPECT_EQ(result.trunks[1], next.trunks[1]);
  EXPECT_EQ(result.trunks[2].calls_max, 20u);
  EXPECT_EQ(result.routes[0].from, 1u);
  EXPECT_EQ(result.routes[0].to, 2u);
  EXPECT_EQ(Acl(result).Find(Host(1).address), 2u) << "a retired trunk takes no new calls";
}

TEST(Succession, WhatNoCallUsesIsForgotten) {
  Config running;
  running.trunks = {Named("a", 1), Named("b", 2), Named("c", 3)};
  Config next;
  next.trunks = {Named("b", 2)};
  const Config result = Succeed(running, next, Never);
  ASSERT_EQ(result.trunks.size(), 2u);
  EXPECT_TRUE(result.trunks[0].retired);
  EXPECT_TRUE(result.trunks[0].sources.empty());
  EXPECT_EQ(result.trunks[1].name, "b");
  next.trunks.push_back(Named("d", 4));
  EXPECT_EQ(Succeed(result, next, Never).trunks[0].name, "d") << "a free place is taken again";
}

// Whatever is reloaded in whatever order: an index that a call has keeps its meaning, and the
// present trunks are those of the file.
TEST(Succession, HoldsOverAnySequenceOfConfigurations) {
  std::mt19937 dice(6);
  Config running;
  running.trunks = {Named("t0", 1)};
  std::vector<std::pair<size_t, Trunk>> calls;
  for (int round = 0; round < 2000; ++round) {
    Config next;
    for (int i = 0; i < 6; ++i) {
      if (dice() % 2 == 0 || (i == 5 && next.trunks.empty())) {
        next.trunks.push_back(Named(Concat("t", i), i, 1 + dice() % 3));
      }
    }
    for (size_t i = 0; i < next.trunks.size(); ++i) {
      next.routes.push_back(To(i, dice() % next.trunks.size()));
    }
    const Config result = Succeed(running, next, [&](size_t index) {
      return std::any_of(calls.begin(), calls.end(),
                         [index](const auto& call) { return call.first == index; });
    });
    for (const auto& [index, began_with] : calls) {
      Trunk now = result.trunks.at(index);
      now.retired = false;
      ASSERT_EQ(now, began_with) << "round " << round;
    }
    size_t present = 0;
    for (const Trunk& trunk : result.trunks) present += trunk.retired ? 0 : 1;
    ASSERT_EQ(present, next.trunks.size());
    for (size_t i = 0; i < next.routes.size(); ++i) {
      ASSERT_EQ(result.trunks[*result.routes[i].from], next.trunks[*next.routes[i].from]);
      ASSERT_EQ(result.trunks[result.routes[i].to], next.trunks[next.routes[i].to]);
    }
    running = result;
    if (dice() % 2 == 0) {
      const size_t at = running.routes[dice() % running.routes.size()].to;
      calls.emplace_back(at, running.trunks[at]);
    }
    while (calls.size() > dice() % 5) calls.erase(calls.begin());
  }
  EXPECT_LT(running.trunks.size(), 20u) << "places are used again";
}

TEST(Succession, LimitsCountOnOverAReload) {
  Config running;
  running.trunks = {Named("carrier", 1, 2), Named("pbx", 2)};
  Limits limits(running, 0);
  ASSERT_EQ(limits.Begin(1, 0, 0), Admission::kAdmitted);
  Config next = running;
  next.trunks[0].calls_max = 1;
  const Config result = Succeed(running, next, Always);
  limits.Follow(result, 0);
  EXPECT_EQ(limits.calls(2), 1u) << "the call of the retired trunk counts at its successor";
  EXPECT_EQ(limits.Begin(1, 2, 0), Admission::kTrunkFull);
  limits.End(1, 0);
  EXPECT_EQ(limits.Begin(1, 2, 0), Admission::kAdmitted);
  limits.End(1, 2);
  EXPECT_EQ(limits.calls(), 0u);
}

TEST(Succession, AReloadGivesNoTokensBack) {
  Config running;
  running.trunks = {Named("carrier", 1), Named("pbx", 2)};
  running.trunks[0].calls_per_minute = 1;
  running.trunks[0].call_burst = 1;
  Limits limits(running, 0);
  ASSERT_EQ(limits.Begin(1, 0, 0), Admission::kAdmitted);
  Config next = running;
  next.trunks[0].dscp = 0;
  limits.Follow(Succeed(running, next, Always), 0);
  EXPECT_EQ(limits.Begin(1, 2, 0), Admission::kRateExceeded);
}

TEST(Succession, WhatNeedsARestartIsNamed) {
  Config running;
  running.listeners.resize(1);
  Config next = running;
  next.listeners[0].line = 9;
  EXPECT_TRUE(RestartReasons(running, next).empty());
  next.listeners[0].advertise_port = 5099;
  next.journal = "/tmp/j";
  EXPECT_EQ(RestartReasons(running, next),
            (std::vector<std::string>{
                "the listeners are bound once, at start",
                "the journal has its place and its size (calls_max) from the start"}));
}

}  // namespace
}  // namespace sipctl::trunk
