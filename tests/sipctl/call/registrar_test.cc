#include "sipctl/call/registrar.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sipctl/text.h"
#include "tests/sipctl/call/call_world.h"

namespace sipctl::call {
namespace {

using sip::Message;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RegistrarTest : public testing::Test {
 protected:
  RegistrarTest() : world_({.carrier = sip::Protocol::kTcp, .pbx_logs_in = true}) {}

  Registrar& registrar() { return world_.sipctl->registrar; }

  static sip::NameAddr Contact(const std::string& uri, sip::Parameters parameters = {}) {
    return {.display_name = {}, .uri = *sip::Uri::Parse(uri), .parameters = std::move(parameters)};
  }
  Message Request(std::vector<sip::NameAddr> contacts, std::optional<uint32_t> expires = 600) {
    Message request;
    request.method = sip::Method::kRegister;
    request.via.emplace_back();
    request.to.uri.user = "pbx1";
    request.call_id = "one";
    request.cseq = {++cseq_, sip::Method::kRegister};
    request.contact = std::move(contacts);
    request.expires = expires;
    return request;
  }
  Message Ask(const Message& request) { return registrar().Answer(request, flow_); }
  // "sip:a@host;600" of each contact in a 200.
  static std::vector<std::string> Contacts(const Message& response) {
    EXPECT_EQ(response.status, 200);
    std::vector<std::string> texts;
    for (const sip::NameAddr& each : response.contact) {
      texts.push_back(
          Concat(each.uri.ToString(), " ", sip::Find(each.parameters, "expires")->value));
    }
    return texts;
  }
  std::vector<std::string> Ways(const std::string& number = "+911234") {
    std::vector<std::string> texts;
    for (const Attempt& each : registrar().Find(1, number)) {
      texts.push_back(each.registration->contact.ToString());
    }
    return texts;
  }

  World world_;
  sip::Flow flow_{.protocol = sip::Protocol::kUdp,
                  .listener = 0,
                  .remote = *sip::ParseSocketAddress("198.51.100.7:40000")};
  uint32_t cseq_ = 0;
};

TEST_F(RegistrarTest, AContactIsGoodForItsTime) {
  EXPECT_THAT(Contacts(Ask(Request({Contact("sip:a@10.1.1.1:5060")}))),
              ElementsAre("sip:a@10.1.1.1:5060 600"));
  world_.Run(400'000);
  EXPECT_THAT(Contacts(Ask(Request({}))), ElementsAre("sip:a@10.1.1.1:5060 200"));  // a question
  EXPECT_THAT(Ways(), ElementsAre("sip:a@10.1.1.1:5060"));
  const Attempt way = registrar().Find(1, "+911234").front();
  // To where it came from, not to the address that it believes to have.
  EXPECT_EQ(way.target.address, flow_.remote);
  world_.Run(200'000);
  EXPECT_THAT(Ways(), IsEmpty());
  EXPECT_THAT(Contacts(Ask(Request({}))), IsEmpty());
}

TEST_F(RegistrarTest, HowLongIsOursToSay) {
  const Message too_short = Ask(Request({Contact("sip:a@10.1.1.1")}, 59));
  EXPECT_EQ(too_short.status, 423);
  EXPECT_EQ(*too_short.Other("Min-Expires"), "60");
  EXPECT_THAT(Ways(), IsEmpty());
  EXPECT_THAT(Contacts(Ask(Request({Contact("sip:a@10.1.1.1")}, 60))),
              ElementsAre("sip:a@10.1.1.1 60"));
  EXPECT_THAT(Contacts(Ask(Request({Contact("sip:a@10.1.1.1")}, 99'999))),
              ElementsAre("sip:a@10.1.1.1 3600"));
  EXPECT_THAT(Contacts(Ask(Request({Contact("sip:a@10.1.1.1")}, std::nullopt))),
              ElementsAre("sip:a@10.1.1.1 3600"));
  world_.config->listeners[0].expires_max_ns = 90'000'000'000;
  // A contact's own word comes first.
  EXPECT_THAT(Contacts(Ask(Request({Contact("sip:a@10.1.1.1", {{"expires", "80", true}})}, 5))),
              ElementsAre("sip:a@10.1.1.1 80"));
  EXPECT_THAT(Contacts(Ask(Request({Contact("sip:a@10.1.1.1", {{"expires", "soon", true}})}, 5))),
              ElementsAre("sip:a@10.1.1.1 90"));
}

TEST_F(RegistrarTest, LoggingOut) {
  Ask(Request({Contact("sip:a@10.1.1.1"), Contact("sip:b@10.1.1.2")}));
  EXPECT_THAT(Contacts(Ask(Request({Contact("sip:a@10.1.1.1", {{"expires", "0", true}})}))),
              ElementsAre("sip:b@10.1.1.2 600"));
  Ask(Request({Contact("sip:a@10.1.1.1")}));
  Message all = Request({}, 0);
  all.contact_star = true;
  EXPECT_THAT(Contacts(Ask(all)), IsEmpty());
  EXPECT_THAT(Ways(), IsEmpty());
}

TEST_F(RegistrarTest, AStarStandsAloneAndMeansTheEnd) {
  Ask(Request({Contact("sip:a@10.1.1.1")}));
  Message star = Request({}, 600);
  star.contact_star = true;
  EXPECT_EQ(Ask(star).status, 400);
  star = Request({Contact("sip:b@10.1.1.1")}, 0);
  star.contact_star = true;
  EXPECT_EQ(Ask(star).status, 400);
  star = Request({}, std::nullopt);
  star.contact_star = true;
  EXPECT_EQ(Ask(star).status, 400);
  EXPECT_EQ(Ways().size(), 1u);
}

TEST_F(RegistrarTest, WhatWasOvertakenChangesNothing) {
  const Message old = Request({Contact("sip:a@10.1.1.1")}, 0);
  Message old_star = Request({}, 0);
  old_star.contact_star = true;
  Ask(Request({Contact("sip:a@10.1.1.1")}));
  EXPECT_EQ(Ask(old).status, 500);
  EXPECT_EQ(Ask(old_star).status, 500);
  EXPECT_THAT(Ways(), ElementsAre("sip:a@10.1.1.1"));
  Message other_call = old;
  other_call.call_id = "two";  // restarted, and counts from one again
  EXPECT_EQ(Ask(other_call).status, 200);
  EXPECT_THAT(Ways(), IsEmpty());
}

TEST_F(RegistrarTest, AllOrNothing) {
  EXPECT_EQ(Ask(Request({Contact("sip:a@10.1.1.1"), Contact("tel:+911234")})).status, 400);
  EXPECT_EQ(
      Ask(Request({Contact("sip:a@10.1.1.1"), Contact("sip:b@10.1.1.1", {{"expires", "1", true}})}))
          .status,
      423);
  EXPECT_THAT(Ways(), IsEmpty());
  std::vector<sip::NameAddr> many;
  for (size_t i = 0; i <= kContactsMax; ++i) {
    many.push_back(Contact(Concat("sip:a@10.1.1.", i)));
  }
  EXPECT_EQ(Ask(Request(many)).status, 403);
  many.pop_back();
  EXPECT_EQ(Ask(Request(many)).status, 200);
  EXPECT_EQ(Ask(Request({Contact("sip:more@10.1.1.1")})).status, 403);
  EXPECT_EQ(Ways().size(), kContactsMax);
}

TEST_F(RegistrarTest, TheSameTelephoneElsewhereTakesThePlaceOfItself) {
  const sip::Parameters instance{{"+sip.instance", "<urn:uuid:1>", true}};
  Ask(Request({Contact("sip:a@10.1.1.1", instance)}));
  Ask(Request({Contact("sip:a@10.9.9.9", instance)}));
  EXPECT_THAT(Ways(), ElementsAre("sip:a@10.9.9.9"));
  // The same contact, from another place behind the NAT.
  flow_.remote.port = 40001;
  Ask(Request({Contact("sip:a@10.9.9.9")}));
  ASSERT_EQ(Ways().size(), 1u);
  EXPECT_EQ(registrar().Find(1, "").front().target.address.port, 40001);
}

// RFC 5626: one telephone, two ways to it.
TEST_F(RegistrarTest, ContactsOfOneRequestDoNotReplaceEachOther) {
  const sip::Parameters instance{{"+sip.instance", "<urn:uuid:1>", true}};
  const auto ask = [&] {
    return Contacts(Ask(Request({Contact("sip:a@10.1.1.1;transport=udp", instance),
                                 Contact("sip:a@10.1.1.1;transport=tcp", instance)})))
        .size();
  };
  EXPECT_EQ(ask(), 2u);
  EXPECT_EQ(ask(), 2u);
}

TEST_F(RegistrarTest, ThePreferredAndThenTheNewestFirst) {
  Ask(Request({Contact("sip:a@10.1.1.1", {{"q", "0.5", true}})}));
  Ask(Request({Contact("sip:b@10.1.1.1", {{"q", "0.123456", true}})}));
  Ask(Request({Contact("sip:c@10.1.1.1")}));
  Ask(Request({Contact("sip:d@10.1.1.1", {{"q", "1.0", true}})}));
  EXPECT_THAT(Ways(),
              ElementsAre("sip:d@10.1.1.1", "sip:c@10.1.1.1", "sip:a@10.1.1.1", "sip:b@10.1.1.1"));
}

TEST_F(RegistrarTest, TheUserOfTheCalledNameIsCalledAlone) {
  world_.config->trunks[1].users.resize(2);
  world_.config->trunks[1].users[1].user = "+912222";
  world_.sipctl->context.accounts = std::make_shared<const Accounts>(Accounts{
      {"pbx1", {.trunk = 1, .password = "s"}}, {"+912222", {.trunk = 1, .password = "s"}}});
  Ask(Request({Contact("sip:a@10.1.1.1")}));
  Message other = Request({Contact("sip:b@10.1.1.1")});
  other.to.uri.user = "+912222";
  Ask(other);
  EXPECT_THAT(Ways("+912222"), ElementsAre("sip:b@10.1.1.1"));
  EXPECT_THAT(Ways("pbx1"), ElementsAre("sip:a@10.1.1.1"));
  EXPECT_EQ(Ways("+911234").size(), 2u);
  // Who is no user any more is forgotten.
  const auto before = std::exchange(
      world_.sipctl->context.accounts,
      std::make_shared<const Accounts>(Accounts{{"pbx1", {.trunk = 1, .password = "s"}}}));
  registrar().Follow(*before);
  EXPECT_THAT(Ways("+912222"), IsEmpty());
  EXPECT_THAT(Ways("pbx1"), ElementsAre("sip:a@10.1.1.1"));
}

// Who stole the password may have told us where calls go.
TEST_F(RegistrarTest, AnotherPasswordEndsWhatWasToldByTheOldOne) {
  Ask(Request({Contact("sip:a@10.1.1.1")}));
  const auto before = std::exchange(
      world_.sipctl->context.accounts,
      std::make_shared<const Accounts>(Accounts{{"pbx1", {.trunk = 1, .password = "another"}}}));
  registrar().Follow(*before);
  EXPECT_THAT(Ways(), IsEmpty());
  EXPECT_THAT(world_.sipctl->notes.notices,
              testing::Contains(testing::HasSubstr("pbx1 has another password")));
  Ask(Request({Contact("sip:b@10.1.1.1")}));
  registrar().Follow(*world_.sipctl->context.accounts);  // a reload that changes nothing
  EXPECT_THAT(Ways(), ElementsAre("sip:b@10.1.1.1"));
}

TEST_F(RegistrarTest, AnExtensionThatWeDoNotKnowIsRefused) {
  Message request = Request({Contact("sip:a@10.1.1.1")});
  request.require = {"gruu"};
  const Message response = Ask(request);
  EXPECT_EQ(response.status, 420);
  EXPECT_THAT(response.unsupported, ElementsAre("gruu"));
}

TEST_F(RegistrarTest, HeadersOfAContactDoNotCross) {
  Ask(Request({Contact("sip:a@10.1.1.1?X-Evil=1")}));
  EXPECT_THAT(Ways(), ElementsAre("sip:a@10.1.1.1"));
}

}  // namespace
}  // namespace sipctl::call
