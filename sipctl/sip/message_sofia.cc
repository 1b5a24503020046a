// The one file that sees sofia-sip.
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/su_alloc.h>
#include <sofia-sip/url.h>

#include <algorithm>

#include "sipctl/sip/message_grammar.h"
#include "sipctl/sip/message_values.h"
#include "sipctl/text.h"

namespace sipctl::sip {

struct ValueReader::Home {
  su_home_t home;
};

namespace {

std::string_view OrEmpty(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

// "..." without quotes and escapes; other text as it is.
std::string Unquote(std::string_view text) {
  text = Trim(text);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  text = text.substr(1, text.size() - 2);
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain.push_back(text[i]);
  }
  return plain;
}

Parameter ReadParameter(std::string_view text) {
  Parameter parameter;
  const size_t equals = text.find('=');
  parameter.name = Trim(text.substr(0, equals));
  if (equals != std::string_view::npos) {
    parameter.value = Unquote(text.substr(equals + 1));
    parameter.has_value = true;
  }
  return parameter;
}

void ReadParameters(const msg_param_t* list, Parameters* out) {
  for (; list != nullptr && *list != nullptr; ++list) out->push_back(ReadParameter(*list));
}

bool ReadPort(const char* digits, uint16_t* out) {
  if (digits == nullptr) return true;
  const auto port = ParseNumber(digits, 65535);
  if (!port) return false;
  *out = static_cast<uint16_t>(*port);
  return true;
}

// A host name or an address, IPv6 with or without its brackets.
bool ReadHost(std::string_view text, std::string* out) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  if (text.empty() || grammar::Any(text, grammar::kNeverInHost)) return false;
  *out = text;
  return true;
}

bool ConvertUri(su_home_t* home, const url_t& url, Uri* out) {
  if (url.url_scheme == nullptr) return false;
  out->scheme.clear();
  for (char c : OrEmpty(url.url_scheme)) out->scheme.push_back(Lower(c));
  if (!IsScheme(out->scheme)) return false;
  if (url.url_type != url_sip && url.url_type != url_sips) {
    const std::string_view whole = OrEmpty(url_as_string(home, &url));
    const size_t colon = whole.find(':');
    if (colon == std::string_view::npos || colon + 1 == whole.size()) return false;
    out->user = whole.substr(colon + 1);
    // sofia loses slashes of a path that has no host before it; what it cannot write again as it
    // stands would reach the other leg changed.
    const url_t* again = url_make(home, whole.data());
    if (again == nullptr || OrEmpty(url_as_string(home, again)) != whole) return false;
    return !grammar::Any(out->user, grammar::kNeverInUri);
  }
  if (url.url_path != nullptr || url.url_fragment != nullptr) return false;
  out->user = OrEmpty(url.url_user);
  if (url.url_user != nullptr && out->user.empty()) return false;
  out->headers = OrEmpty(url.url_headers);
  for (const std::string_view one : Split(OrEmpty(url.url_params), ';')) {
    if (one.empty()) continue;
    const size_t equals = one.find('=');
    if (equals == 0) return false;
    Parameter parameter{std::string(one.substr(0, equals)), {}, equals != one.npos};
    if (parameter.has_value) parameter.value = one.substr(equals + 1);
    out->parameters.push_back(std::move(parameter));
  }
  const std::string_view text[] = {out->user, out->headers, OrEmpty(url.url_params)};
  for (std::string_view part : text) {
    if (grammar::Any(part, grammar::kNeverInUri)) return false;
  }
  return ReadHost(OrEmpty(url.url_host), &out->host) && ReadPort(url.url_port, &out->port);
}

bool IsUriParameter(std::string_view name) {
  for (std::string_view known : {"transport", "lr", "maddr", "ttl", "user", "method", "ob"}) {
    if (EqualsIgnoringCase(name, known)) return true;
  }
  return false;
}

struct AddressParts {
  const char* display;
  const url_t* url;
  const msg_param_t* parameters;
};

bool ConvertAddress(su_home_t* home, AddressKind kind, bool bracketed, const AddressParts& parts,
                    std::vector<NameAddr>* out) {
  NameAddr address;
  if (!ConvertUri(home, *parts.url, &address.uri)) return false;
  address.display_name = Unquote(OrEmpty(parts.display));
  ReadParameters(parts.parameters, &address.parameters);
  const bool is_sip = parts.url->url_type == url_sip || parts.url->url_type == url_sips;
  if (!bracketed && is_sip && kind != AddressKind::kFromTo) {
    Parameters kept;
    for (Parameter& parameter : address.parameters) {
      const bool moves = kind == AddressKind::kRoute || IsUriParameter(parameter.name);
      (moves ? address.uri.parameters : kept).push_back(std::move(parameter));
    }
    address.parameters = std::move(kept);
    // sofia takes more without brackets than with them; we write them.
    if (!Uri::Parse(address.uri.ToString()).ok()) return false;
  }
  out->push_back(std::move(address));
  return true;
}

// The elements of a comma-separated list; commas in quotes and angle brackets do not count.
std::vector<std::string> SplitList(std::string_view value) {
  std::vector<std::string> elements;
  bool quoted = false;
  bool bracketed = false;
  size_t begin = 0;
  for (size_t i = 0; i <= value.size(); ++i) {
    const char c = i < value.size() ? value[i] : ',';
    if (i < value.size()) {
      if (quoted && c == '\\') {
        ++i;
        continue;
      }
      if (c == '"' && !bracketed) quoted = !quoted;
      if (c == '<' && !quoted) bracketed = true;
      if (c == '>' && !quoted) bracketed = false;
      if (c != ',' || quoted || bracketed) continue;
    }
    elements.emplace_back(Trim(value.substr(begin, i - begin)));
    begin = i + 1;
  }
  return elements;
}

}  // namespace

