#include "sipctl/cli/check.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>
#include <vector>

#include "sipctl/cli/certificates.h"
#include "sipctl/cli/gateways.h"
#include "sipctl/text.h"
#include "sipctl/trunk/config.h"
#include "sipctl/trunk/diagnostic.h"
#include "sipctl/trunk/profile_age.h"
#include "sipctl/trunk/rules.h"

namespace sipctl::cli {
namespace {

using trunk::Config;
using trunk::Diagnostic;
using trunk::Severity;
using trunk::Trunk;

std::string NetworksText(const std::vector<sdp::IpNetwork>& networks) {
  return networks.empty() ? "anywhere" : Join(networks, ", ", sdp::FormatIpNetwork);
}

std::string HostText(const std::string& host, uint16_t port) {
  return host.find(':') == std::string::npos ? Concat(host, ":", port)
                                             : Concat("[", host, "]:", port);
}

// Empty: nobody logs in.
std::string UsersText(const Trunk& trunk) {
  return Join(trunk.users, " or ", [](const trunk::Login& user) { return user.user; });
}

// One line for each trunk that we send calls to: where, and which calls.
std::vector<std::string> Outbound(const Config& config) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < config.trunks.size(); ++i) {
    const Trunk& trunk = config.trunks[i];
    if (trunk.way == trunk::Way::kInbound) continue;
    const trunk::Listener& listener = config.listeners[trunk.listener];
    std::vector<std::string> calls;
    for (const trunk::Route& route : config.routes) {
      if (route.to != i) continue;
      const std::string from = route.from.has_value() ? config.trunks[*route.from].name : "any";
      const std::string which = !route.numbers.empty() ? Join(route.numbers, " ")
                                : route.prefix.empty() ? "*"
                                                       : route.prefix;
      calls.push_back(
          Concat(from, " ", which,
                 route.sources.empty() ? "" : Concat(" at ", NetworksText(route.sources)),
                 route.flow ? " into a flow" : ""));
    }
    const std::string users = UsersText(trunk);
    const std::string places = Join(trunk.destinations, ", ", [](const trunk::Destination& each) {
      return Concat(each.user.empty() ? "" : Concat(each.user, "@"),
                    each.by_srv ? Concat(each.host, " (by SRV)") : HostText(each.host, each.port),
                    "/", trunk::TransportName(each.transport));
    });
    lines.push_back(Concat(
        trunk.name, ": to ", users.empty() ? places : Concat("where ", users, " logged in"), " as ",
        HostText(listener.advertise_host, listener.advertise_port),
        ", calls: ", calls.empty() ? "none" : Join(calls, ", "),
        trunk.calls_per_minute == 0 ? ""
                                    : Concat(", at most ", trunk.calls_per_minute, " a minute")));
  }
  return lines;
}

// One line for each trunk that may call us: from where, and to which listeners.
std::vector<std::string> Inbound(const Config& config) {
  const auto listeners_of = [&config](const Trunk& trunk) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < config.listeners.size(); ++i) {
      const trunk::Listener& each = config.listeners[i];
      const bool access = each.role == trunk::Role::kAccess;
      const bool here = trunk.users.empty() || trunk.any_access_listener || trunk.listener == i;
      if (access == trunk.users.empty() || !here) continue;
      texts.push_back(
          Concat(sdp::FormatIpEndpoint(each.bind), "/", trunk::TransportName(each.transport)));
    }
    return Join(texts, ", ");
  };
  std::vector<std::string> lines;
  for (const Trunk& trunk : config.trunks) {
    if (trunk.way == trunk::Way::kOutbound) continue;
    const std::string users = UsersText(trunk);
    lines.push_back(
        Concat(trunk.name, ": from ",
               users.empty() ? NetworksText(trunk.sources) : Concat("anywhere as ", users), " to ",
               listeners_of(trunk)));
  }
  return lines;
}

std::vector<std::string> MediaLines(const Config& config) {
  std::vector<std::string> lines;
  for (const Trunk& trunk : config.trunks) {
    const std::string addresses =
        Join(trunk.addresses, ", ", [](const trunk::MediaAddress& address) {
          const std::string local = sdp::FormatIpAddress(address.local);
          return address.local == address.advertise
                     ? local
                     : Concat(local, " (advertised as ", sdp::FormatIpAddress(address.advertise),
                              ")");
        });
    constexpr std::string_view kLearning[] = {"", ", only from the signalled address",
                                              ", source learned"};
    lines.push_back(Concat(trunk.name, ": ", Join(trunk.media.codecs, ", ", sdp::CodecName), " on ",
                           addresses, ", far side ", NetworksText(trunk.networks),
                           kLearning[static_cast<size_t>(trunk.learning)]));
  }
  return lines;
}

