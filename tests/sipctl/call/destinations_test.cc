#include "sipctl/call/destinations.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stub_resolver.h"

namespace sipctl::call {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

trunk::Destination Destination(const std::string& host, uint16_t priority, uint16_t weight) {
  trunk::Destination destination;
  destination.host = host;
  destination.priority = priority;
  destination.weight = weight;
  return destination;
}

class DestinationsTest : public testing::Test {
 protected:
  void Make(std::vector<trunk::Destination> list) {
    trunk::Trunk trunk;
    trunk.destinations = std::move(list);
    config.listeners.resize(1);
    config.listeners[0].bind.address = *sdp::ParseIpAddress("192.0.2.99");
    config.trunks = {trunk};
    made.emplace(config, &timers, &locator, &tokens);
  }
  std::vector<std::string> Order() {
    std::vector<std::string> texts;
    for (const Attempt& attempt : made->Order(0)) {
      texts.push_back(sip::AddressText(attempt.target.address.address));
    }
    return texts;
  }

  Timers timers{1000};
  support::StubResolver dns{&timers};
  sip::Tokens tokens{sip::TokenKey{1, 2}};
  sip::Locator locator{&timers, &dns, &tokens, [](std::string_view) {}};
  trunk::Config config;
  std::optional<Destinations> made;
};

TEST_F(DestinationsTest, ThePrioritiesInOrderAndTheWeightsByChance) {
  Make({Destination("192.0.2.3", 2, 1), Destination("192.0.2.1", 1, 3),
        Destination("192.0.2.2", 1, 1)});
  std::map<std::string, int> first;
  for (int i = 0; i < 1000; ++i) {
    const auto order = Order();
    ASSERT_EQ(order.size(), 3u);
    EXPECT_EQ(order[2], "192.0.2.3");
    ++first[order[0]];
  }
  EXPECT_NEAR(first["192.0.2.1"], 750, 60);
  EXPECT_NEAR(first["192.0.2.2"], 250, 60);
  EXPECT_EQ(made->All(0).front().destination, 0u);
}

TEST_F(DestinationsTest, WhoFailedIsLastForAWhile) {
  Make({Destination("192.0.2.1", 1, 1), Destination("192.0.2.2", 2, 1)});
  const sip::Target first = made->Order(0)[0].target;
  made->Failed(first);
  EXPECT_THAT(Order(), ElementsAre("192.0.2.2", "192.0.2.1"));
  timers.Advance(timers.now() + kDeadMs);
  EXPECT_THAT(Order(), ElementsAre("192.0.2.1", "192.0.2.2"));
  made->Failed(first);
  made->Answered(first);
  EXPECT_THAT(Order(), ElementsAre("192.0.2.1", "192.0.2.2"));
}

TEST_F(DestinationsTest, OnlyWhatTheListenerCanReach) {
  dns.Addresses("both.test", 60, {"192.0.2.1", "2001:db8::1"});
  Make({Destination("both.test", 1, 1), Destination("2001:db8::2", 2, 1)});
  EXPECT_THAT(Order(), IsEmpty());
  timers.Advance(timers.now() + 10);
  timers.Advance(timers.now() + 10);
  EXPECT_THAT(Order(), ElementsAre("192.0.2.1"));
  EXPECT_EQ(made->Find(0, made->Order(0)[0].target.address), 0u);
  EXPECT_EQ(made->Find(0, *sip::ParseSocketAddress("192.0.2.1:9")), std::nullopt);
}

TEST_F(DestinationsTest, ANameOfAPeerMakesRoomByTheOldest) {
  Make({Destination("192.0.2.1", 1, 1)});
  dns.Addresses("hop.test", 60, {"192.0.2.7"});
  const sip::Place hop{"hop.test", 5060, sip::Protocol::kTcp};
  EXPECT_THAT(made->Behind(hop), IsEmpty());
  timers.Advance(timers.now() + 10);
  EXPECT_EQ(made->Behind(hop).size(), 1u);
  const auto another = [&](int i) {
    made->Behind({"hop" + std::to_string(i) + ".test", 5060, sip::Protocol::kTcp});
  };
  for (int i = 0; i < 63; ++i) another(i);
  EXPECT_EQ(made->Behind(hop).size(), 1u);
  another(63);
  EXPECT_TRUE(locator.Known({"hop63.test", 5060, sip::Protocol::kTcp}).has_value());
  EXPECT_FALSE(locator.Known(hop).has_value());
  // Of those that were forgotten none is looked up again.
  timers.Advance(timers.now() + 10);
  dns.asked.clear();
  for (int i = 0; i < 12; ++i) timers.Advance(timers.now() + 1000);
  EXPECT_THAT(dns.asked, Not(Contains("hop.test A")));
  EXPECT_EQ(dns.asked.size(), 64u * 2);
}

TEST_F(DestinationsTest, AnotherConfigurationIsFollowed) {
  dns.Addresses("stays.test", 60, {"192.0.2.1"});
  dns.Addresses("new.test", 60, {"192.0.2.3"});
  Make({Destination("stays.test", 1, 1), Destination("goes.test", 2, 1)});
  timers.Advance(timers.now() + 10);
  timers.Advance(timers.now() + 10);
  EXPECT_THAT(Order(), ElementsAre("192.0.2.1"));
  dns.failing = true;
  config.trunks[0].destinations = {Destination("new.test", 1, 1), Destination("stays.test", 2, 1)};
  made->Follow(config);
  EXPECT_THAT(Order(), ElementsAre("192.0.2.1"));  // known from before
  EXPECT_FALSE(locator.Known({"goes.test", 5060, sip::Protocol::kUdp}).has_value());
  dns.failing = false;
  for (int i = 0; i < 12; ++i) timers.Advance(timers.now() + 1000);
  EXPECT_THAT(Order(), ElementsAre("192.0.2.3", "192.0.2.1"));
}

}  // namespace
}  // namespace sipctl::call
