#include "sipctl/call/crossing.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

sip::Message Invite(std::vector<sip::HeaderField> others) {
  sip::Message invite;
  invite.method = sip::Method::kInvite;
  invite.request_uri.user = "+912212345678";
  invite.to.uri.user = "+912200000000";
  invite.from.uri.user = "1000";
  invite.from.display_name = "Desk";
  invite.others = std::move(others);
  return invite;
}

TEST(Crossing, WhoCallsIsFromUnlessTheTrunkIsTrusted) {
  const struct {
    const char* name;
    const char* value;
    Caller trusted;
  } kRows[] = {
      {"P-Asserted-Identity", "\"A <b>\" <sip:+911@x.test;user=phone>", {"+911", "A <b>", false}},
      {"P-Asserted-Identity", "<tel:+911;phone-context=x>", {"+911", "Desk", false}},
      {"P-Asserted-Identity", "tel:+911", {"+911", "Desk", false}},
      {"P-Asserted-Identity", "<tel:+911>, <sip:a@x.test>", {"+911", "Desk", false}},
      {"P-Asserted-Identity", "tel:+911, <sip:a@x.test>", {"+911", "Desk", false}},
      {"P-Asserted-Identity", "<sip:+911;cpc=ordinary@x.test>", {"+911", "Desk", false}},
      {"P-Asserted-Identity", "\"A \\\"b\\\"\" <sip:+911@x.test>", {"+911", "A \"b\"", false}},
      {"P-Asserted-Identity", "Ann <sips:+911@x.test>", {"+911", "Ann", false}},
      {"P-Asserted-Identity", "\"open <sip:+911@x.test>", {"1000", "Desk", false}},
      {"P-Asserted-Identity", "<sip:+911@x.test", {"1000", "Desk", false}},
      {"P-Asserted-Identity", "", {"1000", "Desk", false}},
      {"P-Asserted-Identity", "<tel:1@x>", {"1000", "Desk", false}},
      {"P-Asserted-Identity", "<tel:1#2>", {"1000", "Desk", false}},
      {"P-Asserted-Identity", "<urn:911@x>", {"1000", "Desk", false}},
      {"P-Asserted-Identity", "<sip:x.test>", {"1000", "Desk", false}},
      {"Remote-Party-ID", "<sip:+912@x.test>;party=calling;privacy=off", {"+912", "Desk", false}},
      {"Remote-Party-ID", "<sip:+912@x.test>;privacy=full", {"+912", "Desk", true}},
      {"Remote-Party-ID", "<sip:+912@x.test>;privacy = \"full\"", {"+912", "Desk", true}},
      {"Remote-Party-ID",
       "<sip:+912@x.test>;Privacy=uri-network, <sip:b@x>",
       {"+912", "Desk", true}},
      {"Privacy", "id;critical", {"1000", "Desk", true}},
      {"Privacy", "none", {"1000", "Desk", false}},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.value);
    const sip::Message invite = Invite({{row.name, row.value}});
    trunk::Trunk source;
    EXPECT_EQ(CallerOf(source, invite).number, "1000");
    EXPECT_EQ(CallerOf(source, invite).display_name, "Desk");
    source.trusts_identity = true;
    EXPECT_EQ(CallerOf(source, invite).number, row.trusted.number);
    EXPECT_EQ(CallerOf(source, invite).display_name, row.trusted.display_name);
    EXPECT_EQ(CallerOf(source, invite).hidden, row.trusted.hidden);
  }
}

