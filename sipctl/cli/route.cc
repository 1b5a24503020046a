#include "sipctl/cli/route.h"

#include <optional>
#include <ostream>

#include "sipctl/cli/trunk_of.h"
#include "sipctl/text.h"
#include "sipctl/trunk/router.h"

namespace sipctl::cli {
int RunRoute(const RouteOptions& options, std::ostream& out, std::ostream& err) {
  const std::optional<TrunkOf> found = LoadTrunk(options.config, options.from, err);
  if (!found.has_value()) return 1;
  const trunk::Config& config = *found->config;
  trunk::Query query{.source = found->trunk, .number = options.number};
  if (!options.source.empty()) {
    query.address = sdp::ParseIpAddress(options.source);
    if (!query.address.has_value()) {
      err << "'" << trunk::AsciiSafe(options.source) << "' is no IP address\n";
      return 1;
    }
  }
  const trunk::Router router(found->config);
  const trunk::Decision decision = router.Find(query);
  out << trunk::AsciiSafe(decision.explanation) << '\n';
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const trunk::Route& route = config.routes[i];
    out << "  line " << route.line << " to " << config.trunks[route.to].name << ": "
        << trunk::AsciiSafe(router.Verdict(i, query, decision)) << '\n';
  }
  return decision.trunk.has_value() ? 0 : 1;
}

}  // namespace sipctl::cli