void PrintPart(std::string_view title, const std::vector<std::string>& lines, std::ostream& out) {
  out << title << '\n';
  for (const std::string& line : lines) out << "  " << line << '\n';
}

// Why the broken rules are rules, each once.
void PrintReasons(const std::vector<Diagnostic>& diagnostics, std::ostream& out) {
  for (const trunk::Rule& rule : trunk::Rules()) {
    if (std::none_of(diagnostics.begin(), diagnostics.end(),
                     [&rule](const Diagnostic& each) { return each.rule == rule.id; })) {
      continue;
    }
    out << "why " << rule.id << ": " << rule.why << '\n';
  }
}

void PrintText(const trunk::LoadResult& result, std::ostream& out) {
  for (const Diagnostic& diagnostic : result.diagnostics) {
    out << trunk::FormatDiagnostic(diagnostic) << '\n';
  }
  PrintReasons(result.diagnostics, out);
  if (result.config != nullptr) {
    PrintPart("outbound", Outbound(*result.config), out);
    PrintPart("inbound", Inbound(*result.config), out);
    PrintPart("media", MediaLines(*result.config), out);
  }
  const auto counted = [&result](Severity severity, std::string_view word) {
    const auto count = std::count_if(
        result.diagnostics.begin(), result.diagnostics.end(),
        [severity](const Diagnostic& diagnostic) { return diagnostic.severity == severity; });
    return Concat(count, " ", word, count == 1 ? "" : "s");
  };
  out << "check: " << counted(Severity::kError, "error") << ", "
      << counted(Severity::kWarning, "warning") << '\n';
}

void PrintJson(const trunk::LoadResult& result, std::ostream& out) {
  nlohmann::ordered_json json;
  json["ok"] = !trunk::HasError(result.diagnostics);
  json["diagnostics"] = nlohmann::ordered_json::array();
  for (const Diagnostic& diagnostic : result.diagnostics) {
    const trunk::Rule* rule = trunk::FindRule(diagnostic.rule);
    json["diagnostics"].push_back(
        {{"severity", diagnostic.severity == Severity::kError ? "error" : "warning"},
         {"rule", diagnostic.rule},
         {"file", diagnostic.file},
         {"line", diagnostic.line},
         {"message", diagnostic.message},
         {"why", rule == nullptr ? "" : std::string(rule->why)},
         {"instead", diagnostic.instead}});
  }
  if (result.config != nullptr) {
    json["outbound"] = Outbound(*result.config);
    json["inbound"] = Inbound(*result.config);
    json["media"] = MediaLines(*result.config);
  }
  // A message may quote bytes of the file that are no UTF-8.
  out << json.dump(2, ' ', /*ensure_ascii=*/true, nlohmann::ordered_json::error_handler_t::replace)
      << '\n';
}

int Explain(const std::string& id, std::ostream& out) {
  const trunk::Rule* rule = trunk::FindRule(id);
  if (rule != nullptr) {
    out << trunk::ExplainRule(*rule);
    return 0;
  }
  out << "there is no rule " << trunk::AsciiSafe(id) << "; there are "
      << Join(trunk::Rules(), ", ", [](const trunk::Rule& each) { return each.id; }) << '\n';
  return 1;
}

}  // namespace

int RunCheck(const CheckOptions& options, std::ostream& out) {
  if (options.print_keys_markdown || options.print_rules_markdown) {
    out << (options.print_keys_markdown ? trunk::KeysMarkdown() : trunk::RulesMarkdown());
    return 0;
  }
  if (!options.explain.empty()) return Explain(options.explain, out);
  trunk::LoadResult result;
  if (options.gateways.empty()) {
    result = trunk::LoadConfig(options.config);
    if (result.config != nullptr) {
      for (Diagnostic& each : CheckCertificates(*result.config, std::time(nullptr))) {
        result.diagnostics.push_back(std::move(each));
      }
      for (Diagnostic& each : trunk::CheckProfileAge(*result.config, std::time(nullptr))) {
        result.diagnostics.push_back(std::move(each));
      }
    }
  } else {
    result.diagnostics = CheckGatewayFile(options.gateways, options.profile);
  }
  if (options.json) {
    PrintJson(result, out);
  } else {
    PrintText(result, out);
  }
  return trunk::HasError(result.diagnostics) ? 1 : 0;
}

}  // namespace sipctl::cli
