// Sofia-sip as a second opinion: its own message parser reads what Encode writes and agrees, and
// what it prints back is read as the same record.
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/su_alloc.h>

#include <string>

#include "gtest/gtest.h"
#include "sipctl/sip/message.h"

namespace sipctl::sip {
namespace {

Message Sample() {
  Message m;
  m.method = Method::kInvite;
  m.method_name = "INVITE";
  m.request_uri = *Uri::Parse("sip:+918047110000@203.0.113.10:5070;transport=tcp");
  m.via = {{"TCP", "2001:db8::7", 5070, {{"branch", "z9hG4bK1.a", true}, {"rport", "", false}}},
           {"UDP", "192.0.2.5", 0, {{"branch", "z9hG4bK2", true}}}};
  m.max_forwards = 66;
  m.route = {{"", *Uri::Parse("sip:192.0.2.4:5070;lr;transport=tcp"), {}}};
  m.record_route = {{"", *Uri::Parse("sip:192.0.2.9;lr"), {}},
                    {"", *Uri::Parse("sip:[2001:db8::9];lr;r2=on"), {}}};
  m.from = {"Bell \"A\", Ma", *Uri::Parse("sip:+91984@acme.example.com"), {{"tag", "f1", true}}};
  m.to = {"", *Uri::Parse("tel:+918047110000"), {}};
  m.call_id = "abc@192.0.2.5";
  m.cseq = {102, Method::kInvite};
  m.contact = {{"", *Uri::Parse("sip:me@203.0.113.10:5070;transport=tcp"), {}}};
  m.require = {"100rel"};
  m.supported = {"timer", "replaces"};
  m.allow = {"INVITE", "ACK"};
  m.accept = {"application/sdp"};
  m.expires = 180;
  m.others = {{"Session-Expires", "1800;refresher=uac"}, {"Subject", "a, b"}, {"X-Odd", ";;,,"}};
  m.content_type = "application/sdp";
  m.body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";
  return m;
}

class SofiaMessage {
 public:
  explicit SofiaMessage(const std::string& bytes)
      : msg_(msg_make(sip_default_mclass(), 0, bytes.data(), static_cast<ssize_t>(bytes.size()))) {}
  ~SofiaMessage() { msg_destroy(msg_); }
  const sip_t* sip() const { return sip_object(msg_); }
  std::string Print() const {
    size_t size = 0;
    su_home_t home[1] = {SU_HOME_INIT(home)};
    char* text = msg_as_string(home, msg_, nullptr, 0, &size);
    std::string printed(text, size);
    su_home_deinit(home);
    return printed;
  }

 private:
  msg_t* msg_;
};

TEST(MessageSofia, ReadsWhatEncodeWrites) {
  const Message m = Sample();
  const SofiaMessage read(Encode(m));
  const sip_t* sip = read.sip();
  ASSERT_NE(sip, nullptr);
  EXPECT_EQ(sip->sip_error, nullptr);
  ASSERT_NE(sip->sip_request, nullptr);
  EXPECT_EQ(sip->sip_request->rq_method, sip_method_invite);
  EXPECT_STREQ(sip->sip_request->rq_url->url_user, "+918047110000");
  EXPECT_STREQ(sip->sip_request->rq_url->url_port, "5070");
  ASSERT_NE(sip->sip_via, nullptr);
  EXPECT_STREQ(sip->sip_via->v_host, "[2001:db8::7]");
  EXPECT_STREQ(sip->sip_via->v_branch, "z9hG4bK1.a");
  EXPECT_STREQ(sip->sip_via->v_next->v_protocol, "SIP/2.0/UDP");
  EXPECT_EQ(sip->sip_max_forwards->mf_count, 66u);
  EXPECT_TRUE(url_has_param(sip->sip_route->r_url, "lr"));
  EXPECT_STREQ(sip->sip_record_route->r_next->r_url->url_host, "[2001:db8::9]");
  EXPECT_STREQ(sip->sip_from->a_display, "\"Bell \\\"A\\\", Ma\"");
  EXPECT_STREQ(sip->sip_from->a_tag, "f1");
  EXPECT_EQ(sip->sip_to->a_tag, nullptr);
  EXPECT_STREQ(sip->sip_to->a_url->url_scheme, "tel");
  EXPECT_STREQ(sip->sip_call_id->i_id, "abc@192.0.2.5");
  EXPECT_EQ(sip->sip_cseq->cs_seq, 102u);
  EXPECT_STREQ(sip->sip_contact->m_url->url_params, "transport=tcp");
  EXPECT_TRUE(sip_has_supported(sip->sip_supported, "replaces"));
  EXPECT_EQ(sip->sip_expires->ex_delta, 180u);
  EXPECT_EQ(sip->sip_session_expires->x_delta, 1800u);
  EXPECT_STREQ(sip->sip_content_type->c_type, "application/sdp");
  ASSERT_NE(sip->sip_payload, nullptr);
  EXPECT_EQ(std::string(sip->sip_payload->pl_data, sip->sip_payload->pl_len), m.body);
}

TEST(MessageSofia, WhatItPrintsIsTheSameRecord) {
  for (bool request : {true, false}) {
    Message m = Sample();
    if (!request) {
      m = MakeResponse(m, 180, "ours", "Ringing here");
      m.rseq = 7;
    }
    ParseFailure failure;
    const auto again = Parse(SofiaMessage(Encode(m)).Print(), &failure);
    ASSERT_TRUE(again.has_value()) << failure.sentence;
    EXPECT_EQ(*again, m);
  }
}

}  // namespace
}  // namespace sipctl::sip
