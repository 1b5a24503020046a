#include <algorithm>
#include <utility>

#include "sipctl/trunk/config_keys.h"
#include "sipctl/trunk/profile.h"
#include "sipctl/trunk/rules.h"

namespace sipctl::trunk {
namespace {

void ReadCodecs(Reader& reader, const YAML::Node& node, std::vector<sdp::Codec>* codecs) {
  std::vector<sdp::Codec> speech;
  for (const YAML::Node& item : reader.Items(node, "list of codecs")) {
    const std::optional<size_t> choice = reader.Choice(item, {"pcma", "pcmu"});
    if (!choice.has_value()) continue;
    const sdp::Codec codec = *choice == 0 ? sdp::Codec::kPcma : sdp::Codec::kPcmu;
    if (std::find(speech.begin(), speech.end(), codec) != speech.end()) {
      reader.Error(Reader::LineOf(item), Concat("'", item.Scalar(), "' stands twice"), "it once");
      continue;
    }
    speech.push_back(codec);
  }
  if (node.IsSequence() && node.size() == 0) {
    reader.Error(Reader::LineOf(node), "a trunk needs a codec", "[pcma, pcmu]");
  }
  std::erase_if(*codecs, sdp::IsSpeech);
  codecs->insert(codecs->begin(), speech.begin(), speech.end());
}

void ReadSuites(Reader& reader, const YAML::Node& node, sdp::MediaPolicy* media) {
  std::vector<std::string> names;
  for (const sdp::Suite suite : sdp::kAllSuites) names.emplace_back(sdp::SuiteName(suite));
  std::vector<sdp::Suite> suites;
  for (const YAML::Node& item : reader.Items(node, "list of suites")) {
    const std::optional<size_t> choice = reader.Choice(item, names);
    if (!choice.has_value()) continue;
    const sdp::Suite suite = sdp::kAllSuites[*choice];
    if (std::find(suites.begin(), suites.end(), suite) == suites.end()) suites.push_back(suite);
  }
  if (suites.empty()) return;
  media->suites_offered = suites;
  media->suites_accepted = suites;
}

void SetExtra(std::vector<sdp::Codec>* codecs, sdp::Codec codec, bool wanted) {
  std::erase(*codecs, codec);
  if (wanted) codecs->push_back(codec);
}

void ReadHeaders(Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
  constexpr size_t kHeadersMax = 16;
  const int line = draft->headers_line = Reader::LineOf(node);
  if (!node.IsMap() || node.size() > kHeadersMax) {
    reader.Error(line, Concat("here must stand a mapping of at most ", kHeadersMax, " headers"),
                 "{X-Tenant: acme}");
    return;
  }
  for (const auto& entry : node) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const bool custom = name.size() > 2 && (name[0] == 'X' || name[0] == 'x') && name[1] == '-' &&
                        std::all_of(name.begin(), name.end(), [](char c) {
                          return IsAlpha(c) || IsDigit(c) || c == '-' || c == '_';
                        });
    const auto same = [&name](const Header& other) { return EqualsIgnoreCase(other.name, name); };
    if (!custom) {
      reader.Error(Reader::LineOf(entry.first), Concat("'", name, "' is no custom header"),
                   "X- and a word: X-Tenant");
    } else if (std::any_of(draft->trunk.headers.begin(), draft->trunk.headers.end(), same)) {
      reader.Error(Reader::LineOf(entry.first), Concat("'", name, "' stands twice"), "it once");
    } else if (const auto value = reader.Text(entry.second, "the value of a header")) {
      draft->trunk.headers.push_back({name, *value});
    }
  }
}

void ReadHeaderNames(Reader& reader, const YAML::Node& node, std::vector<std::string>* names) {
  for (const YAML::Node& item : reader.Items(node, "list of headers")) {
    const std::string name = item.IsScalar() ? item.Scalar() : "";
    if (IsPassablePattern(name)) {
      names->push_back(name);
    } else {
      reader.Error(Reader::LineOf(item), Concat("'", name, "' is no header that may pass"),
                   "X-Name, X-*, Subject, Call-Info, Alert-Info, Session-ID or User-to-User");
    }
  }
}

constexpr Field<AddressDraft> kAddressKeys[] = {
    {{"local", "address", kRequired, "An address the relay has its ports on."},
     [](Reader& reader, const YAML::Node& node, AddressDraft* draft) {
       draft->local = reader.Address(node);
     }},
    {{"advertise", "address", "as local", "What SDP says instead: the public side of a NAT."},
     [](Reader& reader, const YAML::Node& node, AddressDraft* draft) {
       draft->advertise = reader.Address(node);
     }},
};

constexpr Field<TrunkDraft> kTrunkKeys[] = {
    {{"name", "name", kRequired, "What routes, logs and `sipctl calls` call it."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Name(node), &draft->trunk.name);
     }},
    {{"profile", "exotel, exotel-2025, twilio or generic", "none",
      "Whose trunk it is. Fills in transport, port, media networks, codecs and limit where they "
      "are "
      "not given, and tells `sipctl check` the carrier's rules."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto choice = reader.Choice(node, ProfileNames())) {
         draft->trunk.carrier = &Profiles()[*choice];
       }
     }},
    {{"pop", "name", "none",
      "The carrier's point of presence that calls go to, instead of a destination."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->pop_line = Reader::LineOf(node);
       Assign(reader.Name(node), &draft->pop);
     }},
    {{"numbers", "list of numbers", "none",
      "The numbers that the carrier has given us, for `sipctl carrier-sheet` and `exotel-plan`."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->numbers_line = Reader::LineOf(node);
       for (const YAML::Node& item : reader.Items(node, "list of numbers")) {
         if (auto number = reader.Dialled(item)) draft->trunk.numbers.push_back(*number);
       }
     }},
    {{"confirmed", "list of rules", "none",
      "Rules of the table below on which the carrier has agreed otherwise: [CV-03]."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       for (const YAML::Node& item : reader.Items(node, "list of rules")) {
         const Rule* rule = item.IsScalar() ? FindRule(item.Scalar()) : nullptr;
         if (rule != nullptr && rule->confirmable) {
           draft->trunk.confirmed.emplace_back(rule->id);
         } else {
           reader.Error(Reader::LineOf(item),
                        rule == nullptr ? std::string("there is no such rule")
                                        : Concat(rule->id, " is wrong whatever the carrier says"),
                        Concat("rules of ", Join(ConfirmableRules(), ", ")));
         }
       }
     }},
    {{"direction", "outbound, inbound or bidirectional", "bidirectional",
      "Who begins calls: outbound, only we call it, and its own INVITEs get 403; inbound, only it "
      "calls us. Without a destination a trunk is inbound."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->way_given = true;
       if (const auto choice = reader.Choice(node, {"bidirectional", "outbound", "inbound"})) {
         draft->trunk.way = static_cast<Way>(*choice);
       }
     }},
    {{"account", "name", "the first label of from_domain",
      "Our account at the carrier, as the header of calls into its flows names it."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Name(node), &draft->trunk.account);
     }},
    {{"headers", "mapping of X-Name to text", "none",
      "Headers that are added to every call to it. A carrier's own ones are refused."},
     ReadHeaders},
    {{"headers_from", "list of names", "none",
      "Headers of the INVITEs of its calls that may go on to the other side; X-Name, X-*, Subject, "
      "Call-Info, "
      "Alert-Info, Session-ID, User-to-User, P-Early-Media."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       ReadHeaderNames(reader, node, &draft->trunk.headers_from);
     }},
    {{"headers_to", "list of names", "none",
      "Headers of the INVITEs of the other side's calls that may be sent to it, where that side "
      "lets them go. "
      "Never a carrier's own."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->headers_to_line = Reader::LineOf(node);
       ReadHeaderNames(reader, node, &draft->trunk.headers_to);
     }},
    {{"headers_read", "list of names", "the carrier's own",
      "Headers of its INVITEs and final answers that are kept in the call's record, beside the "
      "carrier's own."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       ReadHeaderNames(reader, node, &draft->trunk.headers_read);
     }},
    {{"trust_identity", "true or false", "false",
      "Whether P-Asserted-Identity or Remote-Party-ID says who calls, before From."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Bool(node), &draft->trunk.trusts_identity);
     }},
    {{"identity", "from, asserted or remote-party", "from",
      "How it is told who calls: in From alone, or in P-Asserted-Identity or Remote-Party-ID too, "
      "where a caller that wants privacy stands all the same."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto choice = reader.Choice(node, {"from", "asserted", "remote-party"})) {
         draft->trunk.identity = static_cast<Identity>(*choice);
       }
     }},
    {{"called_from", "request-uri, to, P-Called-Party-ID or X-Name", "request-uri",
      "Where its INVITE has the number that was called."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto name = reader.Name(node); name && *name != "request-uri") {
         if (EqualsIgnoreCase(*name, "to") || EqualsIgnoreCase(*name, "P-Called-Party-ID") ||
             IsPassable(*name)) {
           draft->trunk.called_from = *name;
         } else {
           reader.Error(Reader::LineOf(node),
                        Concat("'", *name, "' is no header that has the called number"),
                        "request-uri, to, P-Called-Party-ID or X-Name");
         }
       }
     }},
    {{"country", "digits", "none",
      "Country code of numbers that it writes without one. They become E.164 before a route is "
      "looked for; what is not plainly a number stays as it is."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto code = reader.Number(node, 1, 999)) {
         draft->trunk.number_plan.country = Concat(*code);
         if (draft->trunk.number_plan.digits == 0) draft->trunk.number_plan.digits = 10;
       }
     }},
    {{"number_digits", "number", "10", "Digits of a number inside its country."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto digits = reader.Number(node, 5, 13)) {
         draft->trunk.number_plan.digits = static_cast<uint32_t>(*digits);
       }
     }},
    {{"number_form", "routed, e164, plain, national or international", "routed",
      "How it wants E.164 numbers, called and calling: as routes made them, +9198..., 9198..., "
      "098... (00... abroad) or 009198..."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto choice =
               reader.Choice(node, {"routed", "e164", "plain", "national", "international"})) {
         draft->trunk.number_form = static_cast<NumberForm>(*choice);
         draft->number_form_line = Reader::LineOf(node);
       }
     }},
    {{"sources", "list of networks", "required without users",
      "Whose SIP is this trunk's. All others get no answer at all."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->sources_line = Reader::LineOf(node);
       Assign(reader.Networks(node, /*any_allowed=*/false), &draft->trunk.sources);
     }},
    {{"destination", "host:port or URI", "none",
      "Where its calls are sent: an address, a name, or sip:user@host;transport=tls of a hosted "
      "platform. Without a port: the profile's, else what SRV says, else 5060 (5061 with TLS). "
      "Without it, and without a pop, the trunk only calls us."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->destination_line = Reader::LineOf(node);
       DestinationDraft destination;
       destination.line = Reader::LineOf(node);
       ReadPlace(reader, node, &destination);
       draft->destinations.push_back(std::move(destination));
     }},
    {{"destinations", "list of destinations", "none",
      "Several, instead of one. Before anything rings, the next one is tried."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->destination_line = Reader::LineOf(node);
       if (!draft->destinations.empty()) {
         reader.Error(draft->destination_line, "the trunk has destination and destinations",
                      "one of them");
       }
       reader.ReadList(node, "destination", DestinationKeys(), &draft->destinations);
     }},
    {{"health", "duration or off", "off",
      "How often each of its addresses is asked with OPTIONS; one that does not answer is tried "
      "last."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Duration(node, 1, 3600, true), &draft->trunk.health_ns);
     }},
    {{"login", "mapping", "none", "Who we are when it asks (401, 407)."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->login.emplace();
       draft->login->line = Reader::LineOf(node);
       reader.ReadMap(node, "login", LoginKeys(), &*draft->login);
     }},
    {{"users", "list of users", "none",
      "For a PBX without a fixed address, instead of sources and destination: who logs in as one "
      "of "
      "them, at a listener with role: access, speaks for it. Its calls go to the user of the "
      "called "
      "number's name, else to all that are logged in, one after the other."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->users_line = Reader::LineOf(node);
       reader.ReadList(node, "user", UserKeys(), &draft->users);
     }},
    {{"transport", "udp, tcp or tls", "the profile's, else udp",
      "How SIP is carried to the destination."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->transport.emplace();
       ReadTransport(reader, node, &*draft->transport);
     }},
    {{"listener", "name", "the first with the same transport",
      "Whose socket, Via and Contact it sees. With users: where alone they may log in; without it, "
      "at each access listener."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->listener_line = Reader::LineOf(node);
       Assign(reader.Name(node), &draft->listener);
     }},
    {{"tls_name", "host", "the destination's host",
      "The name that its certificate must carry, and that we ask for (SNI)."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->tls_line = Reader::LineOf(node);
       Assign(reader.Host(node), &draft->trunk.tls.name);
     }},
    {{"tls_trust", "path", "the system's roots",
      "PEM file of the roots that its certificate may lead to."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->tls_line = Reader::LineOf(node);
       Assign(reader.Path(node), &draft->trunk.tls.trust);
     }},
    {{"tls_certificate", "path", "none",
      "PEM file: the certificate that we show when it asks for one, and its chain."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->tls_line = Reader::LineOf(node);
       Assign(reader.Path(node), &draft->trunk.tls.certificate);
     }},
    {{"tls_key", "path", "in the certificate's file", "PEM file of its private key."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->tls_line = Reader::LineOf(node);
       Assign(reader.Path(node), &draft->trunk.tls.key);
     }},
    {{"tls_verify", "true or false", "true",
      "false: anybody may answer in its name. For laboratories."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->tls_line = Reader::LineOf(node);
       Assign(reader.Bool(node), &draft->trunk.tls.verify);
     }},
    {{"from_domain", "host", "the listener's advertised host",
      "The host of From in calls to it; some carriers want the account's domain."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->from_domain_line = Reader::LineOf(node);
       Assign(reader.Host(node), &draft->trunk.from_domain);
     }},
    {{"methods_not_sent", "list of UPDATE, PRACK", "the profile's, else none",
      "Methods that it takes badly: they are neither sent to it nor stand in our Allow. A session "
      "is "
      "then refreshed by re-INVITE, and a ringing that asks for PRACK gets none."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->methods_given = true;
       draft->trunk.methods_not_sent = reader.Methods(node);
     }},
    {{"response_timeout", "duration or off", "off",
      "From INVITE to any answer at all; then the next address is tried, and after the last the "
      "call is given up. Off: 5 seconds, at the last address 32."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Duration(node, 1, 32, true), &draft->trunk.response_timeout_ns);
     }},
    {{"ring_timeout", "duration", "90s", "From INVITE to a final response; then CANCEL."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Duration(node, 5, kRingTimeoutMaxS, false), &draft->trunk.ring_timeout_ns);
     }},
    {{"session_expires", "duration or off", "30m",
      "How often a call must show that it lives (RFC 4028), as we ask for it. Off: no session "
      "timer."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->session_expires_line = Reader::LineOf(node);
       Assign(reader.Duration(node, 90, 86'400, true), &draft->trunk.session_expires_ns);
     }},
    {{"call_length_max", "duration or off", "4h", "A call is ended after this time."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Duration(node, 10, 86'400, true), &draft->trunk.call_length_max_ns);
     }},
    {{"codecs", "list of pcma, pcmu", "the profile's, else [pcma, pcmu]",
      "What is offered and accepted, best first."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->codecs_line = Reader::LineOf(node);
       ReadCodecs(reader, node, &draft->trunk.media.codecs);
     }},
    {{"transcode", "true or false", "false",
      "Whether the relay may turn PCMA into PCMU and back between this trunk and another that "
      "says so too. One codec end to end is always offered first."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Bool(node), &draft->trunk.media.transcode);
     }},
    {{"srtp", "off, optional or required", "off; required where the profile has it with TLS",
      "Whether media is encrypted with keys in SDP (RFC 4568). required: RTP/SAVP, and no call "
      "without a key. optional: offers of ours are RTP/AVP with a key (RFC 8643), the peer may "
      "leave it; an offer of either kind is taken. Sensible where SIP itself is encrypted."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto choice = reader.Choice(node, {"off", "optional", "required"})) {
         draft->srtp_line = Reader::LineOf(node);
         draft->trunk.media.srtp = static_cast<sdp::Srtp>(*choice);
       }
     }},
    {{"srtp_suites", "list of suites", "offered: [AES_CM_128_HMAC_SHA1_80]; accepted: all",
      "Suites that are offered, best first, and accepted: AES_CM_128_HMAC_SHA1_80, "
      "AES_CM_128_HMAC_SHA1_32, AES_256_CM_HMAC_SHA1_80, AES_256_CM_HMAC_SHA1_32, "
      "AEAD_AES_128_GCM, AEAD_AES_256_GCM."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       ReadSuites(reader, node, &draft->trunk.media);
     }},
    {{"srtp_roll_over", "either, runs_on or restarts", "either",
      "What the peer does with its streams' roll-over counters when it changes its key: they run "
      "on (RFC 3711), or restart at 0; either is tried with the first packet. With restarts, ours "
      "do so, too. Beside a key of the peer that stays (MKI), a new one must run on: they share "
      "their counters."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto choice = reader.Choice(node, {"either", "runs_on", "restarts"})) {
         draft->trunk.roll_over = static_cast<RollOver>(*choice);
       }
     }},
    {{"telephone_event", "96 to 127, or off", "101",
      "Payload type of DTMF (RFC 4733) in our offers; an offer's own number is kept."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       const bool off = node.IsScalar() && node.Scalar() == "off";
       SetExtra(&draft->trunk.media.codecs, sdp::Codec::kTelephoneEvent, !off);
       if (!off) {
         Assign(reader.Number(node, 96, 127), &draft->trunk.media.telephone_event_payload_type);
       }
     }},
    {{"comfort_noise", "true or false", "false",
      "Whether comfort noise (RFC 3389) may be agreed when both sides know it."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       if (const auto wanted = reader.Bool(node)) {
         SetExtra(&draft->trunk.media.codecs, sdp::Codec::kComfortNoise, *wanted);
       }
     }},
    {{"ptime", "10, 20, 30, 40 or 60", "20",
      "Milliseconds of speech a packet in our offers, when the far side says nothing."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       constexpr uint16_t kTimes[] = {10, 20, 30, 40, 60};
       if (const auto choice = reader.Choice(node, {"10", "20", "30", "40", "60"})) {
         draft->trunk.media.ptime_ms = kTimes[*choice];
       }
     }},
    {{"rtcp_mux", "true or false", "false",
      "Whether our offers propose RTCP on the RTP port; an offered one is always accepted."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Bool(node), &draft->trunk.media.rtcp_mux_offer);
     }},
    {{"media_networks", "list of networks or any", "the profile's; any with users; else required",
      "Where its media may come from and go to."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->networks_given = true;
       Assign(reader.Networks(node, /*any_allowed=*/true), &draft->trunk.networks);
     }},
    {{"learning", "off, signalled or latch", "off; latch with users",
      "What other programs call `nat: true` is latch. off: media from anywhere inside "
      "media_networks "
      "is accepted and goes to the address in SDP. "
      "signalled: only from the very address and port in SDP. latch: the peer is behind NAT, the "
      "first steady source is believed."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->learning_given = true;
       if (const auto choice = reader.Choice(node, {"off", "signalled", "latch"})) {
         draft->trunk.learning = static_cast<Learning>(*choice);
       }
     }},
    {{"media_addresses", "list of addresses", "relay.addresses",
      "Which of the relay's addresses its calls use, and what SDP says instead."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       reader.ReadList(node, "address", AddressKeys(), &draft->addresses);
     }},
    {{"dscp", "0 to 63", "46", "Traffic class of media packets to it (46 = EF)."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Number(node, 0, 63), &draft->trunk.dscp);
     }},
    {{"media_timeout", "duration or off", "60s",
      "Silence, RTCP included, after which the call is ended; not on hold."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Duration(node, 5, 3600, true), &draft->trunk.media_timeout_ns);
     }},
    {{"calls_max", "number", "1000", "Calls at a time, both directions together."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Number(node, 1, 1'000'000), &draft->trunk.calls_max);
     }},
    {{"calls_per_minute", "number, 0 = no limit", "the profile's, else 0",
      "New calls that are sent to it; above, callers get 503 with Retry-After."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       draft->calls_per_minute_line = Reader::LineOf(node);
       Assign(reader.Number(node, 0, 1'000'000), &draft->trunk.calls_per_minute);
     }},
    {{"call_burst", "number", "20", "New calls sent at once after a quiet time."},
     [](Reader& reader, const YAML::Node& node, TrunkDraft* draft) {
       Assign(reader.Number(node, 1, 10'000), &draft->trunk.call_burst);
     }},
};

}  // namespace

std::span<const Field<AddressDraft>> AddressKeys() {
  return kAddressKeys;
}

std::span<const Field<TrunkDraft>> TrunkKeys() {
  return kTrunkKeys;
}

}  // namespace sipctl::trunk
