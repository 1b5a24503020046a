#include "sipctl/cli/gateways.h"

#include <algorithm>
#include <sstream>

#include "gtest/gtest.h"
#include "sipctl/cli/check.h"

namespace sipctl::cli {
namespace {

using trunk::Diagnostic;

std::string Table(const std::string& name) {
  return std::string(GATEWAYS_FOLDER) + "/" + name;
}

// "CV-01:3 CV-04:0"
std::string Rules(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) {
    text += (text.empty() ? "" : " ") + diagnostic.rule + ":" + std::to_string(diagnostic.line);
  }
  return text;
}

TEST(Gateways, MediaServersTypedInAsGatewaysAreNamedOneByOne) {
  const std::vector<Diagnostic> found = CheckGatewayFile(Table("as_typed.csv"), "exotel");
  EXPECT_EQ(Rules(found), "CV-01:3 CV-01:4 CV-01:5 CV-01:6 CV-04:0");
  EXPECT_EQ(found[0].message,
            "61.246.82.75:5060/udp is a media server of Exotel (karnataka): it sends RTP on UDP "
            "10000-40000 and is no SIP gateway; SIP of Exotel is tcp/5070 or tls/443");
  EXPECT_EQ(found[4].message,
            "no signalling source left: without the media servers nothing of Exotel may call");
  EXPECT_EQ(Rules(CheckGatewayFile(Table("as_typed.json"), "exotel")), "CV-01:2 CV-04:0");
}

TEST(Gateways, FlippedPortsAreAWarningForEach) {
  const std::vector<Diagnostic> found = CheckGatewayFile(Table("flipped.csv"), "exotel");
  EXPECT_EQ(Rules(found), "CV-03:3 CV-03:4 CV-03:5 CV-03:6");
  EXPECT_FALSE(trunk::HasError(found));
  EXPECT_NE(found[0].message.find("only port and protocol were changed"), std::string::npos);
}

TEST(Gateways, EdgesMustFitTheirTransport) {
  EXPECT_EQ(Rules(CheckGatewayFile(Table("wrong_ways.csv"), "exotel")), "CV-05:2 CV-02:3 CV-07:4");
}

TEST(Gateways, ARightTableIsFineWithBomQuotesAndCrLf) {
  EXPECT_EQ(Rules(CheckGatewayFile(Table("fine.csv"), "exotel")), "");
  // Of an unknown carrier nothing is known to be wrong.
  EXPECT_EQ(Rules(CheckGatewayFile(Table("as_typed.csv"), "generic")), "");
}

TEST(Gateways, WhatCannotBeReadIsSaid) {
  const auto first = [](std::string_view text) {
    std::vector<Diagnostic> diagnostics;
    ReadGateways(text, "f", &diagnostics);
    return diagnostics.empty() ? "fine" : trunk::FormatDiagnostic(diagnostics[0]);
  };
  EXPECT_EQ(first(""), "f: error: the file is empty; write address,port,protocol,inbound,outbound");
  EXPECT_EQ(first("1.2.3.4,5060\n"),
            "f:1: error: the first line must name the columns; write "
            "address,port,protocol,inbound,outbound");
  EXPECT_EQ(first("address,port,protocol\n1.2.3.4,x,udp\n"),
            "f:2: error: 'x' is no port; write a number from 1 to 65535");
  EXPECT_EQ(first("address,protocol\n1.2.3.4,sctp\n"),
            "f:2: error: 'sctp' is no protocol of SIP; write udp, tcp or tls");
  EXPECT_EQ(first("address,protocol,inbound\n1.2.3.4,udp,maybe\n"),
            "f:2: error: 'maybe' is neither true nor false; write true or false");
  EXPECT_EQ(first("[{}]"), "f:1: error: the gateway has no address; write its address or name");
  EXPECT_NE(first("{\"a\": 1}").find("no JSON list"), std::string::npos);
  EXPECT_NE(first("[").find("no JSON list"), std::string::npos);
  EXPECT_EQ(CheckGatewayFile("/nonexistent/x", "exotel")[0].message, "the file cannot be read");
  EXPECT_EQ(CheckGatewayFile(Table("fine.csv"), "exotl")[0].instead,
            "one of exotel, exotel-2025, twilio, generic");
}

TEST(Gateways, TheCheckPrintsThemWithTheirReasonOnce) {
  std::ostringstream out;
  EXPECT_EQ(RunCheck({.gateways = Table("as_typed.csv"), .profile = "exotel"}, out), 1);
  const std::string text = out.str();
  EXPECT_NE(text.find("as_typed.csv:3: error: CV-01: 61.246.82.75:5060/udp"), std::string::npos);
  EXPECT_NE(text.find("why CV-01: A carrier's media servers"), std::string::npos);
  EXPECT_EQ(text.find("why CV-01"), text.rfind("why CV-01"));
  EXPECT_TRUE(text.ends_with("check: 5 errors, 0 warnings\n")) << text;
  std::ostringstream warned;
  EXPECT_EQ(RunCheck({.gateways = Table("flipped.csv"), .profile = "exotel"}, warned), 0);
}

}  // namespace
}  // namespace sipctl::cli
