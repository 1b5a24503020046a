#include "sipctl/trunk/config_check.h"

#include <algorithm>
#include <utility>

#include "sipctl/trunk/config_access.h"
#include "sipctl/trunk/config_carrier.h"
#include "sipctl/trunk/config_routes.h"
#include "sipctl/trunk/gateway.h"

namespace sipctl::trunk {
namespace {

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
    listener.role = draft.role;
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
    TakeAccess(reader, draft, &listener);
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
    for (const DestinationDraft& each : draft.destinations) {
      if (each.to.has_value()) trunk.destinations.push_back(MakeDestination(draft, each));
    }
    CheckLogin(draft, &trunk);
    TakeUsers(reader_, draft, &trunk);
    CheckTls(trunk, draft);
    CheckNumberForm(trunk, draft);
    const bool nowhere = trunk.destinations.empty() && trunk.users.empty();
    if (!draft.way_given && nowhere) trunk.way = Way::kInbound;
    if (trunk.way != Way::kInbound && nowhere && draft.users_line == 0) {
      reader_.Error(draft.line, Concat("trunk '", trunk.name, "' has no destination to call"),
                    "destination: HOST:PORT, or direction: inbound");
    }
    if (trunk.account.empty()) {
      trunk.account = trunk.from_domain.substr(0, trunk.from_domain.find('.'));
    }
    trunk.listener = ChooseListener(draft);
    trunk.any_access_listener = !trunk.users.empty() && draft.listener.empty();
    trunk.addresses =
        draft.addresses.empty() ? config_.addresses : MakeAddresses(reader_, draft.addresses);
    trunk.media.networks = trunk.networks;
    trunk.media.private_networks = trunk.sources;
    trunk.media.refuse_private = trunk.carrier != nullptr;
    trunk.media.learn_remote = trunk.learning == Learning::kLatch;
    trunk.media.allow_loopback =
        !trunk.addresses.empty() &&
        std::all_of(trunk.addresses.begin(), trunk.addresses.end(),
                    [](const MediaAddress& address) { return address.advertise.IsLoopback(); });
    if (!config_.listeners.empty()) {
      CheckCarrier(reader_, trunk, draft, config_.listeners[trunk.listener]);
    }
    CheckPorts(trunk);
    if (reader_.errors() == 0) CheckMedia(trunk, draft);
    return trunk;
  }

