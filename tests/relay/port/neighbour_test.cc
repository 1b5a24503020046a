// The kernel's tables, followed: in namespaces of the test's own.
#include "relay/port/neighbour.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/veth_lab.h"

namespace relay::port {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

abi::Address Text(const std::string& text) {
  abi::Address address{};
  uint8_t four[4];
  if (inet_pton(AF_INET, text.c_str(), four) == 1) {
    return abi::Address::Ipv4(four[0], four[1], four[2], four[3]);
  }
  EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), address.bytes.data()), 1);
  return address;
}

abi::LocalAddress Local(const std::string& text) {
  return {.address = Text(text), .port_first = 10000, .port_last = 39999};
}

class NextHopsTest : public testing::Test {
 protected:
  void SetUp() override {
    addresses_ = {Local("10.66.0.1"), Local("10.66.1.1"), Local("fd66:0::1")};
    absl::StatusOr<std::unique_ptr<NextHops>> hops = NextHops::Open(
        {.devices = {"near0", "near1"}, .addresses = addresses_, .workers = 2, .seed = 99});
    ASSERT_TRUE(hops.ok()) << hops.status();
    hops_ = *std::move(hops);
  }

  // One turn of the conductor, after something for it to do has come.
  void Turn() {
    pollfd ready{.fd = hops_->descriptor(), .events = POLLIN, .revents = 0};
    poll(&ready, 1, 3000);
    hops_->Turn(now_ += kMillisecond, counters_);
  }
  // Turns until the reader finds the way, or does not find it any more.
  bool Becomes(bool found, uint16_t local, const std::string& remote, Hop* hop) {
    // Not so many turns: each look asks, and a question ends the wait at once.
    const TimeNs deadline = MonotonicNow() + 10 * kSecond;
    while (MonotonicNow() < deadline) {
      if (hops_->reader(0)->Find(local, Text(remote), hop) == found) return true;
      Turn();
    }
    return false;
  }
  bool StaysUnresolved(uint16_t local, const std::string& remote) {
    Hop hop;
    for (int turn = 0; turn < 40; ++turn) {
      if (hops_->reader(0)->Find(local, Text(remote), &hop)) return false;
      Turn();
    }
    return true;
  }
  wire::MacAddress MacOf(const std::string& device, bool far) {
    wire::MacAddress mac{};
    const auto read = [&] {
      absl::StatusOr<Netlink> netlink = Netlink::Open({});
      const absl::StatusOr<std::vector<Link>> links = ReadLinks(*netlink);
      if (const Link* link = FindLink(*links, device)) mac = link->mac;
    };
    far ? lab_.InFar(read) : read();
    return mac;
  }

  test::VethLab lab_{2};
  std::vector<abi::LocalAddress> addresses_;
  std::unique_ptr<NextHops> hops_;
  abi::CounterBlock counters_{};
  TimeNs now_ = kSecond;
};

TEST_F(NextHopsTest, AnApproachedNeighbourIsThereBeforeItsFirstPacket) {
  hops_->Approach(0, Text("10.66.0.2"));
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  EXPECT_EQ(hop.to, MacOf("far0", true));
  EXPECT_EQ(hop.from, MacOf("near0", false));
  EXPECT_EQ(hop.egress, 0);
  EXPECT_EQ(hop.vlan, 0);
}

TEST_F(NextHopsTest, APacketThatFindsNoWayAsksForIt) {
  Hop hop;
  EXPECT_FALSE(hops_->reader(1)->Find(1, Text("10.66.1.2"), &hop));
  ASSERT_TRUE(Becomes(true, 1, "10.66.1.2", &hop));
  EXPECT_EQ(hop.to, MacOf("far1", true));
  EXPECT_EQ(hop.egress, 1);
}

TEST_F(NextHopsTest, Ipv6IsResolvedByNeighbourDiscovery) {
  Hop hop;
  ASSERT_TRUE(Becomes(true, 2, "fd66:0::2", &hop));
  EXPECT_EQ(hop.to, MacOf("far0", true));
}

