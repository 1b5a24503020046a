#include "sipctl/trunk/rules.h"

#include "sipctl/text.h"

namespace sipctl::trunk {
namespace {

constexpr Rule kRules[] = {
    {"CV-01", Severity::kError, false, "a media server is entered as a UDP signalling gateway",
     "A carrier's media servers send and receive RTP. They never send SIP, so calls from the "
     "carrier come from other addresses, which are then refused, and calls sent there vanish.",
     "the carrier's signalling addresses under sources; keep this address under media_networks"},
    {"CV-02", Severity::kError, false, "the carrier does not take SIP over this transport",
     "Nobody listens there: the INVITE is never answered, and it looks like a network fault.",
     "a transport and port of the carrier"},
    {"CV-03", Severity::kWarning, false,
     "only port and protocol of a media address were changed, its role was not",
     "The address is still a media server. Entering it as tcp/5070 instead of udp/5060 helps only "
     "if the carrier really signals from the same addresses; else inbound INVITEs are refused.",
     "the signalling addresses, unless the carrier says that it signals from this one too"},
    {"CV-04", Severity::kError, false, "no signalling source is left",
     "SIP from an address that stands under no trunk gets no answer at all, so no call of the "
     "carrier can arrive.",
     "the addresses behind the carrier's edge names, which the carrier must confirm"},
    {"CV-05", Severity::kError, false, "the port does not fit the transport",
     "The carrier listens for each transport on a port of its own; a connection to another one is "
     "refused or, worse, accepted by a server that expects TLS.",
     "the port that the carrier has for this transport"},
    {"CV-07", Severity::kError, false, "the account's name is entered as the next hop",
     "This name tells the carrier in From whose call it is. It is no SIP server.",
     "an edge of the carrier as destination, and this name as from_domain"},
};

}  // namespace

std::span<const Rule> Rules() {
  return kRules;
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
