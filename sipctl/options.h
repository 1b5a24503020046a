// The command line of sipctl: one table row for each option (options.cc); parsing, --help and the
// manual are made from it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/cli/carrier_sheet.h"
#include "sipctl/cli/check.h"
#include "sipctl/cli/exotel_plan.h"
#include "sipctl/cli/lint_message.h"
#include "sipctl/cli/probe.h"
#include "sipctl/cli/route.h"

namespace sipctl {

enum class Command {
  kRun,
  kCheck,
  kCalls,
  kCounters,
  kRegistrations,
  kRoute,
  kLintMessage,
  kCarrierSheet,
  kExotelPlan,
  kProbe,
  kReload,
  kDiff,
  kHelp,
  kVersion,
  kPrintOptionsMarkdown,
};

struct RunOptions {
  std::string config;     // path
  std::string log_level;  // "error", "warning", "info", "debug"
  std::string trace;      // file for every SIP message; empty = none
};

struct CallsOptions {
  std::string control;  // path of the running process's control socket
  bool json = false;
};

struct CountersOptions {
  std::string control;  // as above
  bool json = false;
  bool all = false;  // zeros too
};

struct ReloadOptions {
  std::string control;  // as above
};

struct DiffOptions {
  std::string config;   // path
  std::string control;  // as above
};

struct Options {
  Command command = Command::kHelp;
  RunOptions run;
  cli::CheckOptions check;
  CallsOptions calls;
  CountersOptions counters;
  CallsOptions registrations;
  cli::RouteOptions route;
  cli::LintMessageOptions lint_message;
  cli::CarrierSheetOptions carrier_sheet;
  cli::ExotelPlanOptions exotel_plan;
  cli::ProbeOptions probe;
  ReloadOptions reload;
  DiffOptions diff;
};

// `arguments` without the program's name. Unknown, repeated and missing ones are errors that name
// the argument and what could be meant.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments);

std::string HelpText();
std::string OptionsMarkdown();

}  // namespace sipctl