// RFC 3325 section 9.1: one sip and one tel, in one line or in two.
TEST(Crossing, OfTwoIdentitiesTheNumberIsTaken) {
  trunk::Trunk source;
  source.trusts_identity = true;
  const std::vector<std::vector<sip::HeaderField>> all = {
      {{"P-Asserted-Identity", "\"Ann, B.\" <sip:ann@x.test>"},
       {"P-Asserted-Identity", "tel:+911"}},
      {{"P-Asserted-Identity", "<tel:+911>"},
       {"p-asserted-identity", "\"Ann, B.\" <sip:ann@x.test>"}},
      {{"P-Asserted-Identity", "\"Ann, B.\" <sip:ann@x.test;x=a,b>, <tel:+911>"}},
      {{"P-Asserted-Identity", "nonsense"},
       {"P-Asserted-Identity", "\"Ann, B.\" <sip:+911@x.test>"}},
  };
  for (const auto& headers : all) {
    const Caller caller = CallerOf(source, Invite(headers));
    EXPECT_EQ(caller.number, "+911") << headers[0].value;
    EXPECT_EQ(caller.display_name, "Ann, B.") << headers[0].value;
  }
  const Caller named = CallerOf(source, Invite({{"P-Asserted-Identity", "<sip:ann@x.test>"},
                                                {"P-Asserted-Identity", "<sip:bob@x.test>"}}));
  EXPECT_EQ(named.number, "ann");
  EXPECT_TRUE(CallerOf(source, Invite({{"Remote-Party-ID", "<sip:a@x>;privacy=off"},
                                       {"Remote-Party-ID", "<sip:b@x>;privacy=full"}}))
                  .hidden);
}

TEST(Crossing, PrivacyIsKeptWhoeverIsBelieved) {
  trunk::Trunk source;
  const sip::Message both = Invite({{"P-Asserted-Identity", "<sip:+911@x.test>"},
                                    {"Remote-Party-ID", "<sip:+911@x.test>;privacy=full"}});
  EXPECT_TRUE(CallerOf(source, both).hidden);
  source.trusts_identity = true;
  EXPECT_TRUE(CallerOf(source, both).hidden);
  EXPECT_EQ(CallerOf(source, both).number, "+911");
}

TEST(Crossing, NumbersComeWithoutTheirParameters) {
  trunk::Trunk source;
  sip::Message invite = Invite({});
  invite.request_uri = *sip::Uri::Parse("tel:+912212345678;phone-context=example.com");
  invite.to.uri = *sip::Uri::Parse("sip:+912200000000;npdi;rn=1@x.test");
  invite.from.uri = *sip::Uri::Parse("sip:+919812345678;cpc=ordinary@ims.test");
  EXPECT_EQ(CalledOf(source, invite), "+912212345678");
  EXPECT_EQ(CallerOf(source, invite).number, "+919812345678");
  source.called_from = "To";
  EXPECT_EQ(CalledOf(source, invite), "+912200000000");
  invite.from.uri = *sip::Uri::Parse("mailto:bob@x.test");
  EXPECT_EQ(CallerOf(source, invite).number, "");
}

TEST(Crossing, WhereTheCalledNumberStands) {
  trunk::Trunk source;
  const sip::Message invite =
      Invite({{"X-DID", "+913"}, {"P-Called-Party-ID", "<tel:+914>"}, {"X-Odd", "1@evil>"}});
  EXPECT_EQ(CalledOf(source, invite), "+912212345678");
  source.called_from = "To";
  EXPECT_EQ(CalledOf(source, invite), "+912200000000");
  source.called_from = "x-did";
  EXPECT_EQ(CalledOf(source, invite), "+913");
  source.called_from = "P-Called-Party-ID";
  EXPECT_EQ(CalledOf(source, invite), "+914");
  source.called_from = "X-Odd";
  EXPECT_EQ(CalledOf(source, invite), "+912212345678");
  source.called_from = "X-None";
  EXPECT_EQ(CalledOf(source, invite), "+912212345678");
}

std::string Written(const trunk::Trunk& destination, const Caller& caller) {
  sip::Message invite;
  WriteCaller(destination, caller, "192.0.2.1", &invite);
  std::string text = invite.from.ToString();
  for (const sip::HeaderField& field : invite.others) text += "|" + field.name + ": " + field.value;
  return text;
}

