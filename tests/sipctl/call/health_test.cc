#include "sipctl/call/health.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Method;
using ::testing::Contains;
using ::testing::HasSubstr;

TEST(HealthWatch, FindsOutWhoIsThereBeforeACallDoes) {
  World world;
  world.config->trunks[1].health_ns = 10'000'000'000;
  world.RestartSipctl();
  HealthWatch health(&world.sipctl->context);
  world.sipctl->context.health = &health;
  world.Run(100);
  ASSERT_EQ(world.pbx.Count(Method::kOptions), 1u);
  EXPECT_EQ(world.pbx.Got(Method::kOptions)->request_uri.host, "10.0.0.3");
  EXPECT_EQ(world.carrier.Count(Method::kOptions), 0u);
  const auto answer = [&](int status) {
    world.pbx.layer().Respond(world.pbx.requests.back().id,
                              sip::MakeResponse(world.pbx.requests.back().message, status));
    world.Run(9'000);
  };
  const auto dead = [&] {
    Destinations& all = world.sipctl->destinations;
    return all.IsDead(all.All(1)[0].target);
  };
  answer(405);  // whoever can refuse is alive
  EXPECT_FALSE(dead());
  world.Run(2'000);
  answer(503);
  EXPECT_TRUE(dead());
  EXPECT_THAT(world.sipctl->notes.notices,
              Contains(HasSubstr("trunk pbx: 10.0.0.3:5060/udp does not answer")));
  world.Run(2'000);
  answer(200);
  EXPECT_FALSE(dead());
  EXPECT_THAT(world.sipctl->notes.notices, Contains(HasSubstr("answers again")));
  world.network.host(3)->set_up(false);
  world.Run(55'000);
  EXPECT_TRUE(dead());
  world.sipctl->context.health = nullptr;
}

// What a call was told of an address (503 with Retry-After) is not undone by the answer to OPTIONS,
// which says only that somebody is there; nor cut short by its silence.
TEST(HealthWatch, TakesBackOnlyItsOwnWord) {
  World world;
  world.config->trunks[1].health_ns = 10'000'000'000;
  world.RestartSipctl();
  HealthWatch health(&world.sipctl->context);
  world.sipctl->context.health = &health;
  Destinations& all = world.sipctl->destinations;
  const auto dead = [&] { return all.IsDead(all.All(1)[0].target); };
  const auto answer = [&](int status) {
    world.pbx.layer().Respond(world.pbx.requests.back().id,
                              sip::MakeResponse(world.pbx.requests.back().message, status));
    world.Run(100);
  };
  world.Run(100);
  answer(200);
  all.Failed(all.All(1)[0].target, 300'000);
  world.Run(10'000);
  answer(200);
  EXPECT_TRUE(dead());
  world.Run(10'000);
  answer(503);
  world.Run(10'000);
  answer(200);
  all.Failed(all.All(1)[0].target, 30'000);
  world.Run(250'000);
  ASSERT_EQ(world.pbx.requests.back().message.method, Method::kOptions);
  answer(200);
  EXPECT_TRUE(dead());
  world.Run(30'000);
  answer(200);
  EXPECT_FALSE(dead());
  // A call that gets an answer is proof of all.
  all.Failed(all.All(1)[0].target, 300'000);
  all.Answered(all.All(1)[0].target);
  EXPECT_FALSE(dead());
  world.sipctl->context.health = nullptr;
}

}  // namespace
}  // namespace sipctl::call
