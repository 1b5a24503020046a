#include "sipctl/options.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "sipctl/text.h"
#include "sipctl/trunk/config.h"
#include "sipctl/trunk/diagnostic.h"

namespace sipctl {
namespace {

struct CommandRow {
  Command command;
  std::string_view name;
  std::string_view argument;  // what stands behind it without an option; empty: nothing
  std::string_view meaning;
  void (*take)(Options* options, const std::string& argument);
};

constexpr CommandRow kCommands[] = {
    {Command::kRun, "run", "CONFIG", "Answers calls as CONFIG says, until SIGTERM, which drains.",
     [](Options* options, const std::string& argument) { options->run.config = argument; }},
    {Command::kCheck, "check", "CONFIG",
     "Says what is wrong with CONFIG, or with a gateway table, and what it means.",
     [](Options* options, const std::string& argument) { options->check.config = argument; }},
    {Command::kCalls, "calls", "", "Lists the calls of the running process.", nullptr},
    {Command::kCounters, "counters", "",
     "Shows what the running process received, sent and dropped in SIP.", nullptr},
    {Command::kRegistrations, "registrations", "",
     "Lists who has logged in to the running process, and what strangers tried.", nullptr},
    {Command::kReload, "reload", "",
     "The running process reads its configuration again; live calls go on as they began.", nullptr},
    {Command::kDiff, "diff", "CONFIG", "Says what CONFIG would change in the running process.",
     [](Options* options, const std::string& argument) { options->diff.config = argument; }},
    {Command::kRoute, "route", "NUMBER", "Says which route a call would take, and why not others.",
     [](Options* options, const std::string& argument) { options->route.number = argument; }},
    {Command::kLintMessage, "lint-message", "FILE",
     "Compares a SIP request to a carrier, or a dynamic URL's answer, with what it wants.",
     [](Options* options, const std::string& argument) { options->lint_message.file = argument; }},
    {Command::kCarrierSheet, "carrier-sheet", "TRUNK",
     "Prints what to tell the carrier, and what it must confirm.",
     [](Options* options, const std::string& argument) {
       options->carrier_sheet.trunk = argument;
     }},
    {Command::kProbe, "probe", "TRUNK",
     "Asks the network: name, connection, TLS, OPTIONS, our addresses and ports; with likely "
     "causes.",
     [](Options* options, const std::string& argument) { options->probe.trunk = argument; }},
    {Command::kExotelPlan, "exotel-plan", "TRUNK",
     "Prints the requests that set the trunk up at Exotel, as a script; executes nothing.",
     [](Options* options, const std::string& argument) { options->exotel_plan.trunk = argument; }},
};

// A check of something else than a configuration.
bool NeedsArgument(const CommandRow& command, const Options& options) {
  const cli::CheckOptions& check = options.check;
  return !command.argument.empty() && check.gateways.empty() && check.explain.empty() &&
         !check.print_keys_markdown && !check.print_rules_markdown;
}

bool Take(const std::string& value, std::string* target) {
  *target = value;
  return !value.empty();
}

struct OptionRow {
  Command command;         // the one it belongs to
  std::string_view name;   // without the dashes
  std::string_view value;  // empty: a switch
  std::string_view preset;
  std::string_view meaning;                                   // empty: not shown
  bool (*apply)(Options* options, const std::string& value);  // false: value not possible
};

constexpr std::string_view kRequired = "required";
constexpr std::string_view kControlMeaning =
    "The control socket of the running process, `control` in its configuration.";
constexpr std::string_view kLogLevels[] = {"error", "warning", "info", "debug"};

constexpr OptionRow kOptions[] = {
    {Command::kRun, "log-level", "LEVEL", "info",
     "How much is logged: error, warning, info, debug.",
     [](Options* options, const std::string& value) {
       options->run.log_level = value;
       return std::find(std::begin(kLogLevels), std::end(kLogLevels), value) !=
              std::end(kLogLevels);
     }},
    {Command::kRun, "trace", "FILE", "none", "Appends every SIP message to FILE.",
     [](Options* options, const std::string& value) {
       options->run.trace = value;
       return !value.empty();
     }},
    {Command::kCheck, "json", "", "off", "Prints one JSON object instead of text.",
     [](Options* options, const std::string&) { return options->check.json = true; }},
    {Command::kCheck, "gateways", "FILE", "none",
     "Checks a gateway table (CSV or JSON: address, port, protocol, inbound, outbound) instead.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->check.gateways);
     }},
    {Command::kCheck, "profile", "NAME", "generic", "The carrier whose gateways they shall be.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->check.profile);
     }},
    {Command::kCheck, "explain", "RULE", "none", "Says what a rule like CV-01 is for.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->check.explain);
     }},
    {Command::kCheck, "print-rules-markdown", "", "off", "",
     [](Options* options, const std::string&) {
       return options->check.print_rules_markdown = true;
     }},
    {Command::kCheck, "print-keys-markdown", "", "off", "",
     [](Options* options, const std::string&) {
       return options->check.print_keys_markdown = true;
     }},
    {Command::kCalls, "control", "PATH", trunk::kControlSocketDefault, kControlMeaning,
     [](Options* options, const std::string& value) {
       return Take(value, &options->calls.control);
     }},
    {Command::kCounters, "control", "PATH", trunk::kControlSocketDefault, kControlMeaning,
     [](Options* options, const std::string& value) {
       return Take(value, &options->counters.control);
     }},
    {Command::kCounters, "all", "", "off", "Shows those that stand at zero too.",
     [](Options* options, const std::string&) { return options->counters.all = true; }},
    {Command::kCounters, "json", "", "off", "Prints one JSON object, zeros too.",
     [](Options* options, const std::string&) { return options->counters.json = true; }},
    {Command::kRegistrations, "control", "PATH", trunk::kControlSocketDefault, kControlMeaning,
     [](Options* options, const std::string& value) {
       return Take(value, &options->registrations.control);
     }},
    {Command::kRegistrations, "json", "", "off", "Prints one JSON object instead of a table.",
     [](Options* options, const std::string&) { return options->registrations.json = true; }},
    {Command::kReload, "control", "PATH", trunk::kControlSocketDefault, kControlMeaning,
     [](Options* options, const std::string& value) {
       return Take(value, &options->reload.control);
     }},
    {Command::kDiff, "control", "PATH", trunk::kControlSocketDefault, kControlMeaning,
     [](Options* options, const std::string& value) {
       return Take(value, &options->diff.control);
     }},
    {Command::kRoute, "from", "TRUNK", kRequired, "The trunk that the call comes from.",
     [](Options* options, const std::string& value) { return Take(value, &options->route.from); }},
    {Command::kRoute, "source", "ADDRESS", "none",
     "The address that the call comes from, for routes with a source.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->route.source);
     }},
    {Command::kRoute, "config", "FILE", kRequired, "The configuration.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->route.config);
     }},
    {Command::kLintMessage, "profile", "NAME", "generic", "The carrier it goes to.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->lint_message.profile);
     }},
    {Command::kLintMessage, "flow", "", "off", "The call shall enter a call flow of the carrier.",
     [](Options* options, const std::string&) { return options->lint_message.flow = true; }},
    {Command::kCarrierSheet, "config", "FILE", kRequired, "The configuration.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->carrier_sheet.config);
     }},
    {Command::kProbe, "config", "FILE", kRequired, "The configuration.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->probe.config);
     }},
    {Command::kExotelPlan, "config", "FILE", kRequired, "The configuration.",
     [](Options* options, const std::string& value) {
       return Take(value, &options->exotel_plan.config);
     }},
    {Command::kCalls, "json", "", "off", "Prints one JSON object instead of a table.",
     [](Options* options, const std::string&) { return options->calls.json = true; }},
};

