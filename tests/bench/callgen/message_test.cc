#include "bench/callgen/message.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace bench::callgen {
namespace {

using sipctl::sip::Protocol;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kAnswer =
    "SIP/2.0 200 OK\r\n"
    "Via: SIP/2.0/TCP 127.0.1.1:4000;branch=z9hG4bKi1\r\n"
    "v : SIP/2.0/TCP 127.0.1.9\r\n"
    "Record-Route: <sip:a;lr>\r\nRecord-Route: <sip:b;lr>\r\n"
    "From: <sip:1@a>;tag=1\r\nto:<sip:2@b>;tag=2\r\nCall-ID: 7.1.x@load\r\n"
    "CSeq: 1 INVITE\r\nContact: \"B\" <sip:load@127.0.2.1:5060;transport=tcp>;q=1\r\n"
    "Content-Length: 5\r\n\r\nTo: x";

TEST(Message, OfAResponseIsRead) {
  Glance glance;
  ASSERT_TRUE(Read(kAnswer, &glance));
  EXPECT_EQ(glance.status, 200);
  EXPECT_EQ(glance.method, "INVITE");
  EXPECT_EQ(glance.to, "<sip:2@b>;tag=2");
  EXPECT_EQ(glance.call_id, "7.1.x@load");
  EXPECT_EQ(glance.contact, "sip:load@127.0.2.1:5060;transport=tcp");
  EXPECT_EQ(glance.vias.size(), 2u);
  EXPECT_THAT(glance.record_route, ElementsAre("<sip:a;lr>", "<sip:b;lr>"));
}

TEST(Message, RoutesAreRecordedOnesInReverse) {
  Glance glance;
  ASSERT_TRUE(Read(kAnswer, &glance));
  EXPECT_EQ(RoutesOf(glance), "Route: <sip:b;lr>\r\nRoute: <sip:a;lr>\r\n");
}

TEST(Message, WhatCannotBeAnsweredIsNone) {
  for (const std::string_view text :
       {"", "\r\n\r\n", "SIP/2.0 20\r\nVia: x\r\n\r\n", "INVITE sip:a SIP/2.0\r\nVia: x\r\n\r\n",
        "INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"}) {
    Glance glance;
    EXPECT_FALSE(Read(text, &glance)) << text;
  }
}

TEST(Message, AnAnswerRepeatsWhatItsRequestIsKnownBy) {
  const CallNames names{.protocol = Protocol::kUdp,
                        .local = "127.0.1.1:4000",
                        .request_uri = "sip:+91@127.0.0.1:5060",
                        .from = "<sip:1@a>;tag=1",
                        .to = "<sip:2@b>",
                        .call_id = "1",
                        .routes = {},
                        .branch = "i1"};
  const std::string invite = WriteInvite(names, "127.0.1.1");
  EXPECT_THAT(invite, HasSubstr("Via: SIP/2.0/UDP 127.0.1.1:4000;rport;branch=z9hG4bKi1\r\n"));
  Glance request;
  ASSERT_TRUE(Read(invite, &request));
  EXPECT_TRUE(request.is_request());
  Glance answer;
  const std::string bytes = WriteAnswer(request, {.tag = "9", .contact = "sip:x"});
  ASSERT_TRUE(Read(bytes, &answer));
  EXPECT_EQ(answer.to, "<sip:2@b>;tag=9");
  EXPECT_EQ(answer.vias, request.vias);
  EXPECT_EQ(answer.cseq, "1 INVITE");
  EXPECT_THAT(bytes, Not(HasSubstr("application/sdp")));
}

TEST(Message, LengthIsThatOfTheBody) {
  const std::string invite = WriteInvite({.call_id = "1"}, "127.0.1.1");
  const size_t body = invite.find("\r\n\r\n") + 4;
  EXPECT_THAT(invite, HasSubstr("Content-Length: " + std::to_string(invite.size() - body)));
}

}  // namespace
}  // namespace bench::callgen
