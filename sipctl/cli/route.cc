#include "sipctl/cli/route.h"

#include <algorithm>
#include <optional>
#include <ostream>

#include "sipctl/cli/trunk_of.h"
#include "sipctl/text.h"
#include "sipctl/trunk/router.h"

namespace sipctl::cli {
namespace {

// What the router decided about one of its routes, in words.
std::string Verdict(const trunk::Config& config, size_t index, size_t source,
                    const std::string& number, const std::optional<size_t>& taken) {
  const trunk::Route& route = config.routes[index];
  if (index == taken) return "taken";
  if (route.from.value_or(source) != source) {
    return Concat("is for calls from ", config.trunks[*route.from].name);
  }
  if (!number.starts_with(route.prefix)) {
    return Concat("the number does not begin with ", route.prefix);
  }
  const trunk::Route& winner = config.routes[*taken];  // this one matches, so there is a winner
  if (route.prefix.size() < winner.prefix.size()) {
    return Concat("line ", winner.line, " has a longer prefix");
  }
  return Concat("line ", winner.line, " has the same prefix and names the trunk");
}

}  // namespace

int RunRoute(const RouteOptions& options, std::ostream& out, std::ostream& err) {
  const std::optional<TrunkOf> found = LoadTrunk(options.config, options.from, err);
  if (!found.has_value()) return 1;
  const trunk::Config& config = *found->config;
  const trunk::Decision decision = trunk::Router(found->config).Find(found->trunk, options.number);
  out << trunk::AsciiSafe(decision.explanation) << '\n';
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const trunk::Route& route = config.routes[i];
    out << "  line " << route.line << " to " << config.trunks[route.to].name << ": "
        << Verdict(config, i, found->trunk, options.number, decision.route) << '\n';
  }
  return decision.trunk.has_value() ? 0 : 1;
}

}  // namespace sipctl::cli
