#include "sipctl/trunk/router.h"

#include <algorithm>
#include <utility>

#include "sipctl/text.h"

namespace sipctl::trunk {

Router::Router(std::shared_ptr<const Config> config) : config_(std::move(config)) {}

Decision Router::Find(size_t source, std::string_view number) const {
  std::optional<size_t> best;
  for (size_t i = 0; i < config_->routes.size(); ++i) {
    const Route& route = config_->routes[i];
    if (route.from.value_or(source) != source || !number.starts_with(route.prefix)) continue;
    if (best.has_value()) {
      const Route& rival = config_->routes[*best];
      const size_t length = route.prefix.size();
      if (length < rival.prefix.size()) continue;
      if (length == rival.prefix.size() && rival.from.has_value()) continue;
    }
    best = i;
  }
  Decision decision;
  const std::string& from = config_->trunks[source].name;
  if (!best.has_value()) {
    decision.number = std::string(number);
    decision.explanation = Concat("no route for '", number, "' from ", from);
    return decision;
  }
  const Route& route = config_->routes[*best];
  decision.route = best;
  decision.trunk = route.to;
  decision.number = route.add;
  decision.number.append(number.substr(std::min<size_t>(route.strip, number.size())));
  decision.explanation =
      Concat("'", number, "' from ", from, " goes to ", config_->trunks[route.to].name, " as '",
             decision.number, "' (line ", route.line,
             route.prefix.empty() ? ", every number" : Concat(", prefix ", route.prefix), ")");
  return decision;
}

}  // namespace sipctl::trunk