TEST(Crossing, ATrunkIsToldWhoCallsInItsOwnWay) {
  const Caller shown{"+911", "Ann", false}, hidden{"+911", "Ann", true}, unknown{};
  trunk::Trunk trunk;
  EXPECT_EQ(Written(trunk, shown), "\"Ann\" <sip:+911@192.0.2.1>");
  EXPECT_EQ(Written(trunk, hidden), "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
  EXPECT_EQ(Written(trunk, unknown), "<sip:anonymous@192.0.2.1>");
  trunk.from_domain = "acme1.pstn.exotel.com";
  EXPECT_EQ(Written(trunk, hidden), "\"Anonymous\" <sip:anonymous@acme1.pstn.exotel.com>");
  trunk.identity = trunk::Identity::kAsserted;
  EXPECT_EQ(Written(trunk, shown),
            "\"Ann\" <sip:+911@acme1.pstn.exotel.com>"
            "|P-Asserted-Identity: \"Ann\" <sip:+911@acme1.pstn.exotel.com>");
  EXPECT_EQ(Written(trunk, hidden),
            "\"Anonymous\" <sip:anonymous@acme1.pstn.exotel.com>"
            "|P-Asserted-Identity: \"Ann\" <sip:+911@acme1.pstn.exotel.com>|Privacy: id");
  trunk.identity = trunk::Identity::kRemoteParty;
  EXPECT_EQ(Written(trunk, shown),
            "\"Ann\" <sip:+911@acme1.pstn.exotel.com>|Remote-Party-ID: \"Ann\" "
            "<sip:+911@acme1.pstn.exotel.com>;party=calling;screen=no;privacy=off");
  const Caller asserted{"+911", "Ann", false, true};
  EXPECT_EQ(Written(trunk, asserted),
            "\"Ann\" <sip:+911@acme1.pstn.exotel.com>|Remote-Party-ID: \"Ann\" "
            "<sip:+911@acme1.pstn.exotel.com>;party=calling;screen=yes;privacy=off");
  EXPECT_EQ(Written(trunk, unknown), "<sip:anonymous@acme1.pstn.exotel.com>");
  const Caller nameless{"anonymous", "Anonymous", false};
  EXPECT_EQ(Written(trunk, nameless), "\"Anonymous\" <sip:anonymous@acme1.pstn.exotel.com>");
}

TEST(Crossing, AHeaderNeedsBothTrunksLeave) {
  const sip::Message invite = Invite({{"X-Tenant", "acme"},
                                      {"X-Secret", "1"},
                                      {"X-Exotel-CallSid", "c1"},
                                      {"Diversion", "<sip:10@inside.test>"},
                                      {"Subject", "hello"},
                                      {"x-tenant", "again"}});
  trunk::Trunk source, destination;
  EXPECT_THAT(PassedHeaders(source, destination, invite), IsEmpty());
  source.headers_from = {"X-*", "Subject", "Diversion"};
  EXPECT_THAT(PassedHeaders(source, destination, invite), IsEmpty());
  destination.headers_to = {"X-Tenant", "subject", "X-Exotel-CallSid", "Diversion"};
  const sip::HeaderField tenant{"X-Tenant", "acme"}, again{"x-tenant", "again"};
  const sip::HeaderField subject{"Subject", "hello"}, call{"X-Exotel-CallSid", "c1"};
  EXPECT_THAT(PassedHeaders(source, destination, invite),
              ElementsAre(tenant, call, subject, again));
  // What is Exotel's own is not sent back to it (trap T-30), and what we set ourselves stands
  // alone.
  destination.carrier = trunk::FindProfile("exotel");
  EXPECT_THAT(PassedHeaders(source, destination, invite), ElementsAre(tenant, subject, again));
  const sip::Message flow = Invite({{"X-Exotel-AccountSid", "another"}});
  destination.headers_to.emplace_back("X-*");
  EXPECT_THAT(PassedHeaders(source, destination, flow), IsEmpty()) << "we say it ourselves";
  destination.headers_to.pop_back();
  destination.headers = {{"X-TENANT", "ours"}};
  EXPECT_THAT(PassedHeaders(source, destination, invite), ElementsAre(subject));
  sip::Message many = Invite(std::vector<sip::HeaderField>(40, {"X-A", "1"}));
  destination.headers_to = {"X-A"};
  EXPECT_EQ(PassedHeaders(source, destination, many).size(), kPassedMax);
}

TEST(Crossing, ACarriersOwnHeadersAreKept) {
  const sip::Message invite = Invite({{"X-Exotel-CallSid", "c1"},
                                      {"X-Exotel-LegSid", std::string(1000, 'l')},
                                      {"X-Tenant", "acme"},
                                      {"X-Other", "1"}});
  trunk::Trunk trunk;
  EXPECT_THAT(KeptHeaders(trunk, invite), IsEmpty());
  trunk.headers_read = {"X-Tenant"};
  trunk.carrier = trunk::FindProfile("exotel");
  const sip::HeaderField call{"X-Exotel-CallSid", "c1"}, tenant{"X-Tenant", "acme"};
  EXPECT_THAT(
      KeptHeaders(trunk, invite),
      ElementsAre(call, sip::HeaderField{"X-Exotel-LegSid", std::string(256, 'l')}, tenant));
}

// ---- through a whole call ----------------------------------------------------------------------

TEST(Crossing, ACallTakesAlongWhatBothTrunksAllowAndItsRecordKeepsTheRest) {
  World world;
  trunk::Trunk& carrier = world.config->trunks[0];
  carrier.carrier = trunk::FindProfile("exotel");
  carrier.headers_from = {"X-*"};
  carrier.trusts_identity = true;
  carrier.called_from = "X-DID";
  carrier.number_plan = {.country = "91", .digits = 10};
  trunk::Trunk& pbx = world.config->trunks[1];
  pbx.headers_to = {"X-Tenant", "X-Exotel-CallSid"};
  pbx.identity = trunk::Identity::kAsserted;
  pbx.number_plan = {.country = "91", .digits = 10};
  pbx.number_form = trunk::NumberForm::kPlain;
  pbx.headers_read = {"X-Room"};
  world.RestartSipctl();
  world.Run(100);
  world.carrier.Invite(1, "trunk", World::CarrierSdp(), [](sip::Message* invite) {
    invite->others.push_back({"X-DID", "02212345678"});
    invite->others.push_back({"X-Tenant", "acme"});
    invite->others.push_back({"X-Secret", "s"});
    invite->others.push_back({"X-Exotel-CallSid", "c1"});
    invite->others.push_back({"P-Asserted-Identity", "<tel:09812345678>"});
  });
  world.Run(100);
  const sip::Message* got = world.pbx.Got(sip::Method::kInvite);
  ASSERT_NE(got, nullptr);
  EXPECT_EQ(got->request_uri.user, "912212345678");
  EXPECT_EQ(got->from.uri.user, "919812345678");
  EXPECT_EQ(*got->Other("X-Tenant"), "acme");
  EXPECT_EQ(*got->Other("X-Exotel-CallSid"), "c1");
  EXPECT_EQ(got->Other("X-Secret"), nullptr);
  EXPECT_EQ(*got->Other("P-Asserted-Identity"),
            "\"Peer\" <sip:919812345678@" + got->from.uri.host + ">");
  world.pbx.Respond(486, {}, {}, [](sip::Message* response) {
    response->others.push_back({"X-Room", "7"});
  });
  world.Run(60'000);
  ASSERT_EQ(world.cdrs().size(), 1u);
  const Cdr& cdr = world.cdrs()[0];
  EXPECT_EQ(cdr.called, "02212345678");
  EXPECT_EQ(cdr.sent, "912212345678");
  EXPECT_THAT(cdr.legs[0].headers, ElementsAre(std::pair("X-Exotel-CallSid", "c1")));
  EXPECT_THAT(cdr.legs[1].headers, ElementsAre(std::pair("X-Room", "7")));
  EXPECT_THAT(ToJson(cdr), testing::HasSubstr("\"headers\":[[\"X-Exotel-CallSid\",\"c1\"]]"));
  world.ExpectNothingLeft();
}

}  // namespace
}  // namespace sipctl::call
