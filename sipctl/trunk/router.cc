#include "sipctl/trunk/router.h"

#include <algorithm>
#include <utility>

#include "sipctl/text.h"

namespace sipctl::trunk {
namespace {

std::string MatchText(const Route& route) {
  if (!route.numbers.empty()) return ", by its whole number";
  return route.prefix.empty() ? ", every number" : Concat(", prefix ", route.prefix);
}

}  // namespace

std::optional<Fit> FitOf(const Route& route, const Query& query) {
  if (route.from.value_or(query.source) != query.source) return std::nullopt;
  Fit fit{.prefix = route.prefix.size(), .trunk = route.from.has_value()};
  if (!query.number.starts_with(route.prefix)) return std::nullopt;
  if (!route.numbers.empty()) {
    fit.whole_number =
        std::find(route.numbers.begin(), route.numbers.end(), query.number) != route.numbers.end();
    if (!fit.whole_number) return std::nullopt;
  }
  for (const sdp::IpNetwork& network : route.sources) {
    if (!query.address.has_value() || !network.Contains(*query.address)) continue;
    fit.network = std::max<int>(fit.network, network.prefix_length);
  }
  if (!route.sources.empty() && fit.network < 0) return std::nullopt;
  return fit;
}

Router::Router(std::shared_ptr<const Config> config) : config_(std::move(config)) {}

Decision Router::Find(const Query& query) const {
  const std::string number = ToE164(config_->trunks[query.source].number_plan, query.number);
  Query made = query;
  made.number = number;
  Decision decision = FindMade(made);
  if (number != query.number) {
    decision.explanation.insert(0, Concat("'", query.number, "' is ", number, "; "));
  }
  return decision;
}

Decision Router::FindMade(const Query& query) const {
  Decision decision;
  decision.number = std::string(query.number);
  const Trunk& source = config_->trunks[query.source];
  if (source.way == Way::kOutbound) {
    decision.status = 403;
    decision.explanation = Concat("trunk ", source.name, " is outbound: it may not call us");
    return decision;
  }
  std::optional<Fit> best;
  for (size_t i = 0; i < config_->routes.size(); ++i) {
    const std::optional<Fit> fit = FitOf(config_->routes[i], query);
    if (!fit.has_value() || (best.has_value() && *fit <= *best)) continue;
    best = fit;
    decision.route = i;
  }
  if (!best.has_value()) {
    decision.status = 404;
    decision.explanation = Concat("no route for '", query.number, "' from ", source.name);
    return decision;
  }
  const Route& route = config_->routes[*decision.route];
  decision.trunk = route.to;
  decision.flow = route.flow;
  decision.number = route.add;
  decision.number.append(query.number.substr(std::min<size_t>(route.strip, query.number.size())));
  const Trunk& destination = config_->trunks[route.to];
  decision.number = FromE164(destination.number_plan, destination.number_form, decision.number);
  if (!route.user.empty()) decision.number = route.user;
  decision.explanation =
      Concat("'", query.number, "' from ", source.name, " goes to ", config_->trunks[route.to].name,
             " as '", decision.number, "'", route.flow ? " into a flow" : "", " (line ", route.line,
             MatchText(route), ")");
  return decision;
}

std::string Router::Verdict(size_t index, const Query& asked, const Decision& decision) const {
  const std::string number = ToE164(config_->trunks[asked.source].number_plan, asked.number);
  Query query = asked;
  query.number = number;
  const Route& route = config_->routes[index];
  if (index == decision.route) return "taken";
  if (route.from.value_or(query.source) != query.source) {
    return Concat("is for calls from ", config_->trunks[*route.from].name);
  }
  if (!query.number.starts_with(route.prefix)) {
    return Concat("the number does not begin with ", route.prefix);
  }
  const std::optional<Fit> fit = FitOf(route, query);
  if (!fit.has_value()) {
    Route anywhere = route;
    anywhere.sources.clear();
    if (!FitOf(anywhere, query).has_value()) return "the number is none of its numbers";
    return Concat("is for calls from ", Join(route.sources, ", ", sdp::FormatIpNetwork),
                  query.address.has_value() ? "" : "; --source says from where");
  }
  if (!decision.route.has_value()) return "is not asked";
  const Route& winner = config_->routes[*decision.route];
  const Fit best = *FitOf(winner, query);
  std::string_view why = " has the same prefix and names the trunk";
  if (best.whole_number != fit->whole_number) {
    why = " names the whole number";
  } else if (best.prefix != fit->prefix) {
    why = " has a longer prefix";
  } else if (best.network != fit->network) {
    why = fit->network < 0 ? " names the source" : " has a narrower source";
  }
  return Concat("line ", winner.line, why);
}

}  // namespace sipctl::trunk
