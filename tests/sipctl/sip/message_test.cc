#include "sipctl/sip/message.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sipctl::sip {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kBody = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";

std::string Invite(std::string_view extra = "", std::string_view uri = "sip:+9180@pbx.example.com",
                   std::string_view body = kBody) {
  std::string text = "INVITE ";
  text.append(uri).append(" SIP/2.0\r\n");
  text.append(
      "Via: SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bK776asdhds;rport\r\n"
      "Max-Forwards: 67\r\n"
      "From: \"Bell, \\\"A\\\"\" <sip:+91984@exotel.example.com>;tag=1928301774\r\n"
      "To: <sip:+9180@pbx.example.com>\r\n"
      "Call-ID: a84b4c76e66710@192.0.2.1\r\n"
      "CSeq: 314159 INVITE\r\n"
      "Contact: <sip:+91984@192.0.2.1:5070;transport=tcp>\r\n");
  text.append(extra);
  text.append("Content-Type: application/sdp\r\nContent-Length: ");
  text.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  return text;
}

Message MustParse(std::string_view bytes) {
  ParseFailure failure;
  std::optional<Message> message = Parse(bytes, &failure);
  EXPECT_TRUE(message.has_value()) << failure.sentence << "\n" << bytes;
  return message.value_or(Message());
}

ParseFailure MustFail(std::string_view bytes) {
  ParseFailure failure;
  EXPECT_FALSE(Parse(bytes, &failure).has_value()) << bytes;
  EXPECT_FALSE(failure.sentence.empty());
  return failure;
}

std::string Replace(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Message, ReadsAnInvite) {
  const Message m = MustParse(Invite("X-Exotel-CallSid: abc\r\nSupported: replaces, timer\r\n"));
  EXPECT_TRUE(m.is_request);
  EXPECT_EQ(m.method, Method::kInvite);
  EXPECT_EQ(m.request_uri.user, "+9180");
  EXPECT_EQ(m.request_uri.host, "pbx.example.com");
  ASSERT_THAT(m.via, SizeIs(1));
  EXPECT_EQ(m.via[0].transport, "TCP");
  EXPECT_EQ(m.via[0].host, "192.0.2.1");
  EXPECT_EQ(m.via[0].port, 5070);
  EXPECT_EQ(m.via[0].branch(), "z9hG4bK776asdhds");
  ASSERT_NE(Find(m.via[0].parameters, "rport"), nullptr);
  EXPECT_FALSE(Find(m.via[0].parameters, "rport")->has_value);
  EXPECT_EQ(m.max_forwards, 67);
  EXPECT_EQ(m.from.display_name, "Bell, \"A\"");
  EXPECT_EQ(m.from.tag(), "1928301774");
  EXPECT_EQ(m.to.tag(), "");
  EXPECT_EQ(m.call_id, "a84b4c76e66710@192.0.2.1");
  EXPECT_EQ(m.cseq, (CSeq{314159, Method::kInvite}));
  ASSERT_THAT(m.contact, SizeIs(1));
  EXPECT_EQ(m.contact[0].uri.port, 5070);
  EXPECT_EQ(Find(m.contact[0].uri.parameters, "TRANSPORT")->value, "tcp");
  EXPECT_THAT(m.supported, ElementsAre("replaces", "timer"));
  EXPECT_EQ(m.content_type, "application/sdp");
  EXPECT_EQ(m.body, kBody);
  ASSERT_NE(m.Other("x-exotel-callsid"), nullptr);
  EXPECT_EQ(*m.Other("x-exotel-callsid"), "abc");
}