ValueReader::ValueReader() : home_(reinterpret_cast<Home*>(su_home_auto(area_, sizeof area_))) {}

ValueReader::~ValueReader() {
  su_home_deinit(&home_->home);
}

bool ValueReader::ReadVias(std::string_view value, std::vector<Via>* out) {
  const sip_via_t* via = sip_via_make(&home_->home, value.data());
  if (via == nullptr) return false;
  for (; via != nullptr; via = via->v_next) {
    Via read;
    const std::string_view protocol = OrEmpty(via->v_protocol);
    const size_t slash = protocol.rfind('/');
    if (slash == std::string_view::npos) return false;
    // In capitals, as sofia itself writes the ones that it knows.
    read.transport.clear();
    for (char c : Trim(protocol.substr(slash + 1))) {
      read.transport.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
    }
    if (!IsToken(read.transport) || !ReadHost(OrEmpty(via->v_host), &read.host) ||
        !ReadPort(via->v_port, &read.port)) {
      return false;
    }
    ReadParameters(via->v_params, &read.parameters);
    out->push_back(std::move(read));
  }
  return true;
}

bool ValueReader::ReadAddresses(AddressKind kind, std::string_view value,
                                std::vector<NameAddr>* out) {
  su_home_t* home = &home_->home;
  if (kind == AddressKind::kFromTo) {
    const sip_from_t* from = sip_from_make(home, value.data());
    return from != nullptr &&
           ConvertAddress(home, kind, true, {from->a_display, from->a_url, from->a_params}, out);
  }
  // One by one: sofia does not tell which of them had brackets.
  for (const std::string& element : SplitList(value)) {
    if (element.empty()) continue;  // "a,,b" is allowed by RFC 3261's list rule of old
    const bool bracketed = element.find('<') != std::string::npos;
    AddressParts parts{};
    if (kind == AddressKind::kContact) {
      const sip_contact_t* contact = sip_contact_make(home, element.c_str());
      if (contact == nullptr || contact->m_next != nullptr) return false;
      parts = {contact->m_display, contact->m_url, contact->m_params};
    } else {
      const sip_route_t* route = sip_route_make(home, element.c_str());
      if (route == nullptr || route->r_next != nullptr) return false;
      parts = {route->r_display, route->r_url, route->r_params};
    }
    if (!ConvertAddress(home, kind, bracketed, parts, out)) return false;
  }
  return true;
}

bool ValueReader::ReadUri(std::string_view text, Uri* out) {
  const std::string copy(text);
  if (copy.empty() || grammar::Any(copy, grammar::kNeverInUri)) return false;
  const url_t* url = url_make(&home_->home, copy.c_str());
  return url != nullptr && ConvertUri(&home_->home, *url, out);
}

}  // namespace sipctl::sip
