// The signalling process.
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "sipctl/cli/calls.h"
#include "sipctl/cli/carrier_sheet.h"
#include "sipctl/cli/check.h"
#include "sipctl/cli/counters.h"
#include "sipctl/cli/diff.h"
#include "sipctl/cli/exotel_plan.h"
#include "sipctl/cli/lint_message.h"
#include "sipctl/cli/probe.h"
#include "sipctl/cli/registrations.h"
#include "sipctl/cli/reload.h"
#include "sipctl/cli/route.h"
#include "sipctl/cli/run.h"
#include "sipctl/options.h"
#include "sipctl/secrecy.h"

int main(int argc, char** argv) {
  if (!sipctl::RefuseCores()) {
    std::cerr << "sipctl: core dumps cannot be forbidden and may hold keys\n";
  }
  const auto options = sipctl::ParseOptions(std::vector<std::string>(argv + 1, argv + argc));
  if (!options.ok()) {
    std::cerr << "sipctl: " << std::string(options.status().message()) << "\n";
    return 2;
  }
  switch (options->command) {
    case sipctl::Command::kRun:
      return sipctl::cli::RunServer(options->run, std::cerr);
    case sipctl::Command::kCheck:
      return sipctl::cli::RunCheck(options->check, std::cout);
    case sipctl::Command::kCalls:
      return sipctl::cli::RunCalls(options->calls, std::cout, std::cerr);
    case sipctl::Command::kCounters:
      return sipctl::cli::RunCounters(options->counters, std::cout, std::cerr);
    case sipctl::Command::kRegistrations:
      return sipctl::cli::RunRegistrations(options->registrations, std::cout, std::cerr);
    case sipctl::Command::kRoute:
      return sipctl::cli::RunRoute(options->route, std::cout, std::cerr);
    case sipctl::Command::kLintMessage:
      return sipctl::cli::RunLintMessage(options->lint_message, std::cout);
    case sipctl::Command::kCarrierSheet:
      return sipctl::cli::RunCarrierSheet(options->carrier_sheet, std::cout, std::cerr);
    case sipctl::Command::kExotelPlan:
      return sipctl::cli::RunExotelPlan(options->exotel_plan, std::cout, std::cerr);
    case sipctl::Command::kProbe:
      return sipctl::cli::RunProbe(options->probe, std::cout, std::cerr);
    case sipctl::Command::kReload:
      return sipctl::cli::RunReload(options->reload, std::cout, std::cerr);
    case sipctl::Command::kDiff:
      return sipctl::cli::RunDiff(options->diff, std::cout, std::cerr);
    case sipctl::Command::kHelp:
      std::cout << sipctl::HelpText();
      return 0;
    case sipctl::Command::kVersion:
      std::cout << "sipctl " TANDEM_VERSION "\n";
      return 0;
    case sipctl::Command::kPrintOptionsMarkdown:
      std::cout << sipctl::OptionsMarkdown();
      return 0;
  }
  return 2;
}
