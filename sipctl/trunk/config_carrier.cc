#include "sipctl/trunk/config_carrier.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "sipctl/trunk/gateway.h"
#include "sipctl/trunk/number.h"

namespace sipctl::trunk {
namespace {

bool IsOnThisSide(const sdp::IpAddress& address) {
  return address.IsPrivate() || address.IsLoopback() || address.IsLinkLocal();
}

// RFC 5737, RFC 3849: nobody has these.
bool IsDocumentation(const sdp::IpAddress& address) {
  for (const char* text : {"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"}) {
    std::string error;
    if (sdp::ParseIpNetwork(text, &error)->Contains(address)) return true;
  }
  return false;
}

class CarrierRules {
 public:
  CarrierRules(Reader& reader, const Trunk& trunk, const TrunkDraft& draft,
               const Listener& listener)
      : reader_(reader), trunk_(trunk), draft_(draft), listener_(listener) {}

  void Check() {
    CheckRoles();
    CheckReach();
    CheckCodecs();
    CheckEncryption();
    CheckSessionTimer();
    if (trunk_.carrier == nullptr) return;
    CheckNumbers(*trunk_.carrier);
    CheckHeaders(*trunk_.carrier);
    CheckLimit(*trunk_.carrier);
    CheckIdentity(*trunk_.carrier);
    CheckAccount(*trunk_.carrier);
    if (!trunk_.carrier->confirmed) {
      Report("CV-23", draft_.line,
             Concat("profile '", trunk_.carrier->name, "' of ", trunk_.carrier->dated,
                    " is from public material that was not confirmed with the carrier"),
             "confirmed: [CV-23] after comparing it with what the carrier says");
    }
  }

 private:
  void Report(std::string_view rule, int line, std::string message, std::string instead) {
    if (IsConfirmed(trunk_.confirmed, rule)) return;
    reader_.Report(ByRule(rule, reader_.file(), line, std::move(message), std::move(instead)));
  }
  void Warn(std::string_view rule, int line, std::string message, std::string instead) {
    if (IsConfirmed(trunk_.confirmed, rule)) return;
    Diagnostic diagnostic =
        ByRule(rule, reader_.file(), line, std::move(message), std::move(instead));
    diagnostic.severity = Severity::kWarning;
    reader_.Report(std::move(diagnostic));
  }

  // Sources and destination as a table of gateways.
  std::vector<Gateway> Gateways() const {
    const std::string transport(TransportName(*draft_.transport));
    std::vector<Gateway> gateways;
    for (const sdp::IpNetwork& source : trunk_.sources) {
      const bool host = source.prefix_length == 128;
      gateways.push_back(
          {host ? sdp::FormatIpAddress(source.address) : sdp::FormatIpNetwork(source), source, 0,
           transport, true, false, draft_.sources_line});
    }
    for (const Destination& each : trunk_.destinations) {
      std::string error;
      gateways.push_back({each.host, sdp::ParseIpNetwork(each.host, &error), each.port, transport,
                          false, true, draft_.destination_line});
    }
    return gateways;
  }

  // A trunk that names no profile is looked at for the media servers of all of them: whoever takes
  // those for gateways does not know the profiles either.
  void CheckRoles() {
    const std::vector<Gateway> gateways = Gateways();
    for (const Profile& profile : Profiles()) {
      if (trunk_.carrier != nullptr && trunk_.carrier != &profile) continue;
      for (Diagnostic& each : CheckGateways(profile, gateways, trunk_.confirmed, reader_.file())) {
        const bool of_media = each.rule == "CV-01" || each.rule == "CV-03" || each.rule == "CV-04";
        if (trunk_.carrier == nullptr && !of_media) continue;
        if (each.line == 0) each.line = draft_.sources_line;
        reader_.Report(std::move(each));
      }
    }
  }

  // A peer in the public network cannot answer to an address of this side.
  void CheckReach() {
    if (trunk_.destinations.empty()) return;
    const std::string& peer = trunk_.destinations.front().host;
    const auto address = sdp::ParseIpAddress(peer);
    if (address.has_value() ? IsOnThisSide(*address) : trunk_.carrier == nullptr) return;
    const auto unreachable = [this](const sdp::IpAddress& advertised) {
      return IsOnThisSide(advertised) || (trunk_.carrier != nullptr && IsDocumentation(advertised));
    };
    const auto advertised = sdp::ParseIpAddress(listener_.advertise_host);
    if (advertised.has_value() && unreachable(*advertised)) {
      Report("CV-08", listener_.line,
             Concat("listener '", listener_.name, "' advertises ", listener_.advertise_host,
                    ", which the public peer ", peer, " of trunk '", trunk_.name, "' cannot reach"),
             "advertise: with the public address");
    }
    for (const MediaAddress& media : trunk_.addresses) {
      if (!unreachable(media.advertise)) continue;
      Report("CV-08", draft_.line,
             Concat("trunk '", trunk_.name, "' advertises ", sdp::FormatIpAddress(media.advertise),
                    " for media, which its public peer cannot reach"),
             "advertise: with the public address");
    }
  }

