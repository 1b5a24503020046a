#include "sipctl/cli/lint_message.h"

#include <sstream>

#include "gtest/gtest.h"

namespace sipctl::cli {
namespace {

// The sample of the carrier's guide for calls into a flow, with a body.
constexpr std::string_view kInvite =
    "INVITE sip:+918012345678@pstn.in2.exotel.com SIP/2.0\n"
    "Via: SIP/2.0/TCP sbc.example.com:5070;branch=z9hG4bK4041f853\n"
    "From: \"sales\" <sip:+918087654321@acme1.pstn.exotel.com>;tag=as63e4d7f1\n"
    "To: <sip:+918012345678@pstn.in2.exotel.com>\n"
    "Call-ID: abc@acme1.pstn.exotel.com\n"
    "CSeq: 102 INVITE\n"
    "Contact: <sip:+918087654321@sbc.example.com:5070;transport=tcp>\n"
    "Max-Forwards: 70\n"
    "X-Exotel-AccountSid: acme1\n"
    "Content-Type: application/sdp\n"
    "Content-Length: 3\n"
    "\n"
    "v=0";

std::string Replaced(std::string_view from, std::string_view to) {
  std::string text(kInvite);
  text.replace(text.find(from), from.size(), to);
  return text;
}

std::string Lint(const std::string& text, bool flow = false) {
  std::string found;
  for (const trunk::Diagnostic& each :
       LintMessage(text, "m", *trunk::FindProfile("exotel"), flow)) {
    found += (found.empty() ? "" : "\n") + trunk::FormatDiagnostic(each);
  }
  return found;
}

TEST(LintMessage, TheCarriersOwnSampleIsFine) {
  EXPECT_EQ(Lint(std::string(kInvite), true), "");
}

TEST(LintMessage, MissingHeadersAreNamed) {
  EXPECT_EQ(Lint(Replaced("Max-Forwards: 70\n", "")),
            "m: error: the INVITE has no Max-Forwards; write Max-Forwards: ...");
  const std::string plain = Replaced("X-Exotel-AccountSid: acme1\n", "");
  EXPECT_EQ(Lint(plain), "");
  EXPECT_EQ(Lint(plain, true),
            "m: error: CV-12: the INVITE has no X-Exotel-AccountSid, which a call flow needs; "
            "write X-Exotel-AccountSid: the account");
  EXPECT_EQ(Lint(Replaced("Contact:", "m:")), "");  // the compact form is the header, too
}

TEST(LintMessage, TheCarriersOwnHeadersAreNotOurs) {
  EXPECT_EQ(Lint(Replaced("X-Exotel-AccountSid: acme1\n", "X-Exotel-CallSid: 1\n")),
            "m:9: error: CV-13: X-Exotel-CallSid is Exotel's own header and not for us to send; "
            "write the message without it");
  EXPECT_NE(Lint(Replaced("X-Exotel-AccountSid", "veeno-thing")).find("CV-13"), std::string::npos);
}

TEST(LintMessage, NumbersAndAccountAreLookedAt) {
  EXPECT_EQ(Lint(Replaced("INVITE sip:+918012345678", "INVITE sip:08012345678")),
            "m:1: error: CV-11: '08012345678' in request URI is no number as Exotel writes it; "
            "write +, country code and number: +918012345678");
  EXPECT_EQ(Lint(Replaced("@acme1.pstn.exotel.com>;tag", "@customer.com>;tag")),
            "m:3: warning: CV-24: the host of From is customer.com, not the account's name; write "
            "ACCOUNT.pstn.exotel.com");
}

TEST(LintMessage, WhatIsNoRequestIsSaid) {
  EXPECT_NE(Lint("hello\n\n").find("error"), std::string::npos);
  EXPECT_NE(Lint("").find("error"), std::string::npos);
  std::ostringstream out;
  EXPECT_EQ(RunLintMessage({.file = "/nonexistent/x", .profile = "exotel"}, out), 1);
  EXPECT_EQ(out.str(), "/nonexistent/x: error: the file cannot be read\n");
  EXPECT_EQ(RunLintMessage({.file = "/nonexistent/x", .profile = "exotl"}, out), 1);
}

}  // namespace
}  // namespace sipctl::cli
