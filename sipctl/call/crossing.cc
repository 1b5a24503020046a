#include "sipctl/call/crossing.h"

#include <algorithm>
#include <optional>

#include "sipctl/text.h"

namespace sipctl::call {
namespace {

bool Names(const std::vector<std::string>& patterns, std::string_view header) {
  return std::any_of(patterns.begin(), patterns.end(), [header](std::string_view pattern) {
    if (!pattern.ends_with('*')) return EqualsIgnoreCase(pattern, header);
    pattern.remove_suffix(1);
    return header.size() >= pattern.size() &&
           EqualsIgnoreCase(header.substr(0, pattern.size()), pattern);
  });
}

bool IsOfCarrier(const trunk::Trunk& trunk, std::string_view header) {
  return trunk.carrier != nullptr && trunk.carrier->IsReserved(header);
}

// RFC 3966 section 3, but for #, which a user part of a SIP URI cannot hold.
bool IsOfNumber(char c) {
  return std::string_view("+*-.()").find(c) != std::string_view::npos || IsDigit(c) ||
         (ToLower(c) >= 'a' && ToLower(c) <= 'f');
}

// The first name-addr or addr-spec of a header's value; its parameters come after it.
struct Party {
  std::string number;
  std::string display_name;
  std::string_view rest;
};

std::optional<Party> ReadParty(std::string_view value) {
  Party party;
  std::string_view uri;
  size_t from = 0;
  if (!value.empty() && value[0] == '"') {
    from = 1;
    while (from < value.size() && value[from] != '"') from += value[from] == '\\' ? 2 : 1;
    if (from >= value.size()) return std::nullopt;
    party.display_name = std::string(value.substr(1, from - 1));
  }
  if (const size_t open = value.find('<', from); open != value.npos) {
    const size_t close = value.find('>', open);
    if (close == value.npos) return std::nullopt;
    if (from == 0) party.display_name = std::string(Strip(value.substr(0, open)));
    uri = value.substr(open + 1, close - open - 1);
    party.rest = value.substr(close + 1);
  } else {
    // Without brackets, parameters are the header's.
    const size_t end = std::min(value.find_first_of(";,"), value.size());
    uri = Strip(value.substr(0, end));
    party.rest = value.substr(end);
  }
  const auto parsed = sip::Uri::Parse(uri);
  if (!parsed.ok()) return std::nullopt;
  party.number = parsed->user;
  if (parsed->scheme == "tel") {  // its parameters are kept there
    party.number.resize(std::min(party.number.find(';'), party.number.size()));
    if (!std::all_of(party.number.begin(), party.number.end(), IsOfNumber)) return std::nullopt;
  } else if (parsed->scheme != "sip" && parsed->scheme != "sips") {
    return std::nullopt;
  }
  return party;
}

bool HasToken(std::string_view text, std::string_view token, char separator) {
  const auto parts = Split(text, separator);
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return EqualsIgnoreCase(Strip(part), token); });
}

// RFC 3325 section 9.1: `id`; the others of RFC 3323 mean at least as much.
bool AsksForPrivacy(const sip::Message& invite) {
  const std::string* privacy = invite.Other("Privacy");
  return privacy != nullptr && (HasToken(*privacy, "id", ';') || HasToken(*privacy, "user", ';') ||
                                HasToken(*privacy, "header", ';'));
}

}  // namespace

Caller CallerOf(const trunk::Trunk& source, const sip::Message& invite) {
  Caller caller{.number = invite.from.uri.user, .display_name = invite.from.display_name};
  caller.hidden = AsksForPrivacy(invite);
  if (!source.trusts_identity) return caller;
  for (const char* name : {"P-Asserted-Identity", "Remote-Party-ID"}) {
    const std::string* value = invite.Other(name);
    const auto party = value == nullptr ? std::nullopt : ReadParty(Strip(*value));
    if (!party || party->number.empty()) continue;
    caller.number = party->number;
    if (!party->display_name.empty()) caller.display_name = party->display_name;
    caller.hidden = caller.hidden || HasToken(party->rest, "privacy=full", ';') ||
                    HasToken(party->rest, "privacy=uri", ';');
    break;
  }
  return caller;
}

std::string CalledOf(const trunk::Trunk& source, const sip::Message& invite) {
  if (source.called_from.empty()) return invite.request_uri.user;
  if (EqualsIgnoreCase(source.called_from, "To")) return invite.to.uri.user;
  const std::string* value = invite.Other(source.called_from);
  if (value == nullptr) return invite.request_uri.user;
  const std::string_view text = Strip(*value);
  if (const auto party = ReadParty(text); party && !party->number.empty()) return party->number;
  const bool number = !text.empty() && std::all_of(text.begin(), text.end(), IsOfNumber);
  return number ? std::string(text) : invite.request_uri.user;
}

void WriteCaller(const trunk::Trunk& destination, const Caller& caller, std::string_view host,
                 sip::Message* invite) {
  const bool unknown = caller.number.empty();
  const std::string domain(destination.from_domain.empty() ? host : destination.from_domain);
  invite->from.uri.user = unknown || caller.hidden ? "anonymous" : caller.number;
  // A carrier that finds the account by the host of From finds it there.
  const bool nowhere = caller.hidden && destination.from_domain.empty();
  invite->from.uri.host = nowhere ? "anonymous.invalid" : domain;
  invite->from.display_name = caller.hidden ? "Anonymous" : caller.display_name;
  if (unknown || destination.identity == trunk::Identity::kFrom) return;
  sip::NameAddr asserted;
  asserted.display_name = caller.display_name;
  asserted.uri.user = caller.number;
  asserted.uri.host = domain;
  if (destination.identity == trunk::Identity::kAsserted) {
    invite->others.push_back({"P-Asserted-Identity", asserted.ToString()});
    if (caller.hidden) invite->others.push_back({"Privacy", "id"});
  } else {
    sip::Set(&asserted.parameters, "party", "calling");
    sip::Set(&asserted.parameters, "screen", "yes");
    sip::Set(&asserted.parameters, "privacy", caller.hidden ? "full" : "off");
    invite->others.push_back({"Remote-Party-ID", asserted.ToString()});
  }
}

std::vector<sip::HeaderField> PassedHeaders(const trunk::Trunk& source,
                                            const trunk::Trunk& destination,
                                            const sip::Message& invite) {
  std::vector<sip::HeaderField> passed;
  for (const sip::HeaderField& field : invite.others) {
    const auto same = [&](const trunk::Header& ours) {
      return EqualsIgnoreCase(ours.name, field.name);
    };
    if (passed.size() == kPassedMax) break;
    if (!trunk::IsPassable(field.name) || !Names(source.headers_from, field.name) ||
        !Names(destination.headers_to, field.name) || IsOfCarrier(destination, field.name) ||
        std::any_of(destination.headers.begin(), destination.headers.end(), same)) {
      continue;
    }
    passed.push_back(field);
  }
  return passed;
}

std::vector<sip::HeaderField> KeptHeaders(const trunk::Trunk& trunk, const sip::Message& message) {
  std::vector<sip::HeaderField> kept;
  for (const sip::HeaderField& field : message.others) {
    if (kept.size() == kKeptMax) break;
    if (!Names(trunk.headers_read, field.name) && !IsOfCarrier(trunk, field.name)) continue;
    kept.push_back({field.name, field.value.substr(0, kKeptBytesMax)});
  }
  return kept;
}

}  // namespace sipctl::call