TEST_F(NextHopsTest, AChangedMacIsFollowedWithTheNextTurn) {
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  lab_.Near("ip neigh replace 10.66.0.2 dev near0 lladdr 02:00:00:00:77:01 nud reachable");
  hops_->Turn(now_ += kMillisecond, counters_);  // one, without waiting
  ASSERT_TRUE(hops_->reader(0)->Find(0, Text("10.66.0.2"), &hop));
  EXPECT_EQ(hop.to, (wire::MacAddress{2, 0, 0, 0, 0x77, 1}));
}

TEST_F(NextHopsTest, AllThatGoThroughAGatewayFollowItTogether) {
  lab_.Near("ip route add 192.0.2.0/24 via 10.66.1.2");
  Hop hop;
  for (int host = 1; host <= 50; ++host) {
    ASSERT_TRUE(Becomes(true, 1, absl::StrCat("192.0.2.", host), &hop)) << host;
    EXPECT_EQ(hop.egress, 1);
  }
  EXPECT_EQ(hops_->hops(), 1u);
  EXPECT_EQ(hops_->destinations(), 50u);
  lab_.Near("ip neigh replace 10.66.1.2 dev near1 lladdr 02:00:00:00:77:02 nud reachable");
  hops_->Turn(now_ += kMillisecond, counters_);
  for (int host = 1; host <= 50; ++host) {
    ASSERT_TRUE(hops_->reader(0)->Find(1, Text(absl::StrCat("192.0.2.", host)), &hop));
    EXPECT_EQ(hop.to, (wire::MacAddress{2, 0, 0, 0, 0x77, 2}));
  }
}

TEST_F(NextHopsTest, AChangedRouteMovesItsCalls) {
  lab_.Near("ip route add 192.0.2.0/24 via 10.66.0.2");
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "192.0.2.9", &hop));
  EXPECT_EQ(hop.egress, 0);
  lab_.Near("ip route replace 192.0.2.0/24 via 10.66.1.2");
  const TimeNs deadline = MonotonicNow() + 10 * kSecond;
  while (hop.egress == 0 && MonotonicNow() < deadline) {
    Turn();
    hops_->reader(0)->Find(0, Text("192.0.2.9"), &hop);
  }
  EXPECT_EQ(hop.egress, 1);
}

// One far network, two trunks: the source address decides, as ip rule says.
TEST_F(NextHopsTest, PolicyRoutingByTheLegsOwnAddress) {
  lab_.Near("ip rule add from 10.66.0.1 lookup 100 && ip rule add from 10.66.1.1 lookup 101");
  lab_.Near("ip route add 198.51.100.0/24 via 10.66.0.2 table 100");
  lab_.Near("ip route add 198.51.100.0/24 via 10.66.1.2 table 101");
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "198.51.100.7", &hop));
  EXPECT_EQ(hop.egress, 0);
  ASSERT_TRUE(Becomes(true, 1, "198.51.100.7", &hop));
  EXPECT_EQ(hop.egress, 1);
}

TEST_F(NextHopsTest, ANeighbourThatIsGoneIsUnresolvedUntilItComesBack) {
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  lab_.Near("ip neigh replace 10.66.0.2 dev near0 nud failed");
  ASSERT_TRUE(Becomes(false, 0, "10.66.0.2", &hop));
  now_ += 2 * kSecond;  // it is asked for again while packets want it, once a second
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  EXPECT_EQ(hop.to, MacOf("far0", true));
  lab_.Near("ip neigh del 10.66.0.2 dev near0");
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
}

