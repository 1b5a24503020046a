#include "sipctl/sip/multipart.h"

#include <string>

#include "gtest/gtest.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kSdp = "v=0\r\ns=-\r\n";

std::string SdpPart(const std::string& more = "") {
  return Concat("Content-Type: application/sdp\r\n", more, "\r\n", kSdp);
}

// RFC 3204 section 4.
std::string IsupPart(const std::string& handling = "optional") {
  return Concat(
      "Content-Type: application/isup;nxv3;base=etsi121;version=x\r\n"
      "Content-Disposition: signal;handling=",
      handling, "\r\n\r\n", std::string_view("\x01\x00\x49\n--\x00", 7));
}

std::string Body(const std::vector<std::string>& parts, const std::string& boundary = "b1") {
  std::string text;
  for (const std::string& part : parts) text += Concat("--", boundary, "\r\n", part, "\r\n");
  return Concat(text, "--", boundary, "--\r\n");
}

Message With(const std::string& body, const std::string& parameters = ";boundary=b1",
             const std::string& type = "multipart/mixed") {
  Message message;
  message.content_type = type;
  message.content_type_parameters = parameters;
  message.body = body;
  return message;
}

void ExpectTaken(Message message) {
  EXPECT_EQ(TakeDescription(&message), BodyVerdict::kTaken);
  EXPECT_EQ(message.content_type, "application/sdp");
  EXPECT_EQ(message.content_type_parameters, "");
  EXPECT_EQ(message.body, kSdp);
}

BodyVerdict VerdictOf(Message message) {
  const Message before = message;
  const BodyVerdict verdict = TakeDescription(&message);
  if (verdict != BodyVerdict::kTaken) {
    EXPECT_EQ(message, before);
  }
  return verdict;
}

TEST(Multipart, TheDescriptionIsTakenWhereverItStands) {
  ExpectTaken(With(Body({SdpPart(), IsupPart()})));
  ExpectTaken(With(Body({IsupPart(), SdpPart()})));
  ExpectTaken(With(Body({SdpPart()})));
  ExpectTaken(With(Concat("a preamble\r\n", Body({SdpPart()}), "an epilogue\r\n--b1\r\n")));
}

TEST(Multipart, WhatIsNoMultipartIsLeftAlone) {
  EXPECT_EQ(VerdictOf(With(std::string(kSdp), "", "application/sdp")), BodyVerdict::kWhole);
  EXPECT_EQ(VerdictOf(With("x", "", "application/isup")), BodyVerdict::kWhole);
  EXPECT_EQ(VerdictOf(Message()), BodyVerdict::kWhole);
}

TEST(Multipart, ALastLineKeepsItsEnd) {
  // As RFC 2046 has it: the line end before the delimiter belongs to the delimiter.
  ExpectTaken(With("--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n--b1--\r\n"));
}

TEST(Multipart, APartThatMustBeUnderstoodIsRefused) {
  EXPECT_EQ(VerdictOf(With(Body({SdpPart(), IsupPart("required")}))), BodyVerdict::kRequired);
  EXPECT_EQ(VerdictOf(With(Body({IsupPart("\"REQUIRED\""), SdpPart()}))), BodyVerdict::kRequired);
  // Carriers say nothing of a location's handling.
  ExpectTaken(With(Body({"Content-Type: application/pidf+xml\r\n\r\n<presence/>", SdpPart()})));
  // The description itself may be as required as it likes.
  ExpectTaken(With(Body({SdpPart("Content-Disposition: session;handling=required\r\n")})));
}

TEST(Multipart, WithoutADescriptionThereIsNoBody) {
  Message message = With(Body({IsupPart()}));
  EXPECT_EQ(TakeDescription(&message), BodyVerdict::kTaken);
  EXPECT_EQ(message.body, "");
  EXPECT_EQ(message.content_type, "");
}

TEST(Multipart, OfSeveralDescriptionsTheFirstButOfAlternativesTheLast) {
  const std::string other = "Content-Type: application/sdp\r\n\r\nv=1\r\n";
  ExpectTaken(With(Body({SdpPart(), other})));
  ExpectTaken(With(Body({other, SdpPart()}), ";boundary=b1", "multipart/alternative"));
  // Nobody needs to understand all alternatives.
  ExpectTaken(
      With(Body({IsupPart("required"), SdpPart()}), ";boundary=b1", "multipart/alternative"));
}

// RFC 3959: for what is heard before the answer.
TEST(Multipart, AnEarlySessionIsNotTheSession) {
  const std::string early =
      "Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\nv=1\r\n";
  ExpectTaken(With(Body({early, SdpPart("Content-Disposition: session;handling=required\r\n")})));
}