  void CheckCodecs() {
    const std::vector<sdp::Codec>& codecs = trunk_.media.codecs;
    if (codecs.size() < 2 || codecs[0] != sdp::Codec::kPcmu || codecs[1] != sdp::Codec::kPcma) {
      return;
    }
    Report("CV-10", draft_.codecs_line,
           Concat("trunk '", trunk_.name,
                  "' prefers pcmu; carriers outside North America and Japan prefer pcma"),
           "codecs: [pcma, pcmu]");
  }

  // Keys in SDP are as secret as the SIP that carries them.
  void CheckEncryption() {
    const bool over_tls = *draft_.transport == Transport::kTls;
    const bool paired = trunk_.carrier != nullptr && trunk_.carrier->srtp_with_tls;
    if (over_tls && paired && trunk_.media.srtp == sdp::Srtp::kOff) {
      Report("CV-09", draft_.srtp_line,
             Concat(trunk_.carrier->title, " speaks SRTP on trunks over TLS, and srtp is off"),
             "srtp: required");
    }
    if (over_tls || trunk_.media.srtp != sdp::Srtp::kRequired) return;
    const std::string_view transport = TransportName(*draft_.transport);
    if (paired) {
      Report("CV-09", draft_.srtp_line,
             Concat(trunk_.carrier->title, " speaks SRTP over TLS alone, and the trunk is over ",
                    transport),
             "transport: tls, or srtp: off");
    } else {
      Warn("CV-09", draft_.srtp_line,
           Concat("the keys of SRTP are readable in SIP over ", transport), "transport: tls");
    }
  }

  // RFC 4028: a timer below 90 s is refused by any peer; above 30 minutes a dead call is billed
  // long.
  void CheckSessionTimer() {
    constexpr uint64_t kLongestNs = 1'800'000'000'000;
    if (trunk_.session_expires_ns <= kLongestNs) return;
    Report("CV-21", draft_.session_expires_line,
           Concat("a call of trunk '", trunk_.name, "' that died unnoticed lives on for ",
                  trunk_.session_expires_ns / 1'000'000'000, " s"),
           "session_expires: 30m");
  }

  void CheckNumbers(const Profile& carrier) {
    if (!carrier.numbers_e164) return;
    for (const std::string& number : trunk_.numbers) {
      if (IsE164(number)) continue;
      Report("CV-11", draft_.numbers_line,
             Concat("'", number, "' is no number as ", carrier.title, " writes it"),
             "+, country code and number in quotes: \"+918012345678\"");
    }
  }

  void CheckHeaders(const Profile& carrier) {
    for (const Header& header : trunk_.headers) {
      if (!carrier.IsReserved(header.name)) continue;
      Report("CV-13", draft_.headers_line,
             Concat(header.name, " is ", carrier.title, "'s own header and not for us to send"),
             "another name");
    }
    for (const std::string& name : trunk_.headers_to) {
      if (!carrier.IsReserved(name)) continue;
      Report("CV-13", draft_.headers_to_line,
             Concat(name, " is ", carrier.title, "'s own header and not for us to send"),
             "headers_to: without it");
    }
  }

  void CheckLimit(const Profile& carrier) {
    const uint32_t most = carrier.calls_per_minute;
    if (most == 0 || (trunk_.calls_per_minute != 0 && trunk_.calls_per_minute <= most)) return;
    Report(
        "CV-20", draft_.calls_per_minute_line,
        Concat(trunk_.calls_per_minute == 0 ? "no limit of calls a minute, "
                                            : Concat(trunk_.calls_per_minute, " calls a minute, "),
               carrier.title, " takes ", most),
        Concat("calls_per_minute: ", most, ", or confirmed: [CV-20] when it has granted more"));
  }

  void CheckIdentity(const Profile& carrier) {
    if (!carrier.static_address_required || trunk_.destinations.empty() ||
        sdp::ParseIpAddress(listener_.advertise_host).has_value()) {
      return;
    }
    Report("CV-22", listener_.line,
           Concat("calls to ", carrier.title, " come from the name ", listener_.advertise_host,
                  "; it takes them from fixed, allow-listed addresses only, and starts calls of "
                  "others through its API"),
           "advertise: with the public address, or confirmed: [CV-22] when the name stands for one "
           "that is listed");
  }

  void CheckAccount(const Profile& carrier) {
    if (carrier.account_domain.empty() || carrier.account_domain_is_next_hop ||
        trunk_.destinations.empty()) {
      return;
    }
    const std::string form = Concat("from_domain: ACCOUNT.", carrier.account_domain);
    const std::string& domain = trunk_.from_domain;
    if (domain.empty()) {
      Warn("CV-24", draft_.line,
           Concat("trunk '", trunk_.name, "' has no from_domain; ", carrier.title,
                  " finds the account by the host of From"),
           form);
      return;
    }
    if (!carrier.IsAccountName(domain)) {
      Report("CV-24", draft_.from_domain_line,
             Concat("'", domain, "' is not in ", carrier.account_domain), form);
      return;
    }
    const std::string account = domain.substr(0, domain.size() - carrier.account_domain.size() - 1);
    if (!std::all_of(account.begin(), account.end(),
                     [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'z'); })) {
      Warn("CV-24", draft_.from_domain_line,
           Concat("'", account, "' does not look like an account: those are a-z and 0-9"),
           "the account as the carrier writes it");
    }
  }