std::string Usage(const CommandRow& command) {
  std::string usage =
      Concat("sipctl ", command.name, command.argument.empty() ? "" : " ", command.argument);
  for (const OptionRow& row : kOptions) {
    if (row.command != command.command || row.meaning.empty()) continue;
    const bool required = row.preset == kRequired;
    usage += Concat(required ? " --" : " [--", row.name, row.value.empty() ? "" : " ", row.value,
                    required ? "" : "]");
  }
  return usage;
}

absl::Status Refuse(std::string message, const std::string& near) {
  if (!near.empty()) message += Concat("; did you mean ", near, "?");
  return absl::InvalidArgumentError(message);
}

// What stands behind the command.
class ArgumentReader {
 public:
  ArgumentReader(const CommandRow& command, Options* options)
      : command_(command), options_(options) {}

  absl::Status Read(const std::vector<std::string>& arguments) {
    for (size_t i = 1; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      if (!argument.starts_with("--")) {
        if (absl::Status status = TakePositional(argument); !status.ok()) return status;
        continue;
      }
      const OptionRow* row = nullptr;
      for (const OptionRow& candidate : kOptions) {
        if (candidate.command == command_.command && argument.substr(2) == candidate.name) {
          row = &candidate;
        }
      }
      if (row == nullptr) return Unknown(argument);
      if (std::find(seen_.begin(), seen_.end(), argument) != seen_.end()) {
        return Refuse(Concat(argument, " is given twice"), "");
      }
      seen_.push_back(argument);
      if (!row->value.empty() && ++i == arguments.size()) {
        return Refuse(Concat(argument, " needs its ", row->value, " behind it"), "");
      }
      if (!row->apply(options_, row->value.empty() ? "" : arguments[i])) {
        return Refuse(
            Concat("'", arguments[i], "' is not possible for ", argument, ". ", row->meaning), "");
      }
    }
    if (argument_.empty() && NeedsArgument(command_, *options_)) {
      return Refuse(Concat("sipctl ", command_.name, " needs a ", command_.argument), "");
    }
    for (const OptionRow& row : kOptions) {
      const std::string name = Concat("--", row.name);
      if (row.command != command_.command || row.preset != kRequired) continue;
      if (std::find(seen_.begin(), seen_.end(), name) == seen_.end()) {
        return Refuse(Concat("sipctl ", command_.name, " needs ", name, " ", row.value), "");
      }
    }
    if (!argument_.empty()) command_.take(options_, argument_);
    return absl::OkStatus();
  }