TEST(Message, ReadsAResponse) {
  const Message m = MustParse(
      "SIP/2.0 183 Session Progress\r\n"
      "Via: SIP/2.0/UDP a.example.com;branch=z9hG4bK1;received=192.0.2.9, SIP/2.0/TLS "
      "[2001:db8::1]:5061;branch=z9hG4bK2\r\n"
      "From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>;tag=2\r\n"
      "Call-ID: x\r\nCSeq: 7 INVITE\r\nRSeq: 12\r\nRequire: 100rel\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(m.is_request);
  EXPECT_EQ(m.status, 183);
  EXPECT_EQ(m.reason, "Session Progress");
  EXPECT_EQ(m.method, Method::kInvite);
  ASSERT_THAT(m.via, SizeIs(2));
  EXPECT_EQ(m.via[1].host, "2001:db8::1");
  EXPECT_EQ(m.via[1].transport, "TLS");
  EXPECT_EQ(m.rseq, 12u);
}

TEST(Message, CompactFormsFoldingBareLfAndWhiteSpaceBeforeTheColon) {
  const Message m = MustParse(
      "\r\n\r\nINVITE sip:b@example.com SIP/2.0\n"
      "v : SIP/2.0/UDP 192.0.2.4;\r\n  branch=z9hG4bKa\n"
      "f:\"Alice\"\r\n\t<sip:a@example.com>\r\n ;tag=9\r\n"
      "t\t:  sip:b@example.com\r\n"
      "i: call\r\nCSeq   :\r\n 8\r\n INVITE\r\n"
      "m: <sip:a@192.0.2.4>\r\nk: 100rel\r\nx: 1800;refresher=uac\r\n"
      "s: a\r\n   folded subject\r\nl: 2\r\n\r\nhi");
  EXPECT_EQ(m.via[0].branch(), "z9hG4bKa");
  EXPECT_EQ(m.from.tag(), "9");
  EXPECT_EQ(m.from.display_name, "Alice");
  EXPECT_EQ(m.cseq.number, 8u);
  EXPECT_THAT(m.supported, ElementsAre("100rel"));
  EXPECT_EQ(*m.Other("Session-Expires"), "1800;refresher=uac");
  EXPECT_EQ(*m.Other("x"), "1800;refresher=uac");
  EXPECT_EQ(m.body, "hi");
  EXPECT_EQ(MustParse(Encode(m)), m);
}

// Trap T-04: Exotel's sample has no angle brackets; its parameters are the URI's all the same.
TEST(Message, RecordRouteWithoutAngleBrackets) {
  const Message m = MustParse(
      Invite("Record-Route: sip:192.0.2.7:5070;transport=tcp;lr;r2=on\r\n"
             "Record-Route: <sip:192.0.2.8;lr;ftag=a,b>,\"P\" <sip:192.0.2.9;lr>;x=1\r\n"));
  ASSERT_THAT(m.record_route, SizeIs(3));
  EXPECT_EQ(m.record_route[0].uri.ToString(), "sip:192.0.2.7:5070;transport=tcp;lr;r2=on");
  EXPECT_THAT(m.record_route[0].parameters, IsEmpty());
  EXPECT_EQ(m.record_route[1].uri.host, "192.0.2.8");
  EXPECT_EQ(m.record_route[2].ToString(), "\"P\" <sip:192.0.2.9;lr>;x=1");
  EXPECT_EQ(MustParse(Encode(m)), m);
}

TEST(Message, ContactWithoutAngleBracketsKeepsItsHeaderParameters) {
  const Message m = MustParse(Replace(Invite(), "<sip:+91984@192.0.2.1:5070;transport=tcp>",
                                      "sip:a@192.0.2.1;transport=tcp;expires=60"));
  EXPECT_EQ(m.contact[0].uri.ToString(), "sip:a@192.0.2.1;transport=tcp");
  EXPECT_EQ(Find(m.contact[0].parameters, "expires")->value, "60");
}

TEST(Message, TelephoneUrisAreAccepted) {
  const Message m = MustParse(Replace(Invite("", "tel:+918012345678;phone-context=example.com"),
                                      "<sip:+9180@pbx.example.com>", "<tel:+9180;isub=1>"));
  EXPECT_EQ(m.request_uri.scheme, "tel");
  EXPECT_EQ(m.request_uri.user, "+918012345678;phone-context=example.com");
  EXPECT_EQ(m.to.uri.ToString(), "tel:+9180;isub=1");
  EXPECT_EQ(MustParse(Encode(m)), m);
}

TEST(Message, UnknownMethodsPass) {
  std::string text = Replace(Invite(), "INVITE ", "NEWMETHOD ");
  text = Replace(text, "314159 INVITE", "314159 NEWMETHOD");
  const Message m = MustParse(text);
  EXPECT_EQ(m.method, Method::kUnknown);
  EXPECT_EQ(m.method_name, "NEWMETHOD");
  EXPECT_EQ(MustParse(Encode(m)), m);
  EXPECT_THAT(Encode(MakeResponse(m, 501, "t")), HasSubstr("CSeq: 314159 NEWMETHOD\r\n"));
}

TEST(Message, RefusalsNameTheStatusAndCanBeAnswered) {
  struct Case {
    std::string text;
    int status;
    std::string_view what;
  };
  const Case cases[] = {
      {Replace(Invite(), " SIP/2.0\r\n", " SIP/7.0\r\n"), 505, "SIP/2.0"},
      {Invite("", "urn:service:sos"), 416, "urn"},
      {Invite("", "nobodyknows:totallyopaque"), 416, "nobodyknows"},
      {Invite("", "sip:a b@example.com"), 400, "Request-URI"},
      {Invite("", "<sip:a@example.com>"), 400, "Request-URI"},
      {Invite("", "sip:a@example.com "), 400, "Request-URI"},
      {Invite("", "sip:a@example.com:99999"), 400, "Request-URI"},
      {Invite("", "sip:@example.com:"), 400, "Request-URI"},
      {Invite("Max-Forwards: 5\r\n"), 400, "two header fields Max-Forwards"},
      {Invite("t: <sip:c@example.com>\r\n"), 400, "two header fields t"},
      {Replace(Invite(), "Max-Forwards: 67", "Max-Forwards: 300"), 400, "Max-Forwards"},
      {Replace(Invite(), "314159 INVITE", "314159 OPTIONS"), 400, "CSeq"},
      {Replace(Invite(), "Length: 31", "Length: 32"), 400, "only 31 bytes"},
      {Replace(Invite(), "Length: 31", "Length: -1"), 400, "Content-Length"},
      {Replace(Invite(), "Length: 31", "Length: 4294967327"), 400, "Content-Length"},
      {Invite("Content-Length: 31\r\n"), 400, "two header fields"},
      {Invite("Contact: <sip:\r\n"), 400, "Contact"},
      {Invite("no colon here\r\n"), 400, "no colon"},
      {Invite("bad name: 1\r\n"), 400, "no token"},
      {Invite(std::string("Subject: a\0b\r\n", 14)), 400, "NUL"},
      {Invite("Subject: a\rVia: b\r\n"), 400, "lone CR"},
      {Invite("Require: a b\r\n"), 400, "Require"},
  };
  for (const Case& c : cases) {
    const ParseFailure failure = MustFail(c.text);
    EXPECT_EQ(failure.status, c.status) << c.text;
    EXPECT_THAT(failure.sentence, HasSubstr(std::string(c.what)));
    ASSERT_TRUE(failure.answerable.has_value()) << c.text;
    const Message answer =
        MustParse(Encode(MakeResponse(*failure.answerable, failure.status, "tag")));
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(answer.via[0].branch(), "z9hG4bK776asdhds");
    EXPECT_EQ(answer.call_id, "a84b4c76e66710@192.0.2.1");
    EXPECT_EQ(answer.to.tag(), "tag");
  }
}

std::string Refusal(const ParseFailure& failure) {
  return EncodeRefusal(MakeResponse(*failure.answerable, failure.status, "tag"), failure.raw);
}

TEST(Message, WhatCannotBeReadIsRepeatedAsItCame) {
  const std::string via = "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bK776asdhds;rport";
  struct Case {
    std::string_view line, instead;
  };
  for (const Case& c : {Case{"CSeq: 314159 INVITE", "CSeq: 2147483648 INVITE"},
                        Case{"To: <sip:+9180@pbx.example.com>", "To: \"Mr. <sip:a@b.example>"},
                        Case{"Call-ID: a84b4c76e66710@192.0.2.1", "Call-ID: a b"}}) {
    const ParseFailure failure = MustFail(Replace(Invite(), c.line, c.instead));
    ASSERT_TRUE(failure.answerable.has_value()) << c.instead;
    const std::string answer = Refusal(failure);
    EXPECT_THAT(answer, HasSubstr("SIP/2.0 400 "));
    EXPECT_THAT(answer, HasSubstr(std::string(c.instead) + "\r\n"));
    EXPECT_THAT(answer, HasSubstr("Via: " + via + "\r\n"));
    // And what is not there is left out.
    const ParseFailure without = MustFail(Replace(Invite(), std::string(c.line) + "\r\n", ""));
    ASSERT_TRUE(without.answerable.has_value()) << c.line;
    const std::string name(c.line.substr(0, c.line.find(':') + 1));
    EXPECT_THAT(Refusal(without), testing::Not(HasSubstr("\r\n" + name)));
  }
  // A Via behind the topmost one.
  const ParseFailure deeper = MustFail(
      Replace(Invite(), via, via + "\r\nVia: SIP/2.0/UDP ;;\r\nVia: SIP/2.0/UDP c.example"));
  ASSERT_TRUE(deeper.answerable.has_value());
  EXPECT_THAT(Refusal(deeper), HasSubstr("Via: " + via +
                                         "\r\nVia: SIP/2.0/UDP ;;\r\n"
                                         "Via: SIP/2.0/UDP c.example\r\n"));
}

TEST(Message, WithoutAWayBackNothingIsAnswered) {
  const std::string via = "Via: SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bK776asdhds;rport\r\n";
  EXPECT_FALSE(MustFail(Replace(Invite(), via, "")).answerable.has_value());
  EXPECT_FALSE(
      MustFail(Replace(Invite(), via, "Via: SIP/2.0/UDP ;;,;\r\n" + via)).answerable.has_value());
  std::string ack =
      Replace(Replace(Invite("bad name: 1\r\n"), "INVITE ", "ACK "), "314159 INVITE", "314159 ACK");
  EXPECT_FALSE(MustFail(ack).answerable.has_value());
  for (std::string_view text : {"", "\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\0\0\0\0",
                                "SIP/2.0 99 Low\r\n\r\n", "SIP/2.0 200\r\n", "INVITE"}) {
    EXPECT_FALSE(MustFail(text).answerable.has_value()) << text;
  }
  EXPECT_EQ(MustFail(std::string(kMessageBytesMax + 1, 'a')).status, 513);
}

TEST(Message, BytesAfterContentLengthAreDropped) {
  const Message m = MustParse(Invite() + "INVITE sip:smuggled@example.com SIP/2.0\r\n\r\n");
  EXPECT_EQ(m.body, kBody);
}

TEST(Message, BodyWithoutContentLengthReachesToTheEnd) {
  EXPECT_EQ(MustParse(Replace(Invite(), "Content-Length: 31\r\n", "")).body, kBody);
}

// RFC 3261 section 8.2: what is not necessary and not understood is ignored, not refused.
TEST(Message, MalformedOptionalFieldsAreKeptAside) {
  const Message m =
      MustParse(Invite("Expires: 1e9\r\nRSeq: -\r\nSupported: a b\r\n"
                       "Session-Expires: never\r\nRetry-After: 18 (busy);d=3\r\n"));
  EXPECT_FALSE(m.expires.has_value());
  EXPECT_FALSE(m.rseq.has_value());
  EXPECT_EQ(*m.Other("Expires"), "1e9");
  EXPECT_EQ(m.retry_after, 18u);
}

TEST(Message, NoFieldCanInjectALine) {
  const std::string evil("x\r\nEvil: 1\n\0\r", 14);
  Message m = MustParse(Invite());
  const std::string clean = Encode(m);
  m.method = Method::kUnknown;
  m.method_name = m.reason = m.call_id = m.content_type_parameters = m.content_encoding = evil;
  m.cseq.method = Method::kUnknown;
  m.request_uri = {evil, evil, evil, 1, {{evil, evil, true}}, evil};
  m.via[0] = {evil, evil, 0, {{evil, evil, true}}};
  m.from = m.to = m.contact[0] = {evil, m.request_uri, {{evil, evil, true}, {evil, "", false}}};
  m.route = m.record_route = {m.from};
  m.require = m.supported = m.allow = m.accept = m.proxy_require = m.unsupported = {evil};
  m.others = {{evil, evil}, {"Subject", evil}, {"Content-Length", "1"}};
  m.content_type = evil;
  for (bool request : {true, false}) {
    m.is_request = request;
    m.status = 200;
    const std::string bytes = Encode(m);
    EXPECT_EQ(bytes.find("\nEvil"), std::string::npos) << bytes;
    EXPECT_EQ(bytes.find('\0'), std::string::npos);
    const std::string head = bytes.substr(0, bytes.find("\r\n\r\n"));
    for (size_t i = 0; i < head.size(); ++i) {
      if (head[i] == '\n') {
        EXPECT_EQ(head[i - 1], '\r');
      } else if (head[i] == '\r') {
        EXPECT_EQ(head[i + 1], '\n');
      }
    }
    EXPECT_EQ(bytes.find("Content-Length", bytes.find("Content-Length") + 1), std::string::npos);
  }
}

TEST(Message, ResponsesCarryWhatRfc3261Section8262Says) {
  Message request =
      MustParse(Invite("Record-Route: <sip:192.0.2.7;lr>\r\nTimestamp: 54\r\n"
                       "Via: SIP/2.0/UDP second.example.com;branch=z9hG4bKb\r\n"));
  const Message trying = MakeResponse(request, 100, "tag");
  EXPECT_EQ(trying.to.tag(), "");
  EXPECT_EQ(*trying.Other("Timestamp"), "54");
  const Message ringing = MakeResponse(request, 180, "tag");
  EXPECT_EQ(ringing.to.tag(), "tag");
  EXPECT_EQ(ringing.reason, "Ringing");
  EXPECT_EQ(ringing.via, request.via);
  EXPECT_EQ(ringing.record_route, request.record_route);
  EXPECT_THAT(MakeResponse(request, 486, "tag").record_route, IsEmpty());
  request.to.set_tag("theirs");
  EXPECT_EQ(MakeResponse(request, 200, "tag", "Fine").to.tag(), "theirs");
  EXPECT_EQ(MakeResponse(request, 200, "tag", "Fine").reason, "Fine");
  EXPECT_EQ(DefaultReason(699), "Global Failure");
}

TEST(Message, WritesHeadersInTheirOrder) {
  const Message m = MustParse(Invite());
  EXPECT_EQ(Encode(m),
            "INVITE sip:+9180@pbx.example.com SIP/2.0\r\n"
            "Via: SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bK776asdhds;rport\r\n"
            "Max-Forwards: 67\r\n"
            "From: \"Bell, \\\"A\\\"\" <sip:+91984@exotel.example.com>;tag=1928301774\r\n"
            "To: <sip:+9180@pbx.example.com>\r\n"
            "Call-ID: a84b4c76e66710@192.0.2.1\r\n"
            "CSeq: 314159 INVITE\r\n"
            "Contact: <sip:+91984@192.0.2.1:5070;transport=tcp>\r\n"
            "Content-Type: application/sdp\r\n"
            "Content-Length: 31\r\n\r\n" +
                std::string(kBody));
}

TEST(Uri, ParsesAndPrints) {
  for (std::string_view text :
       {"sip:alice@example.com", "sips:alice@example.com:5061", "sip:[2001:db8::10]:5070;lr",
        "sip:example.com", "sip:+1;phone-context=x@example.com;user=phone?Subject=a",
        "tel:+91801234", "urn:service:sos", "sip:a%20b@example.com"}) {
    const absl::StatusOr<Uri> uri = Uri::Parse(text);
    ASSERT_TRUE(uri.ok()) << uri.status();
    EXPECT_EQ(uri->ToString(), text);
  }
  for (std::string_view text :
       {"", "sip:", "alice", "sip:a@", "sip:a@b:port", "sip:a@b;=x", "sip:a@b\r\n", "sip:a@b:0x10",
        "<sip:a@b>", "sip:a@[::1", "tel:+918012345678SIP/IP/context=example.com"}) {
    EXPECT_FALSE(Uri::Parse(text).ok()) << text;
  }
  EXPECT_EQ(Uri::Parse("SIP:a:secret@EXAMPLE.com")->ToString(), "sip:a@EXAMPLE.com");
}

TEST(Method, NamesAreCaseSensitive) {
  EXPECT_EQ(MethodOf("INVITE"), Method::kInvite);
  EXPECT_EQ(MethodOf("invite"), Method::kUnknown);
  EXPECT_EQ(MethodName(Method::kPublish), "PUBLISH");
  EXPECT_EQ(MethodName(Method::kUnknown), "");
}

}  // namespace
}  // namespace sipctl::sip
