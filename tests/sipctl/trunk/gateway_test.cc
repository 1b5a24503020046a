#include "sipctl/trunk/gateway.h"

#include "gtest/gtest.h"

namespace sipctl::trunk {
namespace {

Gateway Inbound(std::string_view address, std::string transport, int line) {
  std::string error;
  return {std::string(address),
          sdp::ParseIpNetwork(address, &error),
          5060,
          std::move(transport),
          true,
          false,
          line};
}

std::vector<std::string> RulesOf(const std::vector<Gateway>& gateways,
                                 const std::vector<std::string>& confirmed = {}) {
  std::vector<std::string> rules;
  for (const Diagnostic& each : CheckGateways(*FindProfile("exotel"), gateways, confirmed, "f")) {
    rules.push_back(each.rule);
  }
  return rules;
}

using Names = std::vector<std::string>;

TEST(Gateway, OneRightSourceIsEnoughForInbound) {
  EXPECT_EQ(RulesOf({Inbound("61.246.82.75", "udp", 1)}), (Names{"CV-01", "CV-04"}));
  EXPECT_EQ(RulesOf({Inbound("61.246.82.75", "udp", 1), Inbound("192.0.2.1", "tcp", 2)}),
            Names{"CV-01"});
  EXPECT_EQ(RulesOf({Inbound("192.0.2.1", "tcp", 2)}), Names{});
}

TEST(Gateway, WhatTheCarrierHasConfirmedIsNotAskedAgain) {
  EXPECT_EQ(RulesOf({Inbound("61.246.82.75", "tcp", 1)}), Names{"CV-03"});
  EXPECT_EQ(RulesOf({Inbound("61.246.82.75", "tcp", 1)}, {"CV-03"}), Names{});
  EXPECT_EQ(RulesOf({Inbound("192.0.2.1", "udp", 1)}), Names{"CV-02"});
  EXPECT_EQ(RulesOf({Inbound("192.0.2.1", "udp", 1)}, {"CV-02"}), Names{});
}

TEST(Gateway, SeverityIsThatOfTheRule) {
  EXPECT_EQ(ByRule("CV-03", "f", 1, "", "").severity, Severity::kWarning);
  EXPECT_EQ(ByRule("CV-01", "f", 1, "", "").severity, Severity::kError);
}

}  // namespace
}  // namespace sipctl::trunk
