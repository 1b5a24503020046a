#include "sipctl/trunk/config_routes.h"

#include <utility>

#include "sipctl/trunk/gateway.h"

namespace sipctl::trunk {
namespace {

// Whether both take the same calls, whoever calls.
bool SameCalls(const Route& a, const Route& b) {
  return a.prefix == b.prefix && a.numbers == b.numbers && a.sources == b.sources;
}

bool SameEffect(const Route& a, const Route& b) {
  return a.to == b.to && a.strip == b.strip && a.add == b.add && a.user == b.user &&
         a.flow == b.flow;
}

class RouteMaker {
 public:
  RouteMaker(Reader& reader, Config* config)
      : reader_(reader), config_(*config), routes_(config->routes) {
    names_ = NamesOf(config_.trunks, [](const Trunk& trunk) { return trunk.name; });
  }

  void Make(const RouteDraft& draft) {
    Route route = draft.route;
    route.line = draft.line;
    bool known = true;
    if (!draft.from.empty() && draft.from != "any") {
      route.from = Find(draft.from, draft.from_line);
      known = route.from.has_value();
    }
    const std::optional<size_t> to =
        draft.to.empty() ? std::nullopt : Find(draft.to, draft.to_line);
    if (!known || !to.has_value()) return;
    route.to = *to;
    if (!route.numbers.empty() && !route.prefix.empty()) {
      reader_.Error(draft.line, "numbers are whole; a prefix beside them says nothing",
                    "numbers or a prefix");
    }
    CheckEnds(draft, route);
    CheckTwice(route);
    routes_.push_back(std::move(route));
  }

  void CheckCoverage() {
    for (const Route& route : routes_) {
      CheckShadowed(route);
      CheckOverlap(route);
    }
    for (size_t i = 0; i < config_.trunks.size(); ++i) {
      const Trunk& trunk = config_.trunks[i];
      const bool out = std::any_of(routes_.begin(), routes_.end(),
                                   [i](const Route& route) { return route.from.value_or(i) == i; });
      const bool in = std::any_of(routes_.begin(), routes_.end(),
                                  [i](const Route& route) { return route.to == i; });
      if (!out && trunk.way != Way::kOutbound) {
        reader_.Warning(trunk.line,
                        Concat("no route takes calls from trunk '", trunk.name, "': they get 404"),
                        Concat("a route with from: ", trunk.name));
      }
      if (!in && trunk.way != Way::kInbound) {
        reader_.Warning(trunk.line, Concat("no route leads to trunk '", trunk.name, "'"),
                        Concat("a route with to: ", trunk.name));
      }
    }
  }

 private:
  std::optional<size_t> Find(const std::string& name, int line) {
    const std::optional<size_t> index = IndexOf(names_, name);
    if (!index.has_value()) {
      reader_.Error(line, Concat("there is no trunk '", name, "'"), Suggest(name, names_));
    }
    return index;
  }

  void CheckEnds(const RouteDraft& draft, const Route& route) {
    const Trunk& to = config_.trunks[route.to];
    if (to.destinations.empty() && to.users.empty()) {
      reader_.Error(draft.to_line, Concat("trunk '", draft.to, "' has no destination"),
                    "destination: HOST:PORT in the trunk");
    } else if (to.way == Way::kInbound) {
      reader_.Error(draft.to_line, Concat("trunk '", draft.to, "' is inbound: we may not call it"),
                    "direction: bidirectional in the trunk");
    }
    if (route.from.has_value() && config_.trunks[*route.from].way == Way::kOutbound) {
      reader_.Error(draft.from_line,
                    Concat("trunk '", draft.from, "' is outbound: it may not call us"),
                    "direction: bidirectional in the trunk");
    }
    if (route.from == route.to) {
      reader_.Warning(draft.line,
                      Concat("calls from '", draft.to, "' go back to '", draft.to, "'"));
    }
    if (!route.flow) return;
    if (to.carrier == nullptr || to.carrier->headers.flow.empty()) {
      reader_.Error(draft.mode_line, Concat("nothing is known of flows of trunk '", draft.to, "'"),
                    "profile: with the carrier's name in the trunk, or mode: pstn");
    } else if (to.account.empty()) {
      reader_.Report(ByRule("CV-12", reader_.file(), draft.mode_line,
                            Concat("trunk '", draft.to, "' has no account for ",
                                   Join(to.carrier->headers.flow, ", ")),
                            "account: with the name of the account in the trunk"));
    }
  }

  void CheckTwice(const Route& route) {
    for (const Route& other : routes_) {
      if (other.from != route.from || other.sources != route.sources) continue;
      if (SameCalls(route, other)) {
        reader_.Error(route.line,
                      Concat("this route is never taken: line ", other.line,
                             " has the same source and prefix"),
                      "another prefix, or only one of the two");
        continue;
      }
      for (const std::string& number : route.numbers) {
        if (std::find(other.numbers.begin(), other.numbers.end(), number) == other.numbers.end()) {
          continue;
        }
        reader_.Error(route.line, Concat("the number ", number, " goes by line ", other.line),
                      "each number once");
      }
    }
  }

  // A route for any trunk, where every trunk that may call has its own one for the same calls.
  void CheckShadowed(const Route& route) {
    if (route.from.has_value()) return;
    for (size_t i = 0; i < config_.trunks.size(); ++i) {
      if (config_.trunks[i].way == Way::kOutbound) continue;
      if (std::none_of(routes_.begin(), routes_.end(), [&](const Route& other) {
            return other.from == i && SameCalls(other, route);
          })) {
        return;
      }
    }
    reader_.Error(route.line,
                  "this route is never taken: every trunk has its own route with this prefix",
                  "another prefix, or leave it out");
  }

  // A longer prefix inside a shorter one is how exceptions are written; these are none.
  void CheckOverlap(const Route& route) {
    if (route.prefix.empty() || !route.sources.empty()) return;
    const Route* outer = nullptr;  // what would take its calls if it were not there
    for (const Route& other : routes_) {
      if (!other.numbers.empty() || !other.sources.empty()) continue;
      if (other.prefix.size() >= route.prefix.size() || !route.prefix.starts_with(other.prefix)) {
        continue;
      }
      if (!route.from.has_value() && other.from.has_value() && !other.prefix.empty()) {
        reader_.Warning(route.line,
                        Concat("prefix ", route.prefix, " of any trunk overlaps prefix ",
                               other.prefix, " of '", config_.trunks[*other.from].name, "' (line ",
                               other.line, ") and wins, being longer"),
                        Concat("from: in this route, if calls from '",
                               config_.trunks[*other.from].name, "' are not meant"));
      }
      if (other.from != route.from) continue;
      if (outer == nullptr || other.prefix.size() > outer->prefix.size()) outer = &other;
    }
    if (outer == nullptr || !SameEffect(route, *outer)) return;
    reader_.Warning(route.line,
                    Concat("prefix ", route.prefix, " overlaps line ", outer->line,
                           ", which does the same with it"),
                    "only one of the two");
  }

  Reader& reader_;
  const Config& config_;
  std::vector<Route>& routes_;
  std::vector<std::string> names_;
};

}  // namespace

void MakeRoutes(Reader& reader, const std::vector<RouteDraft>& drafts, Config* config) {
  RouteMaker maker(reader, config);
  for (const RouteDraft& draft : drafts) maker.Make(draft);
  if (reader.errors() == 0) maker.CheckCoverage();
}

}  // namespace sipctl::trunk