TEST(Multipart, AlternativesBehindADescriptionDoNotReplaceIt) {
  const std::string other = "Content-Type: application/sdp\r\n\r\nv=1\r\n";
  const std::string inner =
      Concat("Content-Type: multipart/alternative;boundary=in\r\n\r\n", Body({other, other}, "in"));
  ExpectTaken(With(Body({SdpPart(), inner})));
}

TEST(Multipart, InsideAnother) {
  const std::string inner =
      Concat("Content-Type: multipart/alternative; boundary=\"b1-in\"\r\n\r\n",
             Body({"\r\nplain text", SdpPart()}, "b1-in"));
  ExpectTaken(With(Body({inner, IsupPart()})));
  std::string deep = SdpPart();
  for (int i = 0; i < 4; ++i) {
    const std::string boundary = Concat("d", i);
    deep = Concat("Content-Type: multipart/mixed;boundary=", boundary, "\r\n\r\n",
                  Body({deep}, boundary));
  }
  EXPECT_EQ(VerdictOf(With(Body({deep}))), BodyVerdict::kMalformed);
}

TEST(Multipart, BoundariesAsTheyAreWritten) {
  ExpectTaken(With(Body({SdpPart()}, "a b:c"), "; charset=x; BOUNDARY = \"a b:c\""));
  ExpectTaken(With(Body({SdpPart()}, "b1"), ";x=\"a;boundary=no\\\"\";boundary=b1"));
  ExpectTaken(With(Body({SdpPart()}, "q\"q"), ";boundary=\"q\\\"q\""));
  // White space behind it, and bare line feeds.
  ExpectTaken(With("--b1 \t\nContent-Type: application/sdp\n\nv=0\r\ns=-\r\n--b1-- \n"));
}

TEST(Multipart, ADelimiterIsAWholeLine) {
  const std::string body =
      "Content-Type: application/sdp\r\n\r\nv=0\r\ns=--b1\r\n--b1x\r\n --b1\r\n";
  Message message = With(Body({body}));
  EXPECT_EQ(TakeDescription(&message), BodyVerdict::kTaken);
  EXPECT_EQ(message.body, "v=0\r\ns=--b1\r\n--b1x\r\n --b1\r\n");
}

TEST(Multipart, WhatHasNoEndOrNoBoundaryIsMalformed) {
  EXPECT_EQ(VerdictOf(With(Body({SdpPart()}), "")), BodyVerdict::kMalformed);
  EXPECT_EQ(VerdictOf(With(Body({SdpPart()}), ";boundary=")), BodyVerdict::kMalformed);
  EXPECT_EQ(VerdictOf(With(Body({SdpPart()}), ";boundary=b2")), BodyVerdict::kMalformed);
  EXPECT_EQ(VerdictOf(With(Concat("--b1\r\n", SdpPart()))), BodyVerdict::kMalformed);
  EXPECT_EQ(VerdictOf(With("--b1--\r\n")), BodyVerdict::kMalformed);
  EXPECT_EQ(VerdictOf(With("--b1")), BodyVerdict::kMalformed);
  EXPECT_EQ(VerdictOf(With("-")), BodyVerdict::kMalformed);
  EXPECT_EQ(VerdictOf(With("")), BodyVerdict::kMalformed);
  const std::string long_one(71, 'b');
  EXPECT_EQ(VerdictOf(With(Body({SdpPart()}, long_one), Concat(";boundary=", long_one))),
            BodyVerdict::kMalformed);
  EXPECT_EQ(VerdictOf(With(Body(std::vector<std::string>(kPartsMax + 1, SdpPart())))),
            BodyVerdict::kMalformed);
  ExpectTaken(With(Body(std::vector<std::string>(kPartsMax, SdpPart()))));
}

TEST(Multipart, ADescriptionThatIsPackedIsNone) {
  Message message = With(Body({SdpPart("Content-Transfer-Encoding: base64\r\n")}));
  EXPECT_EQ(TakeDescription(&message), BodyVerdict::kTaken);
  EXPECT_EQ(message.body, "");
  EXPECT_EQ(VerdictOf(With(Body({SdpPart("Content-Transfer-Encoding: base64\r\n"
                                         "Content-Disposition: session;handling=required\r\n")}))),
            BodyVerdict::kRequired);
  ExpectTaken(With(Body({SdpPart("Content-Transfer-Encoding: 8BIT\r\n")})));
}

}  // namespace
}  // namespace sipctl::sip
