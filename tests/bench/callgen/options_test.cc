#include "bench/callgen/options.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace bench::callgen {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kLeast = {"--to", "127.0.0.1:5060", "--from", "127.0.1.1,127.0.1.2",
                                         "--at", "127.0.2.1:5060"};

absl::StatusOr<Options> With(std::vector<std::string> more) {
  more.insert(more.begin(), kLeast.begin(), kLeast.end());
  return ParseOptions(more);
}

std::string Refusal(const absl::StatusOr<Options>& options) {
  return options.ok() ? "accepted" : std::string(options.status().message());
}

TEST(Options, SecondsAndRampGiveTheNumberOfCalls) {
  const auto options = With({"--rate", "100", "--seconds", "10", "--ramp", "2"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->caller.calls, 900u);
  EXPECT_EQ(options->caller.from.size(), 2u);
  EXPECT_EQ(With({"--calls", "7"})->caller.calls, 7u);
}

TEST(Options, MistakesAreNamed) {
  EXPECT_EQ(Refusal(ParseOptions({})), "give --to, --from and --at; see --help");
  EXPECT_EQ(Refusal(With({"--fast"})), "--fast is no option; see --help");
  EXPECT_EQ(Refusal(With({"--rate"})), "--rate needs N");
  EXPECT_EQ(Refusal(With({"--transport", "sctp"})), "sctp is no NAME for --transport");
  EXPECT_EQ(Refusal(With({"--transport", "tls"})), "--transport tls needs --certificate");
  EXPECT_THAT(Refusal(With({"--rate", "0"})), HasSubstr("must be above 0"));
  for (const char* ramp : {"1", "2", "4"}) {
    EXPECT_EQ(Refusal(With({"--rate", "100", "--seconds", "1", "--ramp", ramp})),
              "--seconds ends within --ramp");
  }
}

TEST(Options, AreAllInTheHelp) {
  EXPECT_TRUE(ParseOptions({"--help"})->help);
  EXPECT_THAT(HelpText(), HasSubstr("--hold-ms MS"));
}

}  // namespace
}  // namespace bench::callgen