// Who asks gets no answer: said once, with what to look at, and again when it is over.
TEST_F(NextHopsTest, ANeighbourThatAnswersNoMoreIsTold) {
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  ASSERT_TRUE(Becomes(true, 1, "10.66.1.2", &hop));
  EXPECT_THAT(hops_->TakeNews(), IsEmpty());
  lab_.Near("sysctl -qw net.ipv4.neigh.near0.retrans_time_ms=50");
  lab_.Far("sysctl -qw net.ipv4.conf.far0.arp_ignore=8");
  lab_.Near("ip neigh flush dev near0");
  const auto next_news = [this] {
    std::vector<std::string> news;
    const TimeNs deadline = MonotonicNow() + 10 * kSecond;
    while (news.empty() && MonotonicNow() < deadline) {
      Turn();
      news = hops_->TakeNews();
    }
    return news;
  };
  EXPECT_THAT(next_news(),
              ElementsAre(AllOf(HasSubstr("the next hop 10.66.0.2 on near0 does not say its link"),
                                HasSubstr("calls live and go on"), HasSubstr("ip neigh show"))));
  EXPECT_FALSE(hops_->reader(0)->Find(0, Text("10.66.0.2"), &hop));
  EXPECT_TRUE(hops_->reader(0)->Find(1, Text("10.66.1.2"), &hop));
  // It is asked again and again, and not told again and again.
  for (int second = 0; second < 30; ++second) {
    now_ += kSecond;
    hops_->reader(0)->Find(0, Text("10.66.0.2"), &hop);
    hops_->Turn(now_, counters_);
  }
  EXPECT_THAT(hops_->TakeNews(), IsEmpty());
  lab_.Far("sysctl -qw net.ipv4.conf.far0.arp_ignore=0");
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  now_ += 10 * kSecond;
  EXPECT_THAT(next_news(), ElementsAre("all next hops answer again"));
}

TEST_F(NextHopsTest, WhatNoRawDeviceReachesIsUnresolved) {
  Hop hop;
  EXPECT_TRUE(StaysUnresolved(0, "127.0.0.1"));    // this host itself
  EXPECT_TRUE(StaysUnresolved(0, "203.0.113.1"));  // no route
  lab_.Near("ip route add 203.0.113.0/24 via 10.66.0.2");
  EXPECT_TRUE(Becomes(true, 0, "203.0.113.1", &hop));  // now there is one
}

TEST_F(NextHopsTest, TheKernelKeepsWhatIsUsedAndForgetsTheRest) {
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  ASSERT_TRUE(Becomes(true, 1, "10.66.1.2", &hop));
  lab_.Near("ip neigh show 10.66.0.2 dev near0 | grep -q managed");
  for (int minute = 0; minute < 8; ++minute) {
    ASSERT_TRUE(hops_->reader(1)->Find(0, Text("10.66.0.2"), &hop));
    hops_->Turn(now_ += 61 * kSecond, counters_);
  }
  EXPECT_EQ(hops_->hops(), 1u);
  lab_.Near("ip neigh show 10.66.0.2 dev near0 | grep -q managed");
  lab_.Near("! ip neigh show 10.66.1.2 dev near1 | grep -q managed");
  hops_.reset();
  lab_.Near("! ip neigh show 10.66.0.2 dev near0 | grep -q managed");
}

TEST_F(NextHopsTest, WhatWasEnteredByHandStaysSo) {
  lab_.Near("ip neigh replace 10.66.0.2 dev near0 lladdr 02:00:00:00:77:07 nud permanent");
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  EXPECT_EQ(hop.to, (wire::MacAddress{2, 0, 0, 0, 0x77, 7}));
  lab_.Near("ip neigh show 10.66.0.2 dev near0 | grep -q PERMANENT");
  hops_.reset();
  lab_.Near("ip neigh show 10.66.0.2 dev near0 | grep -q PERMANENT");
}

