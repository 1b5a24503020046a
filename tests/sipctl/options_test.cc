#include "sipctl/options.h"

#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace sipctl {
namespace {

Options Must(const std::vector<std::string>& arguments) {
  absl::StatusOr<Options> options = ParseOptions(arguments);
  EXPECT_TRUE(options.ok()) << options.status().message();
  return options.ok() ? *std::move(options) : Options{};
}

std::string Refusal(const std::vector<std::string>& arguments) {
  const absl::StatusOr<Options> options = ParseOptions(arguments);
  return options.ok() ? "accepted" : std::string(options.status().message());
}

TEST(Options, OfEachCommandAreRead) {
  const Options run = Must({"run", "a.yaml", "--log-level", "debug", "--trace", "sip.log"});
  EXPECT_EQ(run.command, Command::kRun);
  EXPECT_EQ(run.run.config, "a.yaml");
  EXPECT_EQ(run.run.log_level, "debug");
  EXPECT_EQ(run.run.trace, "sip.log");
  const Options check = Must({"check", "--json", "a.yaml"});
  EXPECT_EQ(check.command, Command::kCheck);
  EXPECT_EQ(check.check.config, "a.yaml");
  EXPECT_TRUE(check.check.json);
  const Options calls = Must({"calls", "--control", "/tmp/x", "--json"});
  EXPECT_EQ(calls.command, Command::kCalls);
  EXPECT_EQ(calls.calls.control, "/tmp/x");
  EXPECT_TRUE(calls.calls.json);
  const Options counters = Must({"counters", "--control", "/tmp/x", "--json", "--all"});
  EXPECT_EQ(counters.command, Command::kCounters);
  EXPECT_EQ(counters.counters.control, "/tmp/x");
  EXPECT_TRUE(counters.counters.json);
  EXPECT_TRUE(counters.counters.all);
}

TEST(Options, OfTheCommandsAboutCarriersAreRead) {
  const Options gateways = Must({"check", "--gateways", "g.csv", "--profile", "exotel"});
  EXPECT_EQ(gateways.check.gateways, "g.csv");
  EXPECT_EQ(gateways.check.profile, "exotel");
  EXPECT_EQ(Must({"check", "--explain", "CV-01"}).check.explain, "CV-01");
  const Options route = Must({"route", "+9180", "--from", "pbx", "--config", "a.yaml"});
  EXPECT_EQ(route.command, Command::kRoute);
  EXPECT_EQ(route.route.number, "+9180");
  EXPECT_EQ(route.route.from, "pbx");
  EXPECT_EQ(route.route.config, "a.yaml");
  const Options lint = Must({"lint-message", "m.sip", "--profile", "exotel", "--flow"});
  EXPECT_EQ(lint.lint_message.file, "m.sip");
  EXPECT_EQ(lint.lint_message.profile, "exotel");
  EXPECT_TRUE(lint.lint_message.flow);
  const Options sheet = Must({"carrier-sheet", "exotel", "--config", "a.yaml"});
  EXPECT_EQ(sheet.carrier_sheet.trunk, "exotel");
  EXPECT_EQ(Refusal({"route", "1", "--from", "pbx"}), "sipctl route needs --config FILE");
  EXPECT_EQ(Refusal({"route", "--from", "pbx"}), "sipctl route needs a NUMBER");
}

TEST(Options, HavePresets) {
  EXPECT_EQ(Must({"run", "a.yaml"}).run.log_level, "info");
  EXPECT_EQ(Must({"run", "a.yaml"}).run.trace, "");
  EXPECT_EQ(Must({"calls"}).calls.control, "/run/tandem/sipctl.sock");
  EXPECT_EQ(Must({"counters"}).counters.control, "/run/tandem/sipctl.sock");
  EXPECT_FALSE(Must({"check", "a.yaml"}).check.json);
}

TEST(Options, ThatStandAlone) {
  EXPECT_EQ(Must({"--help"}).command, Command::kHelp);
  EXPECT_EQ(Must({"run", "--help"}).command, Command::kHelp);
  EXPECT_EQ(Must({"--version"}).command, Command::kVersion);
  EXPECT_EQ(Must({"--print-options-markdown"}).command, Command::kPrintOptionsMarkdown);
  EXPECT_TRUE(Must({"check", "--print-keys-markdown"}).check.print_keys_markdown);
}

TEST(Options, EveryMistakeIsNamed) {
  EXPECT_EQ(Refusal({}),
            "a command is missing: run, check, calls, counters, registrations, reload, diff, "
            "route, lint-message, carrier-sheet, probe, exotel-plan");
  EXPECT_EQ(Refusal({"chekc"}), "sipctl has no command chekc; did you mean check?");
  EXPECT_EQ(Refusal({"fly"}), "sipctl has no command fly");
  EXPECT_EQ(Refusal({"run"}), "sipctl run needs a CONFIG");
  EXPECT_EQ(Refusal({"check", "a", "b"}), "'b' is one argument too many for sipctl check");
  EXPECT_EQ(Refusal({"calls", "a"}), "'a' is one argument too many for sipctl calls");
  EXPECT_EQ(Refusal({"run", "a", "--log-levle", "info"}),
            "sipctl run has no option --log-levle; did you mean --log-level?");
  EXPECT_EQ(Refusal({"run", "a", "--json"}), "sipctl run has no option --json");
  EXPECT_EQ(Refusal({"run", "a", "-v"}), "sipctl run has no option -v");
  EXPECT_EQ(Refusal({"check", "a", "--json", "--json"}), "--json is given twice");
  EXPECT_EQ(Refusal({"run", "a", "--trace"}), "--trace needs its FILE behind it");
  EXPECT_EQ(Refusal({"run", "a", "--trace", ""}),
            "'' is not possible for --trace. Appends every SIP message to FILE.");
  EXPECT_EQ(Refusal({"run", "a", "--log-level", "loud"}),
            "'loud' is not possible for --log-level. How much is logged: error, warning, info, "
            "debug.");
}

TEST(Options, TheManualHoldsThemAsPrinted) {
  std::ifstream file(MANUAL);
  std::ostringstream manual;
  manual << file.rdbuf();
  EXPECT_NE(manual.str().find("\n" + OptionsMarkdown()), std::string::npos)
      << "put the output of `sipctl --print-options-markdown` into docs/options.md";
}

TEST(Options, HelpAndManualNameEveryOne) {
  for (const char* name : {"--log-level LEVEL", "--trace FILE", "--json", "--control PATH"}) {
    EXPECT_NE(HelpText().find(name), std::string::npos) << name;
    EXPECT_NE(OptionsMarkdown().find(name), std::string::npos) << name;
  }
  EXPECT_EQ(HelpText().find("print-keys"), std::string::npos);
}

}  // namespace
}  // namespace sipctl
