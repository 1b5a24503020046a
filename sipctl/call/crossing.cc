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

// Of calls into its flows: we say it ourselves.
bool IsOfFlows(const trunk::Trunk& trunk, std::string_view header) {
  return trunk.carrier != nullptr && Names(trunk.carrier->headers.flow, header);
}

bool IsOfCarrier(const trunk::Trunk& trunk, std::string_view header) {
  return trunk.carrier != nullptr && trunk.carrier->IsReserved(header);
}

// RFC 3966 section 3, but for #, which a user part of a SIP URI cannot hold.
bool IsOfNumber(char c) {
  return std::string_view("+*-.()").find(c) != std::string_view::npos || IsDigit(c) ||
         (ToLower(c) >= 'a' && ToLower(c) <= 'f');
}

// A telephone number without its parameters (RFC 3966 section 3, RFC 4694): after tel: they are in
// `user`, and in a SIP URI they may be.
std::string NumberOf(const sip::Uri& uri) {
  std::string user = uri.user;
  const bool number =
      uri.scheme == "tel" || (!user.empty() && (user[0] == '+' || IsDigit(user[0])));
  if (number) user.resize(std::min(user.find(';'), user.size()));
  return user;
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
    for (size_t i = 1; i < from; ++i) {
      if (value[i] == '\\' && i + 1 < from) ++i;
      party.display_name += value[i];
    }
  }
  const size_t open = value.find('<', from);
  if (open < std::min(value.find_first_of(",;", from), value.size())) {
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
  party.number = NumberOf(*parsed);
  if (parsed->scheme == "tel") {
    if (!std::all_of(party.number.begin(), party.number.end(), IsOfNumber)) return std::nullopt;
  } else if (parsed->scheme != "sip" && parsed->scheme != "sips") {
    return std::nullopt;
  }
  return party;
}

// The elements of a list; commas in quotes and angle brackets do not count.
std::vector<std::string_view> Elements(std::string_view value) {
  std::vector<std::string_view> elements;
  bool quoted = false, bracketed = false;
  size_t begin = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"' && !bracketed) {
      quoted = !quoted;
    } else if (!quoted && (c == '<' || c == '>')) {
      bracketed = c == '<';
    } else if (c == ',' && !quoted && !bracketed) {
      elements.push_back(Strip(value.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  elements.push_back(Strip(value.substr(begin)));
  return elements;
}

// All that a header of that name says, in one line or in several.
std::vector<Party> PartiesOf(const sip::Message& message, std::string_view name) {
  constexpr size_t kPartiesMax = 8;
  std::vector<Party> parties;
  for (const sip::HeaderField& field : message.others) {
    if (!EqualsIgnoreCase(field.name, name)) continue;
    for (const std::string_view element : Elements(field.value)) {
      if (parties.size() == kPartiesMax) return parties;
      if (auto party = ReadParty(element)) parties.push_back(*std::move(party));
    }
  }
  return parties;
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

// draft-ietf-sip-privacy-04 section 5.1, as what came after the URI: ;privacy="full",
// privacy=uri-network
bool PartyAsksForPrivacy(std::string_view parameters) {
  const auto parts = Split(parameters, ';');
  return std::any_of(parts.begin(), parts.end(), [](std::string_view part) {
    part = part.substr(0, part.find(','));
    const size_t equals = part.find('=');
    if (equals == part.npos || !EqualsIgnoreCase(Strip(part.substr(0, equals)), "privacy")) {
      return false;
    }
    std::string_view value = Strip(part.substr(equals + 1));
    if (value.starts_with('"')) value.remove_prefix(1);
    const auto begins = [value](std::string_view word) {
      return EqualsIgnoreCase(value.substr(0, word.size()), word);
    };
    return begins("full") || begins("uri");
  });
}

}  // namespace

Caller CallerOf(const trunk::Trunk& source, const sip::Message& invite) {
  const std::string& scheme = invite.from.uri.scheme;
  const bool number = scheme == "sip" || scheme == "sips" || scheme == "tel";
  Caller caller{.number = number ? NumberOf(invite.from.uri) : std::string(),
                .display_name = invite.from.display_name};
  caller.hidden = AsksForPrivacy(invite);
  // Who wants to be hidden is, whether or not its number is believed.
  for (const Party& party : PartiesOf(invite, "Remote-Party-ID")) {
    caller.hidden = caller.hidden || PartyAsksForPrivacy(party.rest);
  }
  if (!source.trusts_identity) return caller;
  for (const char* name : {"P-Asserted-Identity", "Remote-Party-ID"}) {
    std::vector<Party> parties = PartiesOf(invite, name);
    std::erase_if(parties, [](const Party& party) { return party.number.empty(); });
    if (parties.empty()) continue;
    // RFC 3325 section 9.1: one sip, one tel, in any order. The telephone number is what we look
    // for; the name may stand beside the other one.
    const auto telephone = std::find_if(parties.begin(), parties.end(), [](const Party& party) {
      return party.number[0] == '+' || IsDigit(party.number[0]);
    });
    caller.number = (telephone == parties.end() ? parties.front() : *telephone).number;
    caller.asserted = true;
    const auto named = std::find_if(parties.begin(), parties.end(),
                                    [](const Party& party) { return !party.display_name.empty(); });
    if (named != parties.end()) caller.display_name = named->display_name;
    break;
  }
  return caller;
}

std::string CalledOf(const trunk::Trunk& source, const sip::Message& invite) {
  if (source.called_from.empty()) return NumberOf(invite.request_uri);
  if (EqualsIgnoreCase(source.called_from, "To")) return NumberOf(invite.to.uri);
  const std::string* value = invite.Other(source.called_from);
  if (value == nullptr) return NumberOf(invite.request_uri);
  const std::string_view text = Strip(*value);
  if (const auto party = ReadParty(text); party && !party->number.empty()) return party->number;
  const bool number = !text.empty() && std::all_of(text.begin(), text.end(), IsOfNumber);
  return number ? std::string(text) : NumberOf(invite.request_uri);
}

void WriteCaller(const trunk::Trunk& destination, const Caller& caller, std::string_view host,
                 sip::Message* invite) {
  // RFC 3323 section 4.1.1.3: who has no name is called so.
  const bool unknown = caller.number.empty() || EqualsIgnoreCase(caller.number, "anonymous");
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
    sip::Set(&asserted.parameters, "screen", caller.asserted ? "yes" : "no");
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
        IsOfFlows(destination, field.name) ||
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