TEST_F(NextHopsTest, AFullBucketLetsItsOldestGo) {
  lab_.Near("ip route add 172.16.0.0/12 via 10.66.0.2");
  // Nine whose hash falls into one bucket.
  std::vector<abi::Address> crowd;
  const HopTable& table = hops_->table();
  const uint64_t bucket = table.HashOf(0, Text("172.16.0.1")) % kHopBuckets;
  for (uint32_t i = 0; crowd.size() < kHopsPerBucket + 1; ++i) {
    const abi::Address address =
        abi::Address::Ipv4(172, static_cast<uint8_t>(16 + (i >> 16)), static_cast<uint8_t>(i >> 8),
                           static_cast<uint8_t>(i));
    if (table.HashOf(0, address) % kHopBuckets == bucket) crowd.push_back(address);
  }
  for (const abi::Address& address : crowd) hops_->Approach(0, address);
  EXPECT_EQ(hops_->destinations(), size_t{kHopsPerBucket});
  EXPECT_EQ(table.Find(table.HashOf(0, crowd.front())), kNoHop);
  EXPECT_NE(table.Find(table.HashOf(0, crowd.back())), kNoHop);
}

// More news than the socket holds while the conductor was busy elsewhere.
TEST_F(NextHopsTest, NewsThatWereLostAreMadeUpFor) {
  Hop hop;
  ASSERT_TRUE(Becomes(true, 0, "10.66.0.2", &hop));
  lab_.Near(
      "for i in $(seq 1 12000); do echo route add 10.$((100 + i / 65536)).$((i / 256 % 256))."
      "$((i % 256)) dev near1; done | ip -batch -");
  lab_.Near("ip neigh replace 10.66.0.2 dev near0 lladdr 02:00:00:00:77:08 nud reachable");
  lab_.Near("ip link set near0 address 02:00:00:00:77:09");
  lab_.Near("ip neigh replace 10.66.0.2 dev near0 lladdr 02:00:00:00:77:08 nud reachable");
  lab_.Near("awk '$9 > 0 { lost = 1 } END { exit !lost }' /proc/net/netlink");  // Drops
  hops_->Turn(now_ += kMillisecond, counters_);
  ASSERT_TRUE(hops_->reader(0)->Find(0, Text("10.66.0.2"), &hop));
  EXPECT_EQ(hop.to, (wire::MacAddress{2, 0, 0, 0, 0x77, 8}));
  EXPECT_EQ(hop.from, (wire::MacAddress{2, 0, 0, 0, 0x77, 9}));
}

TEST(NextHops, ADeviceThatIsNotThereIsNamed) {
  test::VethLab lab;
  const absl::Status status = NextHops::Open({.devices = {"eth7"}}).status();
  EXPECT_EQ(status.message(), "there is no Ethernet device eth7; `ip link` lists those that are");
}

// Whatever an earlier question left on the socket: the next one has its own answer.
TEST(NetlinkSocket, AnAnswerThatNobodyTookSpoilsNoLaterOne) {
  test::VethLab lab;
  absl::StatusOr<Netlink> netlink = Netlink::Open({});
  ASSERT_TRUE(netlink.ok());
  for (uint32_t earlier = 700; earlier < 703; ++earlier) {
    NetlinkMessage question(RTM_GETLINK, NLM_F_ACK);
    question.Extra<ifinfomsg>()->ifi_index = 1;
    question.header()->nlmsg_seq = earlier;
    ASSERT_GT(send(netlink->descriptor(), question.header(), question.header()->nlmsg_len, 0), 0);
  }
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<std::vector<Link>> links = ReadLinks(*netlink);
    ASSERT_TRUE(links.ok()) << links.status();
    EXPECT_NE(FindLink(*links, "near0"), nullptr);
  }
  // An error of the kernel is one of that question alone.
  NetlinkMessage wrong(RTM_GETLINK, 0);
  wrong.Extra<ifinfomsg>()->ifi_index = 123456;
  EXPECT_TRUE(absl::IsNotFound(netlink->Ask(wrong)) ||
              absl::IsFailedPrecondition(netlink->Ask(wrong)))
      << netlink->Ask(wrong);
  EXPECT_TRUE(ReadLinks(*netlink).ok());
}

