#include "sipctl/trunk/config_keys.h"

#include <algorithm>
#include <span>

#include "sipctl/trunk/gateway.h"

namespace sipctl::trunk {
namespace {

constexpr Field<ListenerDraft> kListenerKeys[] = {
    {{"name", "name", kRequired, "What trunks and messages call it."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       Assign(reader.Name(node), &draft->name);
     }},
    {{"transport", "udp, tcp or tls", "udp", "How SIP is carried."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       ReadTransport(reader, node, &draft->transport);
     }},
    {{"bind", "address:port", kRequired,
      "The local socket; the port is 5060, or 5061 with TLS, if not given."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       const std::optional<HostPort> bind = reader.HostAndPort(node, 5060);
       if (!bind.has_value()) return;
       const std::optional<sdp::IpAddress> address = sdp::ParseIpAddress(bind->host);
       if (!address.has_value()) {
         reader.Error(Reader::LineOf(node), Concat("'", bind->host, "' is no local address"),
                      "an IP address of this machine, or 0.0.0.0 for all");
         return;
       }
       draft->bind = {*address, bind->port};
       draft->bind_port_given = HasPort(node);
     }},
    {{"advertise", "host:port", "as bind",
      "What stands in Via and Contact: the public side of a NAT, or a name."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       draft->advertise = reader.HostAndPort(node, 5060);
       draft->advertise_port_given = HasPort(node);
     }},
    {{"certificate", "path", "none; required with tls",
      "PEM file: the listener's certificate, then all that leads to the root."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       Assign(reader.Path(node), &draft->certificate);
     }},
    {{"key", "path", "in the certificate's file", "PEM file of its private key."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       Assign(reader.Path(node), &draft->key);
     }},
    {{"client_trust", "path", "none",
      "PEM file of roots. Who connects must show a certificate of one of them (mutual TLS)."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       Assign(reader.Path(node), &draft->client_trust);
     }},
    {{"role", "trunk or access", "trunk",
      "Who may speak to it. trunk: the sources of trunks; strangers get no answer at all. access: "
      "PBXs without a fixed address, who log in as the users of a trunk; strangers may try to."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       if (const auto choice = reader.Choice(node, {"trunk", "access"})) {
         draft->role = static_cast<Role>(*choice);
       }
     }},
    {{"realm", "text", "the advertised host", "What users of an access listener log in to."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       draft->access_line = Reader::LineOf(node);
       Assign(reader.Text(node, "a realm"), &draft->realm);
     }},
    {{"digest", "list of sha-256, md5", "[sha-256, md5]",
      "What an access listener asks for, the best first. Some telephones (baresip) give up at a "
      "challenge that they do not know: then [md5] alone, and TLS."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       draft->access_line = Reader::LineOf(node);
       for (const YAML::Node& item : reader.Items(node, "list of hashes")) {
         const auto choice = reader.Choice(item, {"md5", "sha-256"});
         if (!choice) continue;
         const auto hash = static_cast<DigestHash>(*choice);
         if (std::find(draft->digest.begin(), draft->digest.end(), hash) == draft->digest.end()) {
           draft->digest.push_back(hash);
         }
       }
     }},
    {{"expires_max", "duration", "1h",
      "How long a login to an access listener is good for, at most; behind NAT, where each "
      "REGISTER "
      "keeps the way open, 60s to 120s."},
     [](Reader& reader, const YAML::Node& node, ListenerDraft* draft) {
       draft->access_line = Reader::LineOf(node);
       Assign(reader.Duration(node, 60, 86'400, false), &draft->expires_max_ns);
     }},
};

constexpr Field<RelayDraft> kRelayKeys[] = {
    {{"socket", "path", kRelaySocketDefault, "Where the relay listens for this process."},
     [](Reader& reader, const YAML::Node& node, RelayDraft* draft) {
       Assign(reader.Path(node), &draft->socket);
     }},
    {{"ports", "range", "10000-39999",
      "The UDP ports that the relay was started with: for what is told to the carrier, and to see "
      "whether they are enough."},
     [](Reader& reader, const YAML::Node& node, RelayDraft* draft) {
       draft->ports_line = Reader::LineOf(node);
       const std::string text = node.IsScalar() ? node.Scalar() : "";
       const size_t dash = text.find('-');
       const auto first = ParseNumber<uint16_t>(std::string_view(text).substr(0, dash));
       const auto last = dash == std::string::npos
                             ? std::nullopt
                             : ParseNumber<uint16_t>(std::string_view(text).substr(dash + 1));
       if (first.has_value() && last.has_value() && *first > 0 && *first < *last) {
         draft->ports = {*first, *last};
       } else {
         reader.Error(draft->ports_line, Concat("'", text, "' is no range of ports"),
                      "10000-39999");
       }
     }},
    {{"addresses", "list of addresses", kRequired,
      "The relay's media addresses, for trunks that name none of their own."},
     [](Reader& reader, const YAML::Node& node, RelayDraft* draft) {
       reader.ReadList(node, "address", AddressKeys(), &draft->addresses);
     }},
};

constexpr Field<RouteDraft> kRouteKeys[] = {
    {{"from", "trunk or any", "any", "Which trunk the call came from."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       draft->from_line = Reader::LineOf(node);
       Assign(reader.Name(node), &draft->from);
     }},
    {{"prefix", "digits, +, *, #", "every number",
      "How the called number begins. The longest prefix wins, whatever the order in the file."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       Assign(reader.Dialled(node), &draft->route.prefix);
     }},
    {{"numbers", "list of numbers", "none",
      "Whole called numbers (DIDs) instead of a prefix; they beat every prefix."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       for (const YAML::Node& item : reader.Items(node, "list of numbers")) {
         if (auto number = reader.Dialled(item)) draft->route.numbers.push_back(*number);
       }
     }},
    {{"source", "list of networks", "anywhere in the trunk",
      "The addresses that the call comes from; between equal prefixes the narrowest network wins."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       Assign(reader.Networks(node, /*any_allowed=*/false), &draft->route.sources);
     }},
    {{"user", "name", "the number",
      "What stands in the request URI instead of the number, where a platform wants its project or "
      "agent there."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       Assign(reader.User(node), &draft->route.user);
     }},
    {{"mode", "pstn or flow", "pstn",
      "pstn: the call goes on as any other. flow: it enters a call flow of the carrier; the header "
      "that its profile wants for this is added, with the trunk's account."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       draft->mode_line = Reader::LineOf(node);
       const std::string mode = node.IsScalar() ? node.Scalar() : "";
       draft->route.flow = mode == "flow";
       if (mode == "flow" || mode == "pstn") return;
       reader.Report(ByRule("CV-14", reader.file(), draft->mode_line,
                            Concat("'", mode, "' is no mode of routing"), "pstn or flow"));
     }},
    {{"to", "trunk", kRequired, "Where the call goes."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       draft->to_line = Reader::LineOf(node);
       Assign(reader.Name(node), &draft->to);
     }},
    {{"strip", "number", "0", "Characters taken from the front of the number."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       Assign(reader.Number(node, 0, 32), &draft->route.strip);
     }},
    {{"add", "digits, +, *, #", "nothing", "What is then put in front of it."},
     [](Reader& reader, const YAML::Node& node, RouteDraft* draft) {
       Assign(reader.Dialled(node), &draft->route.add);
     }},
};

constexpr Field<DocumentDraft> kDocumentKeys[] = {
    {{"user_agent", "text", "Tandem", "Of User-Agent and Server; \"\" sends neither."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       Assign(reader.Text(node, "a text"), &draft->config.user_agent);
     }},
    {{"control", "path or off", kControlSocketDefault,
      "The socket that `sipctl calls`, `reload` and `diff` ask."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       Assign(reader.Path(node), &draft->config.control_socket);
       if (draft->config.control_socket == "off") draft->config.control_socket.clear();
     }},
    {{"name_servers", "list of address:port", "those of /etc/resolv.conf",
      "Who is asked for the addresses of destinations that do not stand in /etc/hosts."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       for (const YAML::Node& item : reader.Items(node, "list of name servers")) {
         const auto server = reader.HostAndPort(item, 53);
         if (!server.has_value()) continue;
         const auto address = sdp::ParseIpAddress(server->host);
         if (!address.has_value()) {
           reader.Error(Reader::LineOf(item), Concat("'", server->host, "' is no address"),
                        "192.0.2.53");
           continue;
         }
         draft->config.name_servers.push_back(sdp::FormatIpEndpoint({*address, server->port}));
       }
     }},
    {{"journal", "path", "none", "A file for the dialogs of live calls, read after a crash."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       Assign(reader.Path(node), &draft->config.journal);
     }},
    {{"calls_max", "number", "10000", "Calls at a time in this process; above, 503."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       Assign(reader.Number(node, 1, 1'000'000), &draft->config.calls_max);
     }},
    {{"shed_from", "duration or off", "200ms",
      "Overload: when an INVITE has waited so long in the socket's queue, or its buffer is three "
      "quarters full, the first new calls are answered 503 with Retry-After; no more of them below "
      "half of it."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       Assign(reader.Duration(node, 0, 10, true), &draft->config.shed_from_ns);
       draft->shed_line = Reader::LineOf(node);
     }},
    {{"shed_all", "duration", "400ms",
      "Overload: above it all new calls are; more than `shed_from`, and with the way to the peer "
      "less than 500ms, after which peers repeat what was not answered."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       Assign(reader.Duration(node, 0, 10, false), &draft->config.shed_all_ns);
       draft->shed_line = Reader::LineOf(node);
     }},
    {{"listeners", "list of listeners", kRequired, "Where SIP is received."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       reader.ReadList(node, "listener", kListenerKeys, &draft->listeners);
     }},
    {{"relay", "mapping", kRequired, "The relay that carries the media."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       reader.ReadMap(node, "relay", kRelayKeys, &draft->relay);
     }},
    {{"trunks", "list of trunks", kRequired, "Who may call and be called."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       reader.ReadList(node, "trunk", TrunkKeys(), &draft->trunks);
       for (const TrunkDraft& trunk : draft->trunks) {
         if (trunk.sources_line != 0 || trunk.users_line != 0) continue;
         reader.Error(trunk.line, "the trunk has no 'sources'", "sources: list of networks");
       }
     }},
    {{"routes", "list of routes", kRequired, "Which calls go where."},
     [](Reader& reader, const YAML::Node& node, DocumentDraft* draft) {
       reader.ReadList(node, "route", kRouteKeys, &draft->routes);
     }},
};

template <typename Draft>
void AppendTable(std::string_view title, std::span<const Field<Draft>> fields, std::string* out) {
  out->append(
      Concat("## ", title, "\n\n| key | value | without it | meaning |\n|---|---|---|---|\n"));
  for (const Field<Draft>& field : fields) {
    out->append(Concat("| `", field.key.name, "` | ", field.key.value, " | ", field.key.preset,
                       " | ", field.key.meaning, " |\n"));
  }
  out->append("\n");
}

}  // namespace

void ReadDocument(Reader& reader, const YAML::Node& node, DocumentDraft* document) {
  reader.ReadMap(node, "configuration", kDocumentKeys, document);
}

std::string KeysMarkdown() {
  std::string out;
  AppendTable("The document", std::span<const Field<DocumentDraft>>(kDocumentKeys), &out);
  AppendTable("A listener", std::span<const Field<ListenerDraft>>(kListenerKeys), &out);
  AppendTable("The relay", std::span<const Field<RelayDraft>>(kRelayKeys), &out);
  AppendTable("An address", AddressKeys(), &out);
  AppendTable("A trunk", TrunkKeys(), &out);
  AppendTable("A destination", DestinationKeys(), &out);
  AppendTable("A login", LoginKeys(), &out);
  AppendTable("A user", UserKeys(), &out);
  AppendTable("A route", std::span<const Field<RouteDraft>>(kRouteKeys), &out);
  out.pop_back();
  return out;
}

}  // namespace sipctl::trunk
