#include "sipctl/sip/dns_records.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/sip/transport.h"
#include "tests/support/dns_reply.h"

namespace sipctl::sip {
namespace {

using support::DnsReply;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Outcome = DnsAnswer::Outcome;

TEST(DnsRecords, AddressesWithTheLeastTimeToLive) {
  const DnsAnswer answer = ReadDnsReply(DnsReply("edge.example.test", 1)
                                            .Address("edge.example.test", 60, {192, 0, 2, 1})
                                            .Address("EDGE.example.test", 30, {192, 0, 2, 2})
                                            .Address("other.example.test", 5, {192, 0, 2, 3})
                                            .bytes(),
                                        DnsType::kA);
  EXPECT_EQ(answer.outcome, Outcome::kFound);
  EXPECT_EQ(answer.ttl_s, 30u);
  EXPECT_THAT(answer.addresses,
              ElementsAre(*ParseAddress("192.0.2.1"), *ParseAddress("192.0.2.2")));
}

TEST(DnsRecords, AliasesAreFollowedThroughCompressedNames) {
  const DnsAnswer answer = ReadDnsReply(DnsReply("a.example.test", 28)
                                            .Alias("a.example.test", 20, "b.example.test")
                                            .Address6("b.example.test", 300, "2001:db8::7")
                                            .bytes(),
                                        DnsType::kAaaa);
  EXPECT_EQ(answer.ttl_s, 20u);
  EXPECT_EQ(answer.alias, "b.example.test");
  EXPECT_THAT(answer.addresses, ElementsAre(*ParseAddress("2001:db8::7")));
}

TEST(DnsRecords, ServersAndServices) {
  const DnsAnswer srv =
      ReadDnsReply(DnsReply("_sip._tcp.example.test", 33)
                       .Srv("_sip._tcp.example.test", 9, {10, 60, 5070, "pop1.example.test"})
                       .Srv("_sip._tcp.example.test", 9, {20, 0, 5071, ""})
                       .bytes(),
                   DnsType::kSrv);
  EXPECT_THAT(srv.srv, ElementsAre(SrvRecord{10, 60, 5070, "pop1.example.test"}));
  // A target of "." alone: found, and nothing there.
  const DnsAnswer denied = ReadDnsReply(DnsReply("_sip._tcp.example.test", 33)
                                            .Srv("_sip._tcp.example.test", 9, {0, 0, 0, ""})
                                            .bytes(),
                                        DnsType::kSrv);
  EXPECT_EQ(denied.outcome, Outcome::kFound);
  EXPECT_THAT(denied.srv, IsEmpty());
  const DnsAnswer naptr =
      ReadDnsReply(DnsReply("example.test", 35)
                       .Naptr("example.test", 9, {1, 2, "s", "SIP+D2T", "_sip._tcp.example.test"})
                       .bytes(),
                   DnsType::kNaptr);
  EXPECT_THAT(naptr.naptr,
              ElementsAre(NaptrRecord{1, 2, "s", "SIP+D2T", "_sip._tcp.example.test"}));
}

TEST(DnsRecords, NothingAndFailureAreDifferent) {
  EXPECT_EQ(ReadDnsReply(DnsReply("x.test", 1, 3).bytes(), DnsType::kA).outcome, Outcome::kNothing);
  EXPECT_EQ(ReadDnsReply(DnsReply("x.test", 1).bytes(), DnsType::kA).outcome, Outcome::kNothing);
  EXPECT_EQ(ReadDnsReply(DnsReply("x.test", 1, 2).bytes(), DnsType::kA).outcome, Outcome::kFailed);
  EXPECT_EQ(ReadDnsReply("", DnsType::kA).outcome, Outcome::kFailed);
}

TEST(DnsRecords, DamagedRepliesEndSomewhere) {
  const std::string whole = DnsReply("a.example.test", 33)
                                .Alias("a.example.test", 20, "b.example.test")
                                .Srv("b.example.test", 9, {10, 60, 5070, "pop1.example.test"})
                                .bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    const DnsAnswer answer = ReadDnsReply(whole.substr(0, size), DnsType::kSrv);
    EXPECT_THAT(answer.srv, IsEmpty()) << size;
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const char byte : {'\0', '\x3f', '\xc0', '\xff'}) {
      std::string bad = whole;
      bad[at] = byte;
      EXPECT_THAT(ReadDnsReply(bad, DnsType::kSrv).srv, SizeIs(::testing::Le(1u)));
    }
  }
  // A name that jumps to itself.
  std::string loop = DnsReply("x", 1).Address("x", 1, {1, 2, 3, 4}).bytes();
  loop[12] = '\xc0';
  loop[13] = '\x0c';
  EXPECT_EQ(ReadDnsReply(loop, DnsType::kA).outcome, Outcome::kFailed);
}

TEST(DnsRecords, TypesHaveNames) {
  EXPECT_EQ(DnsTypeName(DnsType::kNaptr), "NAPTR");
  EXPECT_EQ(DnsTypeName(DnsType::kSrv), "SRV");
}

}  // namespace
}  // namespace sipctl::sip