// The kernel says of a dump that its list was changed while it was told, in several datagrams: it
// is asked again, and what was left of the first answer is in nobody's way.
TEST(NetlinkSocket, ADumpThatChangesMeanwhileIsAskedAgain) {
  test::VethLab lab;
  lab.Near("for i in $(seq 60); do echo link add v$i type veth peer name w$i; done | ip -batch -");
  absl::StatusOr<Netlink> netlink = Netlink::Open({});
  ASSERT_TRUE(netlink.ok());
  std::jthread churn([](const std::stop_token& done) {  // in the same network namespace
    absl::StatusOr<Netlink> own = Netlink::Open({});
    while (!done.stop_requested()) {
      NetlinkMessage add(RTM_NEWLINK, NLM_F_CREATE);
      add.Extra<ifinfomsg>();
      add.Put(IFLA_IFNAME, "churn");
      nlattr* information = mnl_attr_nest_start(add.header(), IFLA_LINKINFO);
      add.Put(IFLA_INFO_KIND, "veth");
      mnl_attr_nest_end(add.header(), information);
      EXPECT_TRUE(own->Ask(add).ok());
      NetlinkMessage remove(RTM_DELLINK, 0);
      remove.Extra<ifinfomsg>();
      remove.Put(IFLA_IFNAME, "churn");
      EXPECT_TRUE(own->Ask(remove).ok());
    }
  });
  int interrupted = 0;
  for (const TimeNs end = MonotonicNow() + 10 * kSecond;
       interrupted < 20 && MonotonicNow() < end;) {
    NetlinkMessage question(RTM_GETLINK, NLM_F_DUMP);
    question.Extra<ifinfomsg>()->ifi_family = AF_UNSPEC;
    const absl::Status status = netlink->Ask(question);
    ASSERT_TRUE(status.ok() || absl::IsAborted(status)) << status;
    if (!absl::IsAborted(status)) continue;
    ++interrupted;
    // Right after it another question, whose answer is its own.
    NetlinkMessage one(RTM_GETLINK, 0);
    one.Extra<ifinfomsg>()->ifi_index = 1;
    int told = 0;
    ASSERT_TRUE(netlink->Ask(one, [&told](const nlmsghdr&) { ++told; }).ok());
    EXPECT_EQ(told, 1);
  }
  churn.request_stop();
  churn.join();
  EXPECT_EQ(interrupted, 20);
  const absl::StatusOr<std::vector<Link>> links = ReadLinks(*netlink);
  ASSERT_TRUE(links.ok()) << links.status();
  EXPECT_EQ(links->size(), 2u * 60 + 1);
}

// 802.1Q: this kernel may have no such device, so the message is made by hand.
TEST(Link, AVlanDeviceIsItsParentWithATag) {
  NetlinkMessage message(RTM_NEWLINK, 0);
  auto* header = message.Extra<ifinfomsg>();
  header->ifi_type = 1;
  header->ifi_index = 7;
  header->ifi_flags = 0x41;  // up, running
  message.Put(IFLA_IFNAME, std::string_view("eth0.100"));
  message.Put(IFLA_LINK, uint32_t{3});
  nlattr* information = mnl_attr_nest_start(message.header(), IFLA_LINKINFO);
  message.Put(IFLA_INFO_KIND, std::string_view("vlan"));
  nlattr* data = mnl_attr_nest_start(message.header(), IFLA_INFO_DATA);
  mnl_attr_put_u16(message.header(), IFLA_VLAN_ID, 100);
  mnl_attr_nest_end(message.header(), data);
  mnl_attr_nest_end(message.header(), information);
  const std::optional<Link> link = ReadLink(*message.header());
  ASSERT_TRUE(link);
  EXPECT_EQ(link->name, "eth0.100");
  EXPECT_EQ(link->vlan, 100);
  EXPECT_EQ(link->device(), 3);
  EXPECT_TRUE(link->up);
}

}  // namespace
}  // namespace relay::port

int main(int count, char** arguments) {
  relay::test::NeedRoot();
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
