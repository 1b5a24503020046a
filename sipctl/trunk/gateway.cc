#include "sipctl/trunk/gateway.h"

#include <algorithm>
#include <utility>

#include "sipctl/text.h"
#include "sipctl/trunk/rules.h"

namespace sipctl::trunk {
namespace {

class GatewayTable {
 public:
  GatewayTable(const Profile& profile, const std::vector<std::string>& confirmed,
               const std::string& file)
      : profile_(profile), confirmed_(confirmed), file_(file) {}

  void Check(const Gateway& gateway) {
    const Pop* media = gateway.network.has_value() ? profile_.FindMedia(*gateway.network) : nullptr;
    if (media != nullptr) {
      CheckMedia(gateway, *media);
      return;
    }
    if (gateway.inbound) ++sources_left_;
    if (gateway.outbound && !profile_.account_domain_is_next_hop &&
        profile_.IsAccountName(gateway.host)) {
      Report("CV-07", gateway.line,
             Concat(gateway.host, " is the name of an account at ", profile_.title,
                    " for From; it is no SIP server"),
             profile_.EdgesText().empty() ? "an edge of the carrier"
                                          : Concat("one of ", profile_.EdgesText()));
      return;
    }
    CheckTransport(gateway);
  }

  std::vector<Diagnostic> Finish() {
    if (media_by_udp_ > 0 && sources_left_ == 0) {
      const std::string edges = profile_.EdgesText();
      Report("CV-04", 0,
             Concat("no signalling source left: without the media servers nothing of ",
                    profile_.title, " may call"),
             edges.empty() ? "the carrier's signalling addresses"
                           : Concat("the addresses behind ", edges, "; ask the carrier for them"));
    }
    return std::move(diagnostics_);
  }

 private:
  void Report(std::string_view rule, int line, std::string message, std::string instead) {
    if (IsConfirmed(confirmed_, rule)) return;
    diagnostics_.push_back(ByRule(rule, file_, line, std::move(message), std::move(instead)));
  }

  std::string Ways() const {
    return profile_.transports.empty() ? "another address" : profile_.TransportsText();
  }

  void CheckMedia(const Gateway& gateway, const Pop& pop) {
    const std::string at = gateway.port == 0
                               ? Concat(gateway.host, "/", gateway.transport)
                               : Concat(gateway.host, ":", gateway.port, "/", gateway.transport);
    if (gateway.transport == "udp") {
      ++media_by_udp_;
      Report("CV-01", gateway.line,
             Concat(at, " is a media server of ", profile_.title, " (", pop.name,
                    "): it sends RTP on UDP ", profile_.media_ports,
                    " and is no SIP gateway; SIP of ", profile_.title, " is ", Ways()),
             "it under the media networks and the signalling addresses here");
      return;
    }
    if (gateway.inbound) ++sources_left_;
    Report("CV-03", gateway.line,
           Concat(at,
                  ": only port and protocol were changed, the address is still a media server "
                  "of ",
                  profile_.title, " (", pop.name,
                  "); unless the carrier signals from it too, its calls are refused"),
           "the signalling addresses; or, in a trunk, confirmed: [CV-03] when the carrier says so");
  }

  void CheckTransport(const Gateway& gateway) {
    const std::optional<uint16_t> port = profile_.PortOf(gateway.transport);
    if (!port.has_value()) {
      Report("CV-02", gateway.line,
             Concat(profile_.title, " does not take SIP over ", gateway.transport), Ways());
      return;
    }
    if (gateway.outbound && gateway.port != 0 && *port != 0 && gateway.port != *port) {
      Report("CV-05", gateway.line,
             Concat("port ", gateway.port, " does not fit ", gateway.transport, " at ",
                    profile_.title),
             Ways());
    }
  }

  const Profile& profile_;
  const std::vector<std::string>& confirmed_;
  const std::string& file_;
  std::vector<Diagnostic> diagnostics_;
  int media_by_udp_ = 0;
  int sources_left_ = 0;
};

}  // namespace

bool IsConfirmed(const std::vector<std::string>& confirmed, std::string_view rule) {
  return std::find(confirmed.begin(), confirmed.end(), rule) != confirmed.end();
}

Diagnostic ByRule(std::string_view rule, const std::string& file, int line, std::string message,
                  std::string instead) {
  const Rule* known = FindRule(rule);
  return {known == nullptr ? Severity::kError : known->severity,
          file,
          line,
          std::move(message),
          std::move(instead),
          std::string(rule)};
}

std::vector<Diagnostic> CheckGateways(const Profile& profile, const std::vector<Gateway>& gateways,
                                      const std::vector<std::string>& confirmed,
                                      const std::string& file) {
  GatewayTable table(profile, confirmed, file);
  for (const Gateway& gateway : gateways) table.Check(gateway);
  return table.Finish();
}

}  // namespace sipctl::trunk
