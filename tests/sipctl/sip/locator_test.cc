#include "sipctl/sip/locator.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stub_resolver.h"

namespace sipctl::sip {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class LocatorTest : public testing::Test {
 protected:
  void Run(TimeMs span) {
    for (const TimeMs end = timers.now() + span; timers.now() < end;)
      timers.Advance(timers.now() + 1);
  }
  std::vector<std::string> Texts(size_t place) {
    std::vector<std::string> texts;
    for (const Target& target : locator.Find(place)) texts.push_back(ToString(target));
    return texts;
  }

  Timers timers{1000};
  support::StubResolver dns{&timers};
  Tokens tokens{TokenKey{1, 2}};
  std::vector<std::string> notices;
  Locator locator{&timers, &dns, &tokens,
                  [this](std::string_view sentence) { notices.emplace_back(sentence); }};
};

TEST_F(LocatorTest, AnAddressNeedsNoQuestion) {
  EXPECT_THAT(Texts(locator.Watch({"192.0.2.1", 5070, Protocol::kTcp})),
              ElementsAre("192.0.2.1:5070/tcp"));
  EXPECT_THAT(Texts(locator.Watch({"2001:db8::1", 0, Protocol::kTls})),
              ElementsAre("[2001:db8::1]:5061/tls"));
  EXPECT_THAT(dns.asked, IsEmpty());
  EXPECT_EQ(locator.Watch({"192.0.2.1", 5070, Protocol::kTcp}), 0u);
}

TEST_F(LocatorTest, WithAPortOnlyAddressesAreAskedFor) {
  dns.Addresses("edge.test", 60, {"192.0.2.1", "192.0.2.2", "2001:db8::1"});
  const size_t place = locator.Watch({"edge.test", 5070, Protocol::kTcp});
  EXPECT_THAT(Texts(place), IsEmpty());
  Run(5);
  EXPECT_THAT(Texts(place), UnorderedElementsAre("192.0.2.1:5070/tcp", "192.0.2.2:5070/tcp",
                                                 "[2001:db8::1]:5070/tcp"));
  EXPECT_THAT(dns.asked, ElementsAre("edge.test A", "edge.test AAAA"));
  // Each of them comes first some time.
  std::map<std::string, int> first;
  for (int i = 0; i < 300; ++i) ++first[Texts(place)[0]];
  EXPECT_EQ(first.size(), 3u);
}

TEST_F(LocatorTest, WithoutAPortNaptrAndSrvDecide) {
  dns.Naptr("carrier.test", 300,
            {{20, 1, "s", "SIP+D2T", "_sip._tcp.second.test"},
             {10, 5, "s", "SIP+D2T", "_sip._tcp.first.test"},
             {10, 1, "s", "SIP+D2U", "_sip._udp.first.test"}});
  dns.Srv("_sip._tcp.first.test", 200,
          {{2, 0, 5072, "b.test"}, {1, 90, 5070, "a.test"}, {1, 10, 5071, "a2.test"}});
  dns.Addresses("a.test", 100, {"192.0.2.1"});
  dns.Addresses("a2.test", 100, {"192.0.2.2"});
  dns.Addresses("b.test", 100, {"192.0.2.3"});
  const size_t place = locator.Watch({"carrier.test", 0, Protocol::kTcp});
  Run(10);
  std::map<std::string, int> first;
  for (int i = 0; i < 1000; ++i) {
    const auto texts = Texts(place);
    ASSERT_EQ(texts.size(), 3u);
    ++first[texts[0]];
    EXPECT_EQ(texts[2], "192.0.2.3:5072/tcp");
  }
  EXPECT_NEAR(first["192.0.2.1:5070/tcp"], 900, 50);
  EXPECT_NEAR(first["192.0.2.2:5071/tcp"], 100, 50);
}

TEST_F(LocatorTest, WithoutNaptrTheUsualServiceAndWithoutThatTheNameItself) {
  dns.Srv("_sips._tcp.a.test", 60, {{1, 1, 5099, "host.a.test"}});
  dns.Addresses("host.a.test", 60, {"192.0.2.1"});
  dns.Addresses("b.test", 60, {"192.0.2.2"});
  const size_t a = locator.Watch({"a.test", 0, Protocol::kTls});
  const size_t b = locator.Watch({"b.test", 0, Protocol::kUdp});
  Run(10);
  EXPECT_THAT(Texts(a), ElementsAre("192.0.2.1:5099/tls"));
  EXPECT_THAT(Texts(b), ElementsAre("192.0.2.2:5060/udp"));
  EXPECT_THAT(dns.asked, Contains("_sip._udp.b.test SRV"));
}

// RFC 2782: the target "." says that there is decidedly no such service, not even at the name
// itself.
TEST_F(LocatorTest, AServiceThatIsDeniedIsNowhere) {
  dns.Srv("_sip._udp.a.test", 60, {});  // what a record with that target leaves
  dns.Addresses("a.test", 60, {"192.0.2.1"});
  const size_t place = locator.Watch({"a.test", 0, Protocol::kUdp});
  Run(10);
  EXPECT_THAT(Texts(place), IsEmpty());
  EXPECT_THAT(notices,
              ElementsAre("a.test/udp: its name server says that there is no such service"));
  // Where it was known before, it is forgotten; and it may come back.
  dns.Srv("_sip._udp.a.test", 60, {{1, 1, 5070, "a.test"}});
  Run(60'100);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.1:5070/udp"));
  dns.Srv("_sip._udp.a.test", 60, {});
  Run(60'100);
  EXPECT_THAT(Texts(place), IsEmpty());
  EXPECT_EQ(notices.size(), 3u);
}

TEST_F(LocatorTest, AnAnswerHoldsAsLongAsItSays) {
  dns.Addresses("edge.test", 60, {"192.0.2.1"});
  const size_t place = locator.Watch({"edge.test", 5060, Protocol::kUdp});
  Run(10);
  dns.Addresses("edge.test", 1, {"192.0.2.2"});
  Run(59'900);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.1:5060/udp"));
  Run(200);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.2:5060/udp"));
  EXPECT_THAT(notices, ElementsAre("edge.test:5060/udp is at 192.0.2.1:5060/udp",
                                   "edge.test:5060/udp is at 192.0.2.2:5060/udp"));
  // A short life is not an invitation to ask all the time.
  const size_t before = dns.asked.size();
  Run(5'100);
  EXPECT_EQ(dns.asked.size(), before + 2);
}

TEST_F(LocatorTest, AnOldAnswerIsBetterThanNone) {
  dns.Addresses("edge.test", 10, {"192.0.2.1"});
  const size_t place = locator.Watch({"edge.test", 5060, Protocol::kUdp});
  Run(10);
  dns.failing = true;
  Run(3'600'000);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.1:5060/udp"));
  ASSERT_EQ(notices.size(), 2u);  // told once, not each time
  EXPECT_THAT(notices[1], HasSubstr("the last answer is kept"));
  dns.failing = false;
  dns.Addresses("edge.test", 10, {"192.0.2.9"});
  Run(static_cast<TimeMs>(kAskAgainMs) + 10);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.9:5060/udp"));
  // The name is gone: so is nothing of what worked.
  dns.Addresses("edge.test", 10, {});
  Run(60'000);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.9:5060/udp"));
}

TEST_F(LocatorTest, AFailedQuestionForServersIsNotAnAnswerWithoutServers) {
  dns.Srv("_sip._udp.a.test", 10, {{1, 1, 5099, "host.a.test"}});
  dns.Addresses("host.a.test", 10, {"192.0.2.1"});
  dns.Addresses("a.test", 10, {"192.0.2.66"});
  dns.failing = true;
  const size_t place = locator.Watch({"a.test", 0, Protocol::kUdp});
  Run(20);
  EXPECT_THAT(Texts(place), IsEmpty());
  EXPECT_THAT(notices, ElementsAre("a.test/udp cannot be looked up"));
  dns.failing = false;
  locator.Refresh();
  Run(20);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.1:5099/udp"));
}

TEST_F(LocatorTest, AKindOfRecordThatAlwaysFailsHoldsTheOthersNotUp) {
  dns.failing_types = {DnsType::kAaaa, DnsType::kNaptr};
  dns.Srv("_sip._udp.a.test", 10, {{1, 1, 5099, "host.a.test"}});
  dns.Addresses("host.a.test", 10, {"192.0.2.1"});
  dns.Addresses("b.test", 10, {"192.0.2.2"});
  const size_t a = locator.Watch({"a.test", 0, Protocol::kUdp});
  const size_t b = locator.Watch({"b.test", 0, Protocol::kUdp});
  Run(20);
  EXPECT_THAT(Texts(a), ElementsAre("192.0.2.1:5099/udp"));
  EXPECT_THAT(Texts(b), ElementsAre("192.0.2.2:5060/udp"));  // has no services at all
  dns.Addresses("host.a.test", 10, {"192.0.2.11"});
  dns.Addresses("b.test", 10, {"192.0.2.12"});
  Run(kAskAgainMs + 10);
  EXPECT_THAT(Texts(a), ElementsAre("192.0.2.11:5099/udp"));
  EXPECT_THAT(Texts(b), ElementsAre("192.0.2.12:5060/udp"));
  const size_t told = notices.size();
  Run(60'000);
  EXPECT_EQ(notices.size(), told);  // nothing is missing that was there once
}

TEST_F(LocatorTest, OnlyWhatFailedKeepsItsLastAnswer) {
  dns.Addresses("edge.test", 10, {"192.0.2.1", "2001:db8::1"});
  const size_t place = locator.Watch({"edge.test", 5060, Protocol::kUdp});
  Run(10);
  dns.failing_types = {DnsType::kAaaa};
  dns.Addresses("edge.test", 10, {"192.0.2.9", "2001:db8::9"});
  Run(10'100);
  EXPECT_THAT(Texts(place), UnorderedElementsAre("192.0.2.9:5060/udp", "[2001:db8::1]:5060/udp"));
  EXPECT_THAT(notices, Contains(HasSubstr("the last answer is kept")));
  dns.failing_types.clear();
  Run(kAskAgainMs + 10);
  EXPECT_THAT(Texts(place), UnorderedElementsAre("192.0.2.9:5060/udp", "[2001:db8::9]:5060/udp"));
}

TEST_F(LocatorTest, OldServersAreAskedForWhereTheyAreNow) {
  dns.Naptr("a.test", 10, {{1, 1, "s", "SIP+D2U", "_sip._udp.other.test"}});
  dns.Srv("_sip._udp.other.test", 10, {{1, 0, 5070, "x.test"}, {2, 0, 5071, "y.test"}});
  dns.Addresses("x.test", 10, {"192.0.2.1"});
  dns.Addresses("y.test", 10, {"192.0.2.2"});
  const size_t place = locator.Watch({"a.test", 0, Protocol::kUdp});
  Run(10);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.1:5070/udp", "192.0.2.2:5071/udp"));
  // Without the services, by the servers that were known; one server's failure is not the other's.
  dns.failing_types = {DnsType::kSrv, DnsType::kNaptr};
  dns.failing_names = {"x.test"};
  dns.Addresses("x.test", 10, {"192.0.2.11"});
  dns.Addresses("y.test", 10, {"192.0.2.12"});
  Run(10'100);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.1:5070/udp", "192.0.2.12:5071/udp"));
  // NAPTR alone fails: the service is the one that it named before.
  dns.failing_types = {DnsType::kNaptr};
  dns.failing_names.clear();
  Run(kAskAgainMs + 10);
  EXPECT_THAT(Texts(place), ElementsAre("192.0.2.11:5070/udp", "192.0.2.12:5071/udp"));
}

TEST_F(LocatorTest, AFamilyWithoutAListenerIsNotAskedFor) {
  Locator ipv4_only(&timers, &dns, &tokens, [](std::string_view) {}, {.ipv6 = false});
  dns.Addresses("edge.test", 60, {"192.0.2.1", "2001:db8::1"});
  const size_t place = ipv4_only.Watch({"edge.test", 5060, Protocol::kUdp});
  Run(10);
  EXPECT_EQ(ipv4_only.Find(place).size(), 1u);
  EXPECT_THAT(dns.asked, ElementsAre("edge.test A"));
}

}  // namespace
}  // namespace sipctl::sip
