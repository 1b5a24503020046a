// Where a trunk's calls go, who we are there, and who logs in to us.
#include <algorithm>
#include <iterator>

#include "sipctl/trunk/config_keys.h"

namespace sipctl::trunk {

void ReadPlace(Reader& reader, const YAML::Node& node, DestinationDraft* draft) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  if (!text.starts_with("sip:")) {
    draft->to = reader.HostAndPort(node, 5060);
    draft->port_given = HasPort(node);
    return;
  }
  std::string place = text.substr(4);
  const size_t semicolon = place.find(';');
  std::string parameters = semicolon == place.npos ? "" : place.substr(semicolon);
  std::transform(parameters.begin(), parameters.end(), parameters.begin(), ToLower);
  place = place.substr(0, semicolon);
  if (const size_t at = place.rfind('@'); at != place.npos) {
    draft->user = place.substr(0, at);
    place.erase(0, at + 1);
  }
  constexpr std::string_view kTransports[] = {"", ";transport=udp", ";transport=tcp",
                                              ";transport=tls"};
  const auto* found = std::find(std::begin(kTransports), std::end(kTransports), parameters);
  if (found == std::end(kTransports) ||
      draft->user.find_first_of(" \t<>\"@:") != std::string::npos) {
    reader.Error(Reader::LineOf(node), Concat("'", text, "' is no URI that can be called"),
                 "sip:user@host;transport=tls");
    return;
  }
  if (!parameters.empty()) {
    draft->transport = static_cast<Transport>(found - std::begin(kTransports) - 1);
  }
  YAML::Node host(place);
  draft->to = reader.HostAndPort(host, 5060);
  draft->port_given = HasPort(host);
}

namespace {

constexpr Field<DestinationDraft> kDestinationKeys[] = {
    {{"to", "host:port or URI", kRequired, "An address, a name, or sip:user@host;transport=tls."},
     [](Reader& reader, const YAML::Node& node, DestinationDraft* draft) {
       ReadPlace(reader, node, draft);
     }},
    {{"priority", "number", "0", "The lowest is tried first."},
     [](Reader& reader, const YAML::Node& node, DestinationDraft* draft) {
       if (const auto number = reader.Number(node, 0, 65535)) {
         draft->priority = static_cast<uint16_t>(*number);
       }
     }},
    {{"weight", "number", "1", "Its share of the calls among those of one priority."},
     [](Reader& reader, const YAML::Node& node, DestinationDraft* draft) {
       if (const auto number = reader.Number(node, 0, 65535)) {
         draft->weight = static_cast<uint16_t>(*number);
       }
     }},
};

constexpr Field<LoginDraft> kPasswordFile = {
    {"password_file", "path", "none",
     "A file with the password alone, read at the start and at each reload."},
    [](Reader& reader, const YAML::Node& node, LoginDraft* draft) {
      Assign(reader.Path(node), &draft->login.password_file);
    }};

constexpr Field<LoginDraft> kPasswordEnvironment = {
    {"password_environment", "name", "none", "The variable that holds the password instead."},
    [](Reader& reader, const YAML::Node& node, LoginDraft* draft) {
      Assign(reader.Name(node), &draft->login.password_environment);
    }};

constexpr Field<LoginDraft> kLoginKeys[] = {
    {{"user", "text", kRequired, "The name that the carrier has given."},
     [](Reader& reader, const YAML::Node& node, LoginDraft* draft) {
       Assign(reader.Text(node, "a name"), &draft->login.user);
     }},
    {{"realm", "text", "any",
      "Challenges of other realms are not answered; without it those of each one are, and "
      "`sipctl check` warns."},
     [](Reader& reader, const YAML::Node& node, LoginDraft* draft) {
       Assign(reader.Text(node, "a realm"), &draft->login.realm);
     }},
    kPasswordFile,
    kPasswordEnvironment,
};

constexpr Field<LoginDraft> kUserKeys[] = {
    {{"user", "name", kRequired,
      "The name that it logs in by, and that stands in To of its REGISTER."},
     [](Reader& reader, const YAML::Node& node, LoginDraft* draft) {
       Assign(reader.User(node), &draft->login.user);
     }},
    kPasswordFile,
    kPasswordEnvironment,
};

}  // namespace

std::span<const Field<DestinationDraft>> DestinationKeys() {
  return kDestinationKeys;
}

std::span<const Field<LoginDraft>> LoginKeys() {
  return kLoginKeys;
}

std::span<const Field<LoginDraft>> UserKeys() {
  return kUserKeys;
}

}  // namespace sipctl::trunk