 private:
  size_t ChooseListener(const TrunkDraft& draft) {
    if (config_.listeners.empty()) return 0;
    if (draft.users_line != 0) return ChooseAccessListener(reader_, config_, draft);
    if (draft.listener.empty()) {
      for (size_t i = 0; i < config_.listeners.size(); ++i) {
        const Listener& each = config_.listeners[i];
        if (each.transport == *draft.transport && each.role == Role::kTrunk) return i;
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
    if (config_.listeners[*index].role == Role::kAccess) {
      reader_.Error(draft.listener_line,
                    Concat("listener '", draft.listener, "' is for those who log in"),
                    "a listener with role: trunk, or users: in the trunk");
    } else if (config_.listeners[*index].transport != *draft.transport) {
      reader_.Report(
          ByRule("CV-16", reader_.file(), draft.listener_line,
                 Concat("listener '", draft.listener, "' speaks ",
                        TransportName(config_.listeners[*index].transport), ", trunk '",
                        draft.trunk.name, "' sends over ", TransportName(*draft.transport)),
                 Concat("a listener with transport: ", TransportName(*draft.transport))));
    }
    return *index;
  }

  static Destination MakeDestination(const TrunkDraft& draft, const DestinationDraft& each) {
    Destination made;
    made.host = each.to->host;
    made.transport = *draft.transport;
    made.user = each.user;
    made.priority = each.priority;
    made.weight = each.weight;
    const Profile* carrier = draft.trunk.carrier;
    const uint16_t usual =
        carrier == nullptr ? 0 : carrier->PortOf(TransportName(made.transport)).value_or(0);
    made.by_srv = !each.port_given && usual == 0 && !sdp::ParseIpAddress(made.host).has_value();
    made.port = each.port_given ? each.to->port : usual != 0 ? usual : DefaultPort(made.transport);
    return made;
  }

  void CheckLogin(const TrunkDraft& draft, Trunk* trunk) {
    if (!draft.login.has_value()) return;
    trunk->login = draft.login->login;
    if (trunk->login->password_file.empty() == trunk->login->password_environment.empty()) {
      reader_.Error(draft.login->line, "a login has its password in one place",
                    "password_file: or password_environment:");
    } else if (trunk->login->realm.empty()) {
      // Any server behind the trunk's address could have the password's digest for its own realm.
      reader_.Warning(draft.login->line,
                      Concat("trunk '", trunk->name, "' answers challenges of every realm"),
                      "realm: as the carrier's 401 or 407 has it");
    }
  }

  void CheckNumberForm(const Trunk& trunk, const TrunkDraft& draft) {
    if (trunk.number_form != NumberForm::kNational || !trunk.number_plan.country.empty()) return;
    reader_.Error(draft.number_form_line,
                  Concat("trunk '", trunk.name,
                         "' wants national numbers, but of no country: all would be abroad"),
                  "country: 91, or another form");
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

  void CheckPorts(const Trunk& trunk) {
    const PortRange& range = config_.relay_ports;
    const uint64_t there = trunk.addresses.size() * (range.last - range.first + 1ull);
    const uint64_t wanted = PortsWanted(trunk.calls_max);
    if (there >= wanted || trunk.addresses.empty() || IsConfirmed(trunk.confirmed, "CV-19")) return;
    reader_.Report(ByRule(
        "CV-19", reader_.file(), trunk.line,
        Concat(trunk.calls_max, " calls of trunk '", trunk.name, "' want ", wanted,
               " media ports; its addresses have ", there),
        Concat("calls_max: ", there / 3, ", more media_addresses, or a wider range of ports")));
  }

  void CheckMedia(const Trunk& trunk, const TrunkDraft& draft) {
    if (trunk.networks.empty() && trunk.learning != Learning::kSignalled && trunk.users.empty()) {
      reader_.Warning(draft.line, Concat("trunk '", trunk.name, "' takes media from any source"),
                      "media_networks: with the carrier's networks, or learning: signalled");
    }
  }

  Reader& reader_;
  const Config& config_;
  std::vector<std::string> names_;
  std::vector<std::string> listener_names_;
};

// Every address at which this office is: nobody's media lies there.
std::vector<sdp::IpAddress> OwnAddresses(const Config& config) {
  std::vector<sdp::IpAddress> own;
  const auto take = [&own](const std::vector<MediaAddress>& addresses) {
    for (const MediaAddress& address : addresses) {
      own.push_back(address.local);
      own.push_back(address.advertise);
    }
  };
  take(config.addresses);
  for (const Trunk& trunk : config.trunks) take(trunk.addresses);
  for (const Listener& listener : config.listeners) {
    own.push_back(listener.bind.address);
    if (const auto known = sdp::ParseIpAddress(listener.advertise_host)) own.push_back(*known);
  }
  std::sort(own.begin(), own.end());
  own.erase(std::unique(own.begin(), own.end()), own.end());
  return own;
}

// The narrower one wins, which may surprise who wrote the wider one.
void CheckNested(Reader& reader, const TrunkDraft& inner, const TrunkDraft& outer) {
  for (const sdp::IpNetwork& narrow : inner.trunk.sources) {
    for (const sdp::IpNetwork& wide : outer.trunk.sources) {
      if (wide.prefix_length >= narrow.prefix_length || !wide.Contains(narrow.address)) continue;
      reader.Warning(inner.sources_line,
                     Concat("the source ", sdp::FormatIpNetwork(narrow), " of '", inner.trunk.name,
                            "' lies inside ", sdp::FormatIpNetwork(wide), " of '", outer.trunk.name,
                            "'; its calls are those of '", inner.trunk.name, "'"),
                     "networks that do not overlap, if that is not meant");
    }
  }
}

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
  for (const TrunkDraft& inner : drafts) {
    for (const TrunkDraft& outer : drafts) {
      if (&inner != &outer) CheckNested(reader, inner, outer);
    }
  }
}

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
  config.relay_ports = document.relay.ports;
  if (config.relay_ports.first % 2 != 0) {
    reader.Report(ByRule(
        "CV-19", reader.file(), document.relay.ports_line,
        Concat("the ports begin with ", config.relay_ports.first, ", and RTP stands on even ports"),
        "an even first port"));
  }
  if (config.shed_from_ns != 0 && config.shed_all_ns <= config.shed_from_ns) {
    reader.Error(document.shed_line, "all new calls would be turned away before the first ones",
                 "shed_all: more than shed_from, twice as much for instance");
  }
  config.listeners = MakeListeners(reader, document.listeners);
  config.addresses = MakeAddresses(reader, document.relay.addresses);
  TrunkMaker trunks(reader, config);
  for (const TrunkDraft& draft : document.trunks) {
    Trunk trunk = trunks.Make(draft);
    config.trunks.push_back(std::move(trunk));
  }
  const std::vector<sdp::IpAddress> own = OwnAddresses(config);
  for (Trunk& trunk : config.trunks) trunk.media.own = own;
  CheckSources(reader, document.trunks);
  CheckUsers(reader, document, config);
  MakeRoutes(reader, document.routes, &config);
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
