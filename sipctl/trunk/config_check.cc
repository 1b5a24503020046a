#include "sipctl/trunk/config_check.h"

#include <algorithm>
#include <utility>

#include "sipctl/trunk/config_carrier.h"
#include "sipctl/trunk/gateway.h"

namespace sipctl::trunk {
namespace {

template <typename Range, typename NameOf>
std::vector<std::string> NamesOf(const Range& range, NameOf name_of) {
  std::vector<std::string> names;
  for (const auto& item : range) names.push_back(name_of(item));
  return names;
}

std::optional<size_t> IndexOf(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<size_t>(found - names.begin());
}

std::string Suggest(const std::string& name, std::vector<std::string> names) {
  std::erase(names, "");
  const std::string near = NearestName(name, names);
  if (!near.empty()) return near;
  return names.empty() ? "" : "one of " + Join(names, ", ");
}

// Reports a second item of the same name.
void CheckName(Reader& reader, std::string_view what, const std::string& name, int line,
               std::vector<std::string>* seen) {
  if (!name.empty() && IndexOf(*seen, name).has_value()) {
    reader.Error(line, Concat("a second ", what, " is called '", name, "'"), "another name");
  }
  seen->push_back(name);
}

void TakeCertificate(Reader& reader, const ListenerDraft& draft, Listener* listener) {
  const bool given =
      !draft.certificate.empty() || !draft.key.empty() || !draft.client_trust.empty();
  if (draft.transport != Transport::kTls && given) {
    reader.Error(draft.line, Concat("listener '", draft.name, "' has a certificate but no TLS"),
                 "transport: tls");
  }
  if (draft.transport == Transport::kTls && draft.certificate.empty()) {
    reader.Error(draft.line, Concat("listener '", draft.name, "' has no certificate"),
                 "certificate: PATH of a PEM file");
  }
  listener->certificate = draft.certificate;
  listener->key = draft.key;
  listener->client_trust = draft.client_trust;
}

std::vector<Listener> MakeListeners(Reader& reader, const std::vector<ListenerDraft>& drafts) {
  std::vector<Listener> listeners;
  std::vector<std::string> names;
  for (const ListenerDraft& draft : drafts) {
    CheckName(reader, "listener", draft.name, draft.line, &names);
    Listener listener;
    listener.name = draft.name;
    listener.transport = draft.transport;
    listener.bind = draft.bind.value_or(sdp::IpEndpoint{});
    if (!draft.bind_port_given) listener.bind.port = DefaultPort(draft.transport);
    listener.line = draft.line;
    TakeCertificate(reader, draft, &listener);
    if (draft.bind.has_value()) {
      for (const Listener& other : listeners) {
        if (other.bind == listener.bind && other.transport == listener.transport) {
          reader.Error(draft.line,
                       Concat("listener '", draft.name, "' has the socket of '", other.name, "'"),
                       "another address, port or transport");
        }
      }
      if (draft.bind->address.IsUnspecified() && !draft.advertise.has_value()) {
        reader.Error(draft.line,
                     Concat("listener '", draft.name,
                            "' listens on all addresses, so it must say which one to advertise"),
                     "advertise: HOST:PORT");
      }
      listener.advertise_host = sdp::FormatIpAddress(draft.bind->address);
      listener.advertise_port = listener.bind.port;
    }
    if (draft.advertise.has_value()) {
      listener.advertise_host = draft.advertise->host;
      listener.advertise_port =
          draft.advertise_port_given ? draft.advertise->port : DefaultPort(draft.transport);
    }
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

std::vector<MediaAddress> MakeAddresses(Reader& reader, const std::vector<AddressDraft>& drafts) {
  std::vector<MediaAddress> addresses;
  for (const AddressDraft& draft : drafts) {
    if (!draft.local.has_value()) continue;  // reported by the table
    const MediaAddress address = {*draft.local, draft.advertise.value_or(*draft.local)};
    for (const sdp::IpAddress& each : {address.local, address.advertise}) {
      if (each.IsUnspecified() || each.IsMulticast() || each.IsBroadcast()) {
        reader.Error(draft.line, Concat("media cannot be received at ", sdp::FormatIpAddress(each)),
                     "an address of this machine");
      }
    }
    if (address.local.IsIpv4() != address.advertise.IsIpv4()) {
      reader.Error(draft.line, "local and advertise are of different IP versions",
                   "two addresses of one version");
    }
    for (const MediaAddress& other : addresses) {
      if (other.local == address.local) {
        reader.Error(draft.line,
                     Concat("the address ", sdp::FormatIpAddress(address.local), " stands twice"),
                     "it once");
      }
    }
    addresses.push_back(address);
  }
  return addresses;
}

class TrunkMaker {
 public:
  TrunkMaker(Reader& reader, const Config& config) : reader_(reader), config_(config) {
    listener_names_ = NamesOf(config.listeners, [](const Listener& l) { return l.name; });
  }

  Trunk Make(TrunkDraft draft) {
    ApplyProfile(reader_, &draft);
    Trunk trunk = draft.trunk;
    trunk.line = draft.line;
    CheckName(reader_, "trunk", trunk.name, draft.line, &names_);
    if (trunk.name == "any") {
      reader_.Error(draft.line, "'any' means every trunk in a route", "another name");
    }
    if (draft.destination.has_value()) {
      trunk.destination =
          Destination{draft.destination->host, draft.destination->port, *draft.transport};
    }
    CheckTls(trunk, draft);
    trunk.listener = ChooseListener(draft);
    trunk.addresses =
        draft.addresses.empty() ? config_.addresses : MakeAddresses(reader_, draft.addresses);
    trunk.media.networks = trunk.networks;
    trunk.media.learn_remote = trunk.learning == Learning::kLatch;
    trunk.media.allow_loopback =
        !trunk.addresses.empty() &&
        std::all_of(trunk.addresses.begin(), trunk.addresses.end(),
                    [](const MediaAddress& address) { return address.advertise.IsLoopback(); });
    if (!config_.listeners.empty()) {
      CheckCarrier(reader_, trunk, draft, config_.listeners[trunk.listener]);
    }
    if (reader_.errors() == 0) CheckMedia(trunk, draft);
    return trunk;
  }

 private:
  size_t ChooseListener(const TrunkDraft& draft) {
    if (config_.listeners.empty()) return 0;
    if (draft.listener.empty()) {
      for (size_t i = 0; i < config_.listeners.size(); ++i) {
        if (config_.listeners[i].transport == *draft.transport) return i;
      }
      reader_.Report(
          ByRule("CV-16", reader_.file(), draft.line,
                 Concat("trunk '", draft.trunk.name, "' sends over ",
                        TransportName(*draft.transport), ", but no listener does"),
                 Concat("a listener with transport: ", TransportName(*draft.transport))));
      return 0;
    }
    const std::optional<size_t> index = IndexOf(listener_names_, draft.listener);
    if (!index.has_value()) {
      reader_.Error(draft.listener_line, Concat("there is no listener '", draft.listener, "'"),
                    Suggest(draft.listener, listener_names_));
      return 0;
    }
    if (config_.listeners[*index].transport != *draft.transport) {
      reader_.Report(
          ByRule("CV-16", reader_.file(), draft.listener_line,
                 Concat("listener '", draft.listener, "' speaks ",
                        TransportName(config_.listeners[*index].transport), ", trunk '",
                        draft.trunk.name, "' sends over ", TransportName(*draft.transport)),
                 Concat("a listener with transport: ", TransportName(*draft.transport))));
    }
    return *index;
  }

  void CheckTls(const Trunk& trunk, const TrunkDraft& draft) {
    if (draft.tls_line != 0 && *draft.transport != Transport::kTls) {
      reader_.Error(draft.tls_line,
                    Concat("trunk '", trunk.name, "' has keys of TLS but sends over ",
                           TransportName(*draft.transport)),
                    "transport: tls");
    }
    if (!trunk.tls.key.empty() && trunk.tls.certificate.empty()) {
      reader_.Error(draft.tls_line, "a key without its certificate", "tls_certificate: PATH");
    }
    if (!trunk.tls.verify) {
      reader_.Warning(draft.tls_line,
                      Concat("trunk '", trunk.name,
                             "' takes any certificate: whoever is between "
                             "can listen and speak"),
                      "tls_verify: true, and tls_trust: with the roots of a laboratory");
    }
  }

  void CheckMedia(const Trunk& trunk, const TrunkDraft& draft) {
    if (trunk.networks.empty() && trunk.learning != Learning::kSignalled) {
      reader_.Warning(draft.line, Concat("trunk '", trunk.name, "' takes media from any source"),
                      "media_networks: with the carrier's networks, or learning: signalled");
    }
  }

  Reader& reader_;
  const Config& config_;
  std::vector<std::string> names_;
  std::vector<std::string> listener_names_;
};

// Two trunks with the same network cannot be told apart; one inside another can (longest prefix).
void CheckSources(Reader& reader, const std::vector<TrunkDraft>& drafts) {
  for (size_t i = 0; i < drafts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      for (const sdp::IpNetwork& network : drafts[i].trunk.sources) {
        const auto& others = drafts[j].trunk.sources;
        if (std::find(others.begin(), others.end(), network) == others.end()) continue;
        reader.Error(drafts[i].sources_line,
                     Concat("the source ", sdp::FormatIpNetwork(network), " belongs to trunk '",
                            drafts[j].trunk.name, "' already"),
                     "each network in one trunk only");
      }
    }
  }
}

class RouteMaker {
 public:
  RouteMaker(Reader& reader, const Config& config) : reader_(reader), config_(config) {
    names_ = NamesOf(config.trunks, [](const Trunk& trunk) { return trunk.name; });
  }

  void Make(const RouteDraft& draft, std::vector<Route>* routes) {
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
    if (!config_.trunks[*to].destination.has_value()) {
      reader_.Error(draft.to_line, Concat("trunk '", draft.to, "' has no destination"),
                    "destination: HOST:PORT in the trunk");
    }
    if (route.from == route.to) {
      reader_.Warning(draft.line,
                      Concat("calls from '", draft.to, "' go back to '", draft.to, "'"));
    }
    for (const Route& other : *routes) {
      if (other.from != route.from || other.prefix != route.prefix) continue;
      reader_.Error(
          draft.line,
          Concat("this route is never taken: line ", other.line, " has the same source and prefix"),
          "another prefix, or only one of the two");
    }
    routes->push_back(std::move(route));
  }

  void CheckCoverage(const std::vector<Route>& routes) {
    for (const Route& route : routes) CheckShadowed(route, routes);
    for (size_t i = 0; i < config_.trunks.size(); ++i) {
      const Trunk& trunk = config_.trunks[i];
      const bool out = std::any_of(routes.begin(), routes.end(),
                                   [i](const Route& route) { return route.from.value_or(i) == i; });
      const bool in = std::any_of(routes.begin(), routes.end(),
                                  [i](const Route& route) { return route.to == i; });
      if (!out) {
        reader_.Warning(trunk.line,
                        Concat("no route takes calls from trunk '", trunk.name, "': they get 404"),
                        Concat("a route with from: ", trunk.name));
      }
      if (!in && trunk.destination.has_value()) {
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

  // A route for any trunk, where every trunk has its own route with the same prefix.
  void CheckShadowed(const Route& route, const std::vector<Route>& routes) {
    if (route.from.has_value()) return;
    for (size_t i = 0; i < config_.trunks.size(); ++i) {
      if (std::none_of(routes.begin(), routes.end(), [&](const Route& other) {
            return other.from == i && other.prefix == route.prefix;
          })) {
        return;
      }
    }
    reader_.Error(route.line,
                  "this route is never taken: every trunk has its own route with this prefix",
                  "another prefix, or leave it out");
  }

  Reader& reader_;
  const Config& config_;
  std::vector<std::string> names_;
};

void CheckEmpty(Reader& reader, std::string_view what, bool empty) {
  if (empty)
    reader.Error(0, Concat("there is no ", what), Concat("at least one under ", what, "s:"));
}

}  // namespace

Config Assemble(Reader& reader, DocumentDraft document) {
  // What was not read cannot be missed a second time.
  const bool whole = reader.errors() == 0;
  Config config = std::move(document.config);
  config.relay_socket = document.relay.socket;
  config.listeners = MakeListeners(reader, document.listeners);
  config.addresses = MakeAddresses(reader, document.relay.addresses);
  TrunkMaker trunks(reader, config);
  for (const TrunkDraft& draft : document.trunks) {
    Trunk trunk = trunks.Make(draft);
    config.trunks.push_back(std::move(trunk));
  }
  CheckSources(reader, document.trunks);
  RouteMaker routes(reader, config);
  for (const RouteDraft& draft : document.routes) routes.Make(draft, &config.routes);
  if (reader.errors() == 0) routes.CheckCoverage(config.routes);
  if (!whole) return config;
  CheckEmpty(reader, "listener", config.listeners.empty());
  CheckEmpty(reader, "trunk", config.trunks.empty());
  CheckEmpty(reader, "route", document.routes.empty());
  if (config.addresses.empty()) {
    reader.Error(0, "the relay has no media address", "relay: addresses: [{local: 192.0.2.1}]");
  }
  return config;
}

}  // namespace sipctl::trunk
