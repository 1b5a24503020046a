#include "sipctl/trunk/rules.h"

#include "sipctl/text.h"

namespace sipctl::trunk {
namespace {

constexpr Rule kRules[] = {
    {"CV-01", Severity::kError, false, "a media server is entered as a UDP signalling gateway",
     "A carrier's media servers send and receive RTP. They never send SIP, so calls from the "
     "carrier come from other addresses, which are then refused, and calls sent there vanish.",
     "the carrier's signalling addresses under sources; keep this address under media_networks"},
    {"CV-02", Severity::kError, true, "the carrier does not take SIP over this transport",
     "Nobody listens there: the INVITE is never answered, and it looks like a network fault.",
     "a transport and port of the carrier, or confirmed: [CV-02] when it has agreed to another"},
    {"CV-03", Severity::kWarning, true,
     "only port and protocol of a media address were changed, its role was not",
     "The address is still a media server. Entering it as tcp/5070 instead of udp/5060 helps only "
     "if the carrier really signals from the same addresses; else inbound INVITEs are refused.",
     "the signalling addresses, or confirmed: [CV-03] when the carrier says it signals from it"},
    {"CV-04", Severity::kError, false, "no signalling source is left",
     "SIP from an address that stands under no trunk gets no answer at all, so no call of the "
     "carrier can arrive.",
     "the addresses behind the carrier's edge names, which the carrier must confirm"},
    {"CV-05", Severity::kError, true, "the port does not fit the transport",
     "The carrier listens for each transport on a port of its own; a connection to another one is "
     "refused or, worse, accepted by a server that expects TLS.",
     "the port that the carrier has for this transport"},
    {"CV-06", Severity::kWarning, false, "the carrier's name leads to an address outside sources",
     "Edges move. Calls go to the new address, and what calls us from there is a stranger, who "
     "gets "
     "no answer. `sipctl probe` asks.",
     "the new address under sources, when the carrier confirms it"},
    {"CV-07", Severity::kError, false, "the account's name is entered as the next hop",
     "This name tells the carrier in From whose call it is. It is no SIP server.",
     "an edge of the carrier as destination, and this name as from_domain"},
    {"CV-08", Severity::kError, false, "an address is advertised that the carrier cannot reach",
     "The carrier answers and sends speech to what Via, Contact and SDP say. A private or "
     "documentation address there means no ACK, no BYE and no sound.",
     "advertise: with the public address"},
    {"CV-09", Severity::kError, true, "SRTP without TLS, or TLS without SRTP",
     "Keys of SRTP stand in SDP, so SIP in the clear gives them to everybody on its way. A carrier "
     "that pairs the two refuses the one without the other with 488.",
     "srtp: required on a trunk over TLS, srtp: off on any other"},
    {"CV-10", Severity::kWarning, true, "the codecs are not in the carrier's order",
     "Most of the world's telephone network is A-law. With PCMU first each call is converted by "
     "the carrier, or refused where it takes A-law only.",
     "codecs: [pcma, pcmu]"},
    {"CV-11", Severity::kError, false, "a number of the trunk is not in E.164",
     "The carrier compares From with the numbers of the account and refuses what it does not "
     "know; it writes them with + and country code.",
     "the number as \"+919876543210\", in quotes"},
    {"CV-12", Severity::kError, false, "a call into a flow without the account's header",
     "The carrier finds the flow by the account; without the header the call is refused or takes "
     "the telephone network instead.",
     "the header that the profile names for flows, with the account"},
    {"CV-13", Severity::kError, false, "a header that the carrier alone may set",
     "The carrier marks its calls with these headers. Copied into a call to it, they name the "
     "wrong call or make it refuse ours.",
     "the message without the header"},
    {"CV-14", Severity::kError, false, "a mode of routing that does not exist",
     "A number is mapped to a trunk in mode pstn or flow; any other word is refused by the "
     "carrier's "
     "interface, and in another case too.",
     "mode: pstn or mode: flow, in small letters"},
    {"CV-15", Severity::kError, false, "more custom headers than the carrier passes",
     "It passes three with 200 bytes together and drops the rest, so the PBX misses what it was "
     "meant to get.",
     "at most three, short ones"},
    {"CV-16", Severity::kError, false, "the listener does not speak the trunk's transport",
     "Contact names our listener. When it cannot take what the carrier then sends, the call is "
     "answered and never acknowledged.",
     "a listener with the transport of the trunk"},
    {"CV-17", Severity::kWarning, false, "a certificate that peers will not take",
     "Who verifies names compares the certificate with the host it called, and refuses one that "
     "has ended or does not lead to a root that it knows; calls then fail without a SIP answer.",
     "a certificate of the advertised name with its chain, renewed before its end"},
    {"CV-18", Severity::kWarning, false, "our name is an alias, or is believed for too long",
     "A carrier that dials our name asks for it at each call, may follow no CNAME, and calls the "
     "old "
     "address until the answer has aged. `sipctl probe` asks.",
     "an A record at the name itself, with a TTL of 60 s or less"},
    {"CV-19", Severity::kWarning, true, "too few media ports for the calls, or an odd first one",
     "A call takes two ports a side, and a port rests for a while after its call. When none is "
     "left, "
     "calls get 503 though the limit is not reached.",
     "a wider range of ports at the relay, more addresses, or fewer calls_max"},
    {"CV-20", Severity::kWarning, true, "more calls a minute than the carrier takes",
     "Above its limit the carrier refuses calls, and repeated excess may block the trunk.",
     "the carrier's limit, or confirmed: [CV-20] when it has granted more"},
    {"CV-21", Severity::kWarning, true, "the session timer is too slow",
     "A call whose BYE was lost ends when its timer does: until then it holds ports, counts "
     "against "
     "the limits and may be billed. Many carriers ask for 90 s to 30 minutes.",
     "session_expires: 30m or less"},
    {"CV-22", Severity::kError, true, "calls to the carrier from a name instead of an address",
     "The carrier takes calls only from addresses on its allow-list. With a name alone, calls to "
     "the telephone network are started through its API and then arrive here as inbound calls.",
     "advertise: with the fixed public address, or confirmed: [CV-22] when the name stands for one "
     "address that is on the carrier's list"},
    {"CV-23", Severity::kWarning, true, "the point of presence or the profile is not certain",
     "An unknown or only announced point of presence has no address, and an unconfirmed profile "
     "may be wrong in any of its values.",
     "a live point of presence, or confirmed: [CV-23] after comparing with the carrier"},
    {"CV-24", Severity::kError, true, "the account's name has not the carrier's form",
     "The carrier finds the account by the host of From; calls from another one get 403.",
     "the account's name in the carrier's domain"},
    {"CV-25", Severity::kError, false, "users without a place to log in, or a place without users",
     "Who has no fixed address is known by its password alone, which is asked for at access "
     "listeners alone. There, strangers get answers: without users that is for nothing.",
     "a listener with role: access, and users: in the trunk of those who log in there"},
    {"CV-26", Severity::kError, false, "a trunk that logs in and has a fixed address, too",
     "It would be said twice whose SIP is the trunk's and where its calls go, and who has the "
     "address would need no password.",
     "users: alone, or sources: and destination: alone"},
};

}  // namespace

std::span<const Rule> Rules() {
  return kRules;
}

std::vector<std::string> ConfirmableRules() {
  std::vector<std::string> ids;
  for (const Rule& rule : kRules) {
    if (rule.confirmable) ids.emplace_back(rule.id);
  }
  return ids;
}

const Rule* FindRule(std::string_view id) {
  for (const Rule& rule : kRules) {
    if (EqualsIgnoreCase(rule.id, id)) return &rule;
  }
  return nullptr;
}

std::string ExplainRule(const Rule& rule) {
  return Concat(rule.id, " (", rule.severity == Severity::kError ? "error" : "warning",
                "): ", rule.mistake, ".\nWhy: ", rule.why, "\nWrite: ", rule.instead, ".\n",
                rule.confirmable
                    ? Concat("A trunk with confirmed: [", rule.id, "] is not asked again.\n")
                    : "");
}

std::string RulesMarkdown() {
  std::string out =
      "| rule | | what is wrong | why it matters | what to write |\n|---|---|---|---|---|\n";
  for (const Rule& rule : kRules) {
    out += Concat("| ", rule.id, " | ", rule.severity == Severity::kError ? "error" : "warning",
                  " | ", rule.mistake, " | ", rule.why, " | ", rule.instead, " |\n");
  }
  return out;
}

}  // namespace sipctl::trunk