 private:
  absl::Status TakePositional(const std::string& argument) {
    if (argument.starts_with("-") && argument.size() > 1) return Unknown(argument);
    if (command_.argument.empty() || !argument_.empty()) {
      return Refuse(Concat("'", argument, "' is one argument too many for sipctl ", command_.name),
                    "");
    }
    argument_ = argument;
    return absl::OkStatus();
  }

  absl::Status Unknown(const std::string& argument) const {
    std::vector<std::string> known;
    for (const OptionRow& row : kOptions) {
      if (row.command == command_.command && !row.meaning.empty()) {
        known.push_back(Concat("--", row.name));
      }
    }
    return Refuse(Concat("sipctl ", command_.name, " has no option ", argument),
                  trunk::NearestName(argument, known));
  }

  const CommandRow& command_;
  Options* options_;
  std::string argument_;
  std::vector<std::string> seen_;
};

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  options.run.log_level = "info";
  options.check.profile = options.lint_message.profile = "generic";
  options.calls.control = options.counters.control = options.registrations.control =
      options.reload.control = options.diff.control = std::string(trunk::kControlSocketDefault);
  if (arguments.empty())
    return Refuse(Concat("a command is missing: ",
                         Join(kCommands, ", ", [](const CommandRow& row) { return row.name; })),
                  "");
  const std::pair<std::string_view, Command> kAlone[] = {
      {"--help", Command::kHelp},
      {"--version", Command::kVersion},
      {"--print-options-markdown", Command::kPrintOptionsMarkdown}};
  for (const auto& [name, command] : kAlone) {
    if (std::find(arguments.begin(), arguments.end(), name) == arguments.end()) continue;
    options.command = command;
    return options;
  }
  std::vector<std::string> names;
  for (const CommandRow& row : kCommands) {
    names.emplace_back(row.name);
    if (arguments[0] != row.name) continue;
    options.command = row.command;
    if (absl::Status status = ArgumentReader(row, &options).Read(arguments); !status.ok()) {
      return status;
    }
    return options;
  }
  return Refuse(Concat("sipctl has no command ", arguments[0]),
                trunk::NearestName(arguments[0], names));
}

std::string HelpText() {
  std::string text = "sipctl: SIP between a carrier trunk and a PBX, with the media in relay.\n";
  for (const CommandRow& command : kCommands) {
    text += Concat("\n", Usage(command), "\n    ", command.meaning, "\n");
    for (const OptionRow& row : kOptions) {
      if (row.command != command.command || row.meaning.empty()) continue;
      const std::string name = Concat("--", row.name, row.value.empty() ? "" : " ", row.value);
      text += Concat("    ", name, std::string(22 - std::min<size_t>(21, name.size()), ' '),
                     row.meaning, " [", row.preset, "]\n");
    }
  }
  text += "\nsipctl --help, sipctl --version\n";
  return text;
}

std::string OptionsMarkdown() {
  std::string text;
  for (const CommandRow& command : kCommands) {
    text +=
        Concat("### `sipctl ", command.name, command.argument.empty() ? "" : " ", command.argument,
               "`\n\n", command.meaning, "\n\n| option | without it | meaning |\n|---|---|---|\n");
    for (const OptionRow& row : kOptions) {
      if (row.command != command.command || row.meaning.empty()) continue;
      text += Concat("| `--", row.name, row.value.empty() ? "" : " ", row.value, "` | ", row.preset,
                     " | ", row.meaning, " |\n");
    }
    text += "\n";
  }
  text.pop_back();
  return text;
}

}  // namespace sipctl
