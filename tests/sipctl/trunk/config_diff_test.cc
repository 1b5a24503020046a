#include "sipctl/trunk/config_diff.h"

#include "gtest/gtest.h"
#include "sipctl/text.h"

namespace sipctl::trunk {
namespace {

std::string Diff(std::string_view before, std::string_view after) {
  return Join(DiffConfigs(before, after), "\n", FormatChange);
}

TEST(ConfigDiff, NamesWhatIsWrittenDifferently) {
  EXPECT_EQ(Diff("calls_max: 5\n"
                 "relay:\n  socket: /a\n"
                 "trunks:\n"
                 "  - {name: carrier, sources: [10.0.0.1], calls_max: 500}\n"
                 "  - {name: old, sources: [10.0.0.9]}\n"
                 "routes:\n"
                 "  - {from: pbx, prefix: \"+91\", to: carrier}\n",
                 "relay:\n  socket: /b\n"
                 "routes:\n"
                 "  - {from: pbx, prefix: \"+91\", to: other}\n"
                 "  - {to: pbx}\n"
                 "trunks:\n"
                 "  - {name: new, sources: [10.0.0.8]}\n"
                 "  - {name: carrier, calls_max: 600, sources: [10.0.0.1, 10.0.0.2]}\n"),
            "calls_max: gone: 5\n"
            "relay: socket: /a -> /b (line 2)\n"
            "trunk carrier: sources: [10.0.0.1] -> [10.0.0.1, 10.0.0.2] (line 8)\n"
            "trunk carrier: calls_max: 500 -> 600 (line 8)\n"
            "trunk old: gone: {name: old, sources: [10.0.0.9]}\n"
            "trunk new: new: {name: new, sources: [10.0.0.8]} (line 7)\n"
            "route from pbx prefix +91: to: carrier -> other (line 4)\n"
            "route of every call: new: {to: pbx} (line 5)");
}

TEST(ConfigDiff, OrderFlowCommentsAndQuotesMeanNothing) {
  EXPECT_EQ(Diff("trunks:\n  - name: a\n    dscp: 1\n  - name: b\n",
                 "# new\ntrunks: [{name: b}, {dscp: '1', name: \"a\"}]\n"),
            "");
}

TEST(ConfigDiff, UsersAreKnownByTheirNames) {
  EXPECT_EQ(Diff("trunks:\n  - name: pbx\n    users:\n"
                 "      - {user: a, password_file: /a}\n"
                 "      - {user: b, password_environment: B}\n",
                 "trunks:\n  - name: pbx\n    users:\n"
                 "      - {user: b, password_file: /b}\n"
                 "      - {user: a, password_file: /a}\n"),
            "trunk pbx: user b: password_environment: gone: B\n"
            "trunk pbx: user b: password_file: new: /b (line 4)");
}

TEST(ConfigDiff, PrintsAscii) {
  EXPECT_EQ(Diff("user_agent: a\n", "user_agent: \xc3\xa9\n"),
            "user_agent: a -> \\xc3\\xa9 (line 1)");
}

TEST(ConfigDiff, WhatIsNoYamlDoesNotThrow) {
  EXPECT_EQ(DiffConfigs("{", "a: b").size(), 1u);
}

}  // namespace
}  // namespace sipctl::trunk
