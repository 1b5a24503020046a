#include "sipctl/trunk/config_profile.h"

#include <algorithm>
#include <utility>

#include "sipctl/trunk/config_reader.h"

namespace sipctl::trunk {
namespace {

struct TransportDraft {
  int line = 0;
  TransportPort value;
};

struct PopDraft {
  int line = 0;
  Pop value;
};

template <typename Value, typename Target>
void Assign(std::optional<Value> value, Target* target) {
  if (value.has_value()) *target = *std::move(value);
}

void ReadTexts(Reader& reader, const YAML::Node& node, std::vector<std::string>* texts) {
  for (const YAML::Node& item : reader.Items(node, "list of header names")) {
    if (auto text = reader.Name(item)) texts->push_back(*std::move(text));
  }
}

constexpr Field<TransportDraft> kTransportKeys[] = {
    {{"transport", "udp, tcp or tls", kRequired, "How the carrier takes SIP."},
     [](Reader& reader, const YAML::Node& node, TransportDraft* draft) {
       if (reader.Choice(node, {"udp", "tcp", "tls"})) draft->value.transport = node.Scalar();
     }},
    {{"port", "number", kRequired, "Where it listens."},
     [](Reader& reader, const YAML::Node& node, TransportDraft* draft) {
       Assign(reader.Number(node, 1, 65535), &draft->value.port);
     }},
};

constexpr Field<PopDraft> kPopKeys[] = {
    {{"name", "name", kRequired, "What a trunk's `pop` says."},
     [](Reader& reader, const YAML::Node& node, PopDraft* draft) {
       Assign(reader.Name(node), &draft->value.name);
     }},
    {{"state", "live or announced", "live", "Whether it can be used."},
     [](Reader& reader, const YAML::Node& node, PopDraft* draft) {
       if (const auto choice = reader.Choice(node, {"live", "announced"})) {
         draft->value.live = *choice == 0;
       }
     }},
    {{"edge", "host", "none", "Where SIP goes."},
     [](Reader& reader, const YAML::Node& node, PopDraft* draft) {
       Assign(reader.Host(node), &draft->value.edge);
     }},
    {{"media", "list of networks", "none", "Where RTP comes from and goes to."},
     [](Reader& reader, const YAML::Node& node, PopDraft* draft) {
       Assign(reader.Networks(node, /*any_allowed=*/false), &draft->value.media);
     }},
};

constexpr Field<HeaderRules> kHeaderKeys[] = {
    {{"mandatory", "list of headers", "none", "Of an INVITE to the carrier."},
     [](Reader& reader, const YAML::Node& node, HeaderRules* rules) {
       ReadTexts(reader, node, &rules->mandatory);
     }},
    {{"flow", "list of headers", "none", "And of one that shall enter a call flow."},
     [](Reader& reader, const YAML::Node& node, HeaderRules* rules) {
       ReadTexts(reader, node, &rules->flow);
     }},
    {{"reserved_prefixes", "list of words", "none", "The carrier's own headers begin so."},
     [](Reader& reader, const YAML::Node& node, HeaderRules* rules) {
       ReadTexts(reader, node, &rules->reserved_prefixes);
     }},
};

void ReadDate(Reader& reader, const YAML::Node& node, Profile* profile) {
  constexpr std::string_view kForm = "0000-00-00";
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  const bool date =
      std::equal(text.begin(), text.end(), kForm.begin(), kForm.end(),
                 [](char c, char form) { return form == '0' ? IsDigit(c) : c == form; });
  if (!date) {
    reader.Error(Reader::LineOf(node), Concat("'", text, "' is no date"), "\"2026-11-21\"");
  }
  profile->dated = text;
}

constexpr Field<Profile> kProfileKeys[] = {
    {{"name", "name", kRequired, "What a trunk's `profile` says."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Name(node), &profile->name);
     }},
    {{"title", "text", kRequired, "What messages call the carrier."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Text(node, "a text"), &profile->title);
     }},
    {{"dated", "date", kRequired, "When it was last compared with what the carrier says."},
     ReadDate},
    {{"confirmed", "true or false", kRequired, "Whether the carrier's own words say so."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Bool(node), &profile->confirmed);
     }},
    {{"transports", "list of transports", "any", "How the carrier takes SIP."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       std::vector<TransportDraft> drafts;
       reader.ReadList(node, "transport", kTransportKeys, &drafts);
       for (TransportDraft& draft : drafts) profile->transports.push_back(std::move(draft.value));
     }},
    {{"pops", "list of POPs", "none", "Its points of presence."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       std::vector<PopDraft> drafts;
       reader.ReadList(node, "POP", kPopKeys, &drafts);
       for (PopDraft& draft : drafts) profile->pops.push_back(std::move(draft.value));
     }},
    {{"signalling", "list of networks", "to be asked", "Whose SIP is the carrier's."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Networks(node, /*any_allowed=*/false), &profile->signalling);
     }},
    {{"media_ports", "range", "not known", "Its UDP ports of RTP."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Text(node, "a range of ports"), &profile->media_ports);
     }},
    {{"codecs", "list of pcma, pcmu", "any", "What it takes, best first."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       for (const YAML::Node& item : reader.Items(node, "list of codecs")) {
         if (const auto choice = reader.Choice(item, {"pcma", "pcmu"})) {
           profile->codecs.push_back(*choice == 0 ? sdp::Codec::kPcma : sdp::Codec::kPcmu);
         }
       }
     }},
    {{"account_domain", "host", "none", "What an account's name ends with."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Host(node), &profile->account_domain);
     }},
    {{"account_domain_use", "from or next-hop", "from", "Where that name stands."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       if (const auto choice = reader.Choice(node, {"from", "next-hop"})) {
         profile->account_domain_is_next_hop = *choice == 1;
       }
     }},
    {{"static_address_required", "true or false", "false",
      "Whether calls to it must come from an allow-listed address."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Bool(node), &profile->static_address_required);
     }},
    {{"srtp_with_tls", "true or false", "false",
      "Whether it speaks SRTP where SIP goes over TLS, and nowhere else."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Bool(node), &profile->srtp_with_tls);
     }},
    {{"numbers_e164", "true or false", "false", "Whether numbers begin with + and the country."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Bool(node), &profile->numbers_e164);
     }},
    {{"methods_not_sent", "list of UPDATE, PRACK", "none", "What it is not to be asked."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       profile->methods_not_sent = reader.Methods(node);
     }},
    {{"calls_per_minute", "number", "not known", "How many new calls it takes."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Number(node, 0, 1'000'000), &profile->calls_per_minute);
     }},
    {{"api", "URL", "none", "Where trunks are set up."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Text(node, "a URL"), &profile->api);
     }},
    {{"flow_url", "URL", "none", "What its interface calls flows by."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       Assign(reader.Text(node, "a URL"), &profile->flow_url);
     }},
    {{"headers", "mapping", "none", "Headers of calls to it."},
     [](Reader& reader, const YAML::Node& node, Profile* profile) {
       reader.ReadMap(node, "headers", kHeaderKeys, &profile->headers);
     }},
};

}  // namespace

std::optional<Profile> ParseProfile(std::string_view text, std::string file_name,
                                    std::vector<Diagnostic>* diagnostics) {
  Reader reader(std::move(file_name), diagnostics);
  Profile profile;
  // yaml-cpp throws; nothing passes this function.
  try {
    reader.ReadMap(YAML::Load(std::string(text)), "profile", kProfileKeys, &profile);
  } catch (const YAML::Exception& error) {
    reader.Error(error.mark.is_null() ? 0 : error.mark.line + 1,
                 Concat("this is not YAML: ", error.msg));
  }
  if (reader.errors() != 0) return std::nullopt;
  return profile;
}

}  // namespace sipctl::trunk
