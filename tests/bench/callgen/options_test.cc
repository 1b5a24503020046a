#include "bench/callgen/options.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bench/options_fixture.h"

namespace bench::callgen {
namespace {

using testing::HasSubstr;

class OptionsTest : public OptionsFixture<Options, UsageOf> {
 protected:
  std::string With(std::vector<const char*> more) {
    more.insert(more.begin(), {"--to", "127.0.0.1:5060", "--from", "127.0.1.1,127.0.1.2", "--at",
                               "127.0.2.1:5060,127.0.2.2:5062"});
    return Read(more);
  }
};

TEST_F(OptionsTest, WhatIsGivenIsSet) {
  EXPECT_EQ(With({"--transport", "tls", "--certificate", "edge.pem", "--cpu", "1"}), "");
  EXPECT_EQ(ToString(options_.caller.to), "127.0.0.1:5060");
  ASSERT_EQ(options_.caller.from.size(), 2u);
  EXPECT_EQ(ToString(options_.caller.from[1]), "127.0.1.2:0");
  ASSERT_EQ(options_.callees.size(), 2u);
  EXPECT_EQ(ToString(options_.callees[1]), "127.0.2.2:5062");
  EXPECT_EQ(options_.caller.wire.protocol, sipctl::sip::Protocol::kTls);
  EXPECT_EQ(options_.caller.wire.certificate, "edge.pem");
  EXPECT_EQ(options_.cpu, 1);
}

TEST_F(OptionsTest, SecondsAndRampGiveTheNumberOfCalls) {
  EXPECT_EQ(With({"--rate", "100", "--seconds", "10", "--ramp", "2"}), "");
  EXPECT_EQ(options_.caller.calls, 900u);
  EXPECT_EQ(With({"--calls", "7", "--seconds", "1", "--ramp", "2"}), "");
  EXPECT_EQ(options_.caller.calls, 7u);
}

TEST_F(OptionsTest, MistakesAreNamed) {
  EXPECT_EQ(Read({}), "callgen: give --to, --from and --at; `callgen --help` explains them");
  EXPECT_EQ(With({"--transport", "sctp"}),
            "callgen: argument 8 (--transport): 'sctp' is none of udp, tcp, tls");
  EXPECT_EQ(With({"--transport", "tls"}), "callgen: --transport tls: give --certificate, too");
  EXPECT_EQ(With({"--rate", "0"}),
            "callgen: argument 8 (--rate): '0' is not a number from 0.001 to 100000");
  EXPECT_EQ(With({"--connections", "0"}),
            "callgen: argument 8 (--connections): '0' is not a whole number from 1 to 1000000");
  EXPECT_EQ(Read({"--to", "somebody"}),
            "callgen: argument 2 (--to): 'somebody' is not an address with a port like "
            "127.0.0.1:5060");
  EXPECT_EQ(Read({"--from", "127.0.1.1,"}),
            "callgen: argument 2 (--from): '127.0.1.1,' is not a list like 127.0.1.1,127.0.1.2");
  EXPECT_EQ(With({"--rate", "0.01", "--seconds", "2", "--ramp", "0"}),
            "callgen: --seconds and --rate make no call; raise one of them");
  for (const char* ramp : {"1", "2", "4"}) {
    EXPECT_EQ(With({"--rate", "100", "--seconds", "1", "--ramp", ramp}),
              "callgen: --seconds ends within --ramp; give it more than the ramp");
  }
}

TEST_F(OptionsTest, HelpNeedsNothingElse) {
  EXPECT_EQ(Read({"--help"}), "");
  EXPECT_THAT(help_, HasSubstr("--hold-ms MILLISECONDS\n      Length of a call. Default: 1000."));
}

}  // namespace
}  // namespace bench::callgen
