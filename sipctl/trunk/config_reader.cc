#include "sipctl/trunk/config_reader.h"

#include "sipctl/clock.h"

namespace sipctl::trunk {
namespace {

constexpr size_t kNameMax = 32;
constexpr size_t kHostMax = 253;  // RFC 1035 section 2.3.4, without the last dot
constexpr size_t kTextMax = 256;
constexpr size_t kPathMax = 107;  // of a Unix socket: sun_path less its NUL
constexpr size_t kItemsMax = 1024;

template <typename Predicate>
bool All(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool IsHost(std::string_view text) {
  if (sdp::ParseIpAddress(text).has_value()) return true;
  return !text.empty() && text.size() <= kHostMax && text.front() != '-' && text.front() != '.' &&
         All(text, [](char c) { return IsAlpha(c) || IsDigit(c) || c == '-' || c == '.'; });
}

}  // namespace

void Reader::Error(int line, std::string message, std::string instead) {
  ++errors_;
  diagnostics_->push_back({Severity::kError, file_, line, std::move(message), std::move(instead)});
}

void Reader::Warning(int line, std::string message, std::string instead) {
  diagnostics_->push_back(
      {Severity::kWarning, file_, line, std::move(message), std::move(instead)});
}

void Reader::Report(Diagnostic diagnostic) {
  if (diagnostic.severity == Severity::kError) ++errors_;
  diagnostics_->push_back(std::move(diagnostic));
}

void Reader::Unknown(int line, const std::string& name, std::string_view what,
                     const std::vector<std::string>& known) {
  for (const std::string_view secret : {"password", "passwd", "secret", "token", "api_key"}) {
    if (name.find(secret) == std::string::npos) continue;
    Error(line, Concat("'", name, "' would be a secret in a file that is copied and shown"),
          "it nowhere here; commands that need one take it from the environment");
    return;
  }
  const std::string near = NearestName(name, known);
  Error(line, Concat("the ", what, " has no key '", name, "'"),
        near.empty() ? "one of " + Join(known, ", ") : near);
}

std::vector<std::string> Reader::Methods(const YAML::Node& node) {
  std::vector<std::string> methods;
  for (const YAML::Node& item : Items(node, "list of methods")) {
    const bool known = Choice(item, {"UPDATE", "PRACK"}).has_value();
    if (known && std::find(methods.begin(), methods.end(), item.Scalar()) == methods.end()) {
      methods.push_back(item.Scalar());
    }
  }
  return methods;
}

std::vector<YAML::Node> Reader::Items(const YAML::Node& node, std::string_view what) {
  std::vector<YAML::Node> items;
  if (!node.IsSequence()) {
    Error(LineOf(node), Concat("here must stand a ", what), "[first, second] or one '- ' a line");
    return items;
  }
  if (node.size() > kItemsMax) {
    Error(LineOf(node), Concat("the ", what, " has more than ", kItemsMax, " entries"));
    return items;
  }
  for (const YAML::Node& item : node) items.push_back(item);
  return items;
}

std::optional<std::string> Reader::Text(const YAML::Node& node, std::string_view what) {
  if (!node.IsScalar()) {
    Error(LineOf(node), Concat("here must stand ", what));
    return std::nullopt;
  }
  const std::string& text = node.Scalar();
  if (text.size() > kTextMax || !All(text, [](char c) { return c >= ' ' && c <= '~'; })) {
    Error(LineOf(node), Concat(what, " must be printable ASCII of at most ", kTextMax, " bytes"));
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> Reader::Name(const YAML::Node& node) {
  std::optional<std::string> text = Text(node, "a name");
  if (!text.has_value()) return std::nullopt;
  if (text->empty() || text->size() > kNameMax || !All(*text, [](char c) {
        return IsAlpha(c) || IsDigit(c) || c == '-' || c == '_' || c == '.';
      })) {
    Error(LineOf(node), Concat("'", *text, "' is no name"),
          Concat("letters, digits, '-', '_' and '.', at most ", kNameMax));
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> Reader::User(const YAML::Node& node) {
  std::optional<std::string> user = Text(node, "a user name");
  if (!user.has_value()) return std::nullopt;
  const bool plain = !user->empty() && std::all_of(user->begin(), user->end(), [](char c) {
    return IsAlpha(c) || IsDigit(c) || c == '-' || c == '_' || c == '.' || c == '+';
  });
  if (plain) return user;
  Error(LineOf(node), Concat("'", *user, "' is no user of a SIP address"),
        "letters, digits, '-', '_', '.' and '+'");
  return std::nullopt;
}

std::optional<std::string> Reader::Host(const YAML::Node& node) {
  std::optional<std::string> text = Text(node, "a host name or an address");
  if (!text.has_value()) return std::nullopt;
  if (!IsHost(*text)) {
    Error(LineOf(node), Concat("'", *text, "' is neither a host name nor an address"),
          "sbc.example.com or 192.0.2.1");
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> Reader::Path(const YAML::Node& node) {
  std::optional<std::string> text = Text(node, "a path");
  if (!text.has_value()) return std::nullopt;
  if (text->empty() || text->size() > kPathMax) {
    Error(LineOf(node),
          Concat("a path has 1 to ", kPathMax, " bytes, this one has ", text->size()));
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> Reader::Dialled(const YAML::Node& node) {
  if (node.IsNull()) return "";
  std::optional<std::string> text = Text(node, "a part of a called number");
  if (!text.has_value()) return std::nullopt;
  if (!All(*text, [](char c) { return IsDigit(c) || c == '+' || c == '*' || c == '#'; })) {
    Error(LineOf(node), Concat("'", *text, "' can be no part of a called number"),
          "digits, '+', '*' and '#' in quotes: \"+91\"");
    return std::nullopt;
  }
  return text;
}

std::optional<bool> Reader::Bool(const YAML::Node& node) {
  const std::optional<size_t> choice = Choice(node, {"false", "true"});
  if (!choice.has_value()) return std::nullopt;
  return *choice == 1;
}

std::optional<uint32_t> Reader::Number(const YAML::Node& node, uint32_t low, uint32_t high) {
  const std::optional<uint32_t> number =
      node.IsScalar() ? ParseNumber<uint32_t>(node.Scalar()) : std::nullopt;
  if (!number.has_value() || *number < low || *number > high) {
    Error(LineOf(node),
          node.IsScalar() ? Concat("'", node.Scalar(), "' is no number that fits here")
                          : std::string("here must stand a number"),
          Concat("a number from ", low, " to ", high));
    return std::nullopt;
  }
  return number;
}

std::optional<uint64_t> Reader::Duration(const YAML::Node& node, uint64_t low_s, uint64_t high_s,
                                         bool off_allowed) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  if (off_allowed && text == "off") return 0;
  const struct {
    std::string_view unit;
    uint64_t ms;
  } kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<uint32_t> number = ParseNumber<uint32_t>(text.substr(0, digits));
  for (const auto& unit : kUnits) {
    if (!number.has_value() || text.substr(digits) != unit.unit) continue;
    const uint64_t ms = *number * unit.ms;
    if (ms >= low_s * 1000 && ms <= high_s * 1000) return ms * kNsPerMs;
  }
  Error(LineOf(node), Concat("'", text, "' is no duration that fits here"),
        Concat("a number with its unit (500ms, 30s, 5m, 4h) from ", low_s, "s to ", high_s, "s",
               off_allowed ? ", or off" : ""));
  return std::nullopt;
}

std::optional<HostPort> Reader::HostAndPort(const YAML::Node& node, uint16_t port_preset) {
  const std::optional<std::string> text = Text(node, "a host with a port");
  if (!text.has_value()) return std::nullopt;
  HostPort result{*text, port_preset};
  std::optional<uint16_t> port = port_preset;
  // An address without brackets has several colons and no port.
  const size_t colon = text->rfind(':');
  const bool has_port = colon != std::string::npos && !sdp::ParseIpAddress(*text).has_value();
  if (has_port) {
    result.host = text->substr(0, colon);
    port = ParseNumber<uint16_t>(std::string_view(*text).substr(colon + 1));
  }
  if (!IsHost(result.host) || port.value_or(0) == 0) {
    Error(LineOf(node), Concat("'", *text, "' is no host with a port"),
          "192.0.2.1:5060, [2001:db8::1]:5060 or sbc.example.com:5060");
    return std::nullopt;
  }
  if (const auto address = sdp::ParseIpAddress(result.host)) {
    result.host = sdp::FormatIpAddress(*address);
  }
  result.port = *port;
  return result;
}

std::optional<sdp::IpAddress> Reader::Address(const YAML::Node& node) {
  const std::optional<sdp::IpAddress> address =
      node.IsScalar() ? sdp::ParseIpAddress(node.Scalar()) : std::nullopt;
  if (!address.has_value()) {
    Error(LineOf(node), Concat("'", node.IsScalar() ? node.Scalar() : "", "' is no IP address"),
          "an address like 192.0.2.1 or 2001:db8::1; names are not resolved here");
  }
  return address;
}

std::optional<sdp::IpNetwork> Reader::Network(const YAML::Node& node) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  std::string error;
  const std::optional<sdp::IpNetwork> network = sdp::ParseIpNetwork(text, &error);
  if (!network.has_value()) {
    Error(LineOf(node), Concat("'", text, "' is no network: ", error));
  }
  return network;
}

std::optional<std::vector<sdp::IpNetwork>> Reader::Networks(const YAML::Node& node,
                                                            bool any_allowed) {
  std::vector<sdp::IpNetwork> networks;
  if (any_allowed && node.IsScalar() && node.Scalar() == "any") return networks;
  bool whole = true;
  const std::vector<YAML::Node> items =
      Items(node, any_allowed ? "list of networks or the word any" : "list of networks");
  for (const YAML::Node& item : items) {
    const std::optional<sdp::IpNetwork> network = Network(item);
    whole = whole && network.has_value();
    if (network.has_value()) networks.push_back(*network);
  }
  if (node.IsSequence() && items.empty()) {
    Error(LineOf(node), "the list of networks is empty",
          any_allowed ? "networks, or the word any" : "at least one network");
  }
  if (!whole || networks.empty()) return std::nullopt;
  return networks;
}

std::optional<size_t> Reader::Choice(const YAML::Node& node,
                                     const std::vector<std::string>& words) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == text) return i;
  }
  // Of numbers none is near by a slip of the fingers.
  const bool number = !text.empty() && IsDigit(text[0]);
  const std::string near = number ? "" : NearestName(text, words);
  Error(LineOf(node), Concat("'", text, "' is not possible here"),
        near.empty() ? "one of " + Join(words, ", ") : near);
  return std::nullopt;
}

}  // namespace sipctl::trunk
