#include "sipctl/call/health.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Method;
using ::testing::Contains;
using ::testing::HasSubstr;

// The PBX is asked every 10 s.
class HealthWatchTest : public ::testing::Test {
 protected:
  HealthWatchTest() {
    world_.config->trunks[1].health_ns = 10'000'000'000;
    world_.RestartSipctl();
    health_.emplace(&world_.sipctl->context);
    world_.sipctl->context.health = &*health_;
    world_.Run(100);
  }
  ~HealthWatchTest() override { world_.sipctl->context.health = nullptr; }

  // To the last OPTIONS; then so much time goes by.
  void Answer(int status, int64_t then_ms) {
    ASSERT_EQ(world_.pbx.requests.back().message.method, Method::kOptions);
    world_.pbx.layer().Respond(world_.pbx.requests.back().id,
                               sip::MakeResponse(world_.pbx.requests.back().message, status));
    world_.Run(then_ms);
  }
  Destinations& all() { return world_.sipctl->destinations; }
  sip::Target pbx() { return all().All(1)[0].target; }
  bool dead() { return all().IsDead(pbx()); }

  World world_;
  std::optional<HealthWatch> health_;
};

TEST_F(HealthWatchTest, FindsOutWhoIsThereBeforeACallDoes) {
  ASSERT_EQ(world_.pbx.Count(Method::kOptions), 1u);
  EXPECT_EQ(world_.pbx.Got(Method::kOptions)->request_uri.host, "10.0.0.3");
  EXPECT_EQ(world_.carrier.Count(Method::kOptions), 0u);
  Answer(405, 9'000);  // whoever can refuse is alive
  EXPECT_FALSE(dead());
  world_.Run(2'000);
  Answer(503, 9'000);
  EXPECT_TRUE(dead());
  EXPECT_THAT(world_.sipctl->notes.notices,
              Contains(HasSubstr("trunk pbx: 10.0.0.3:5060/udp does not answer")));
  world_.Run(2'000);
  Answer(200, 9'000);
  EXPECT_FALSE(dead());
  EXPECT_THAT(world_.sipctl->notes.notices, Contains(HasSubstr("answers again")));
  world_.network.host(3)->set_up(false);
  world_.Run(55'000);
  EXPECT_TRUE(dead());
}

// What a call was told of an address (503 with Retry-After) is not undone by the answer to OPTIONS,
// which says only that somebody is there; nor cut short by its silence.
TEST_F(HealthWatchTest, TakesBackOnlyItsOwnWord) {
  Answer(200, 100);
  all().Failed(pbx(), 300'000);
  world_.Run(10'000);
  Answer(200, 100);
  EXPECT_TRUE(dead());
  world_.Run(10'000);
  Answer(503, 100);
  world_.Run(10'000);
  Answer(200, 100);
  all().Failed(pbx(), 30'000);
  world_.Run(250'000);
  Answer(200, 100);
  EXPECT_TRUE(dead());
  world_.Run(30'000);
  Answer(200, 100);
  EXPECT_FALSE(dead());
  // A call that gets an answer is proof of all.
  all().Failed(pbx(), 300'000);
  all().Answered(pbx());
  EXPECT_FALSE(dead());
}

}  // namespace
}  // namespace sipctl::call