  Reader& reader_;
  const Trunk& trunk_;
  const TrunkDraft& draft_;
  const Listener& listener_;
};

void ApplyPop(Reader& reader, TrunkDraft* draft) {
  const Profile* carrier = draft->trunk.carrier;
  if (carrier == nullptr) {
    reader.Error(draft->pop_line, "a pop is a point of presence of a profile", "profile: too");
    return;
  }
  const Pop* pop = carrier->FindPop(draft->pop);
  const bool usable = pop != nullptr && pop->live && !pop->edge.empty();
  if (usable && draft->destinations.empty()) {
    DestinationDraft& edge = draft->destinations.emplace_back();
    edge.line = draft->pop_line;
    edge.to = HostPort{pop->edge, 5060};
    draft->destination_line = draft->pop_line;
  }
  if (usable) return;
  if (!draft->destinations.empty() && IsConfirmed(draft->trunk.confirmed, "CV-23")) return;
  std::vector<std::string> names;
  for (const Pop& each : carrier->pops) {
    if (each.live && !each.edge.empty()) names.push_back(each.name);
  }
  Diagnostic diagnostic =
      ByRule("CV-23", reader.file(), draft->pop_line,
             pop == nullptr ? Concat(carrier->title, " has no point of presence '", draft->pop, "'")
                            : Concat("'", draft->pop, "' of ", carrier->title,
                                     pop->live ? " has no edge" : " is announced, not live"),
             names.empty() ? "a destination instead" : Concat("one of ", Join(names, ", ")));
  if (draft->destinations.empty()) diagnostic.severity = Severity::kError;
  reader.Report(std::move(diagnostic));
}

}  // namespace

void ApplyProfile(Reader& reader, TrunkDraft* draft) {
  const Profile* carrier = draft->trunk.carrier;
  if (!draft->pop.empty()) ApplyPop(reader, draft);
  for (const DestinationDraft& each : draft->destinations) {
    if (!each.transport.has_value()) continue;
    if (draft->transport.value_or(*each.transport) != *each.transport) {
      reader.Error(each.line, "a trunk sends over one transport",
                   Concat("transport=", TransportName(*draft->transport)));
    }
    draft->transport = each.transport;
  }
  if (!draft->transport.has_value()) {
    draft->transport = carrier == nullptr || carrier->PortOf("udp").has_value() ? Transport::kUdp
                                                                                : Transport::kTcp;
  }
  if (!draft->networks_given) {
    if (carrier != nullptr) draft->trunk.networks = carrier->AllMedia();
    if (draft->trunk.networks.empty() && draft->users_line == 0) {
      reader.Error(draft->line, "the trunk has no 'media_networks'",
                   "media_networks: list of networks or any");
    }
  }
  // Where they come from, nobody knows beforehand.
  if (draft->users_line != 0 && !draft->learning_given) draft->trunk.learning = Learning::kLatch;
  if (carrier == nullptr) return;
  if (draft->codecs_line == 0 && !carrier->codecs.empty()) {
    std::vector<sdp::Codec>& codecs = draft->trunk.media.codecs;
    std::erase_if(codecs, sdp::IsSpeech);
    codecs.insert(codecs.begin(), carrier->codecs.begin(), carrier->codecs.end());
  }
  if (draft->srtp_line == 0 && carrier->srtp_with_tls && draft->transport == Transport::kTls) {
    draft->trunk.media.srtp = sdp::Srtp::kRequired;
  }
  if (!draft->methods_given) draft->trunk.methods_not_sent = carrier->methods_not_sent;
  if (draft->calls_per_minute_line == 0) {
    draft->trunk.calls_per_minute = carrier->calls_per_minute;
  }
}

void CheckCarrier(Reader& reader, const Trunk& trunk, const TrunkDraft& draft,
                  const Listener& listener) {
  CarrierRules(reader, trunk, draft, listener).Check();
}

}  // namespace sipctl::trunk
