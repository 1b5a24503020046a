#include "sipctl/cli/carrier_sheet.h"

#include <ostream>

#include "sipctl/cli/trunk_of.h"
#include "sipctl/text.h"

namespace sipctl::cli {
namespace {

std::string Account(const trunk::Trunk& trunk) {
  if (trunk.from_domain.empty()) return "not configured (from_domain)";
  if (trunk.carrier == nullptr || !trunk.carrier->IsAccountName(trunk.from_domain)) {
    return trunk.from_domain;
  }
  return Concat(trunk.from_domain.substr(
                    0, trunk.from_domain.size() - trunk.carrier->account_domain.size() - 1),
                ", in From as ", trunk.from_domain);
}

std::string MediaOf(const trunk::MediaAddress& address) {
  return sdp::FormatIpAddress(address.advertise);
}

std::string HostPortOf(const std::string& host, uint16_t port) {
  return host.find(':') == std::string::npos ? Concat(host, ":", port)
                                             : Concat("[", host, "]:", port);
}

std::string EncryptionOf(const sdp::MediaPolicy& media) {
  if (media.srtp == sdp::Srtp::kOff) return "RTP without SRTP";
  const std::string suites =
      Concat(" with keys in SDP (RFC 4568): ", Join(media.suites_offered, ", ", sdp::SuiteName));
  return Concat(media.srtp == sdp::Srtp::kRequired ? "SRTP" : "RTP, or SRTP", suites);
}

void PrintOurs(const trunk::Config& config, const trunk::Trunk& trunk, std::ostream& out) {
  const trunk::Listener& listener = config.listeners[trunk.listener];
  const std::string_view transport = trunk::TransportName(listener.transport);
  out << "to the carrier\n"
      << "  account: " << Account(trunk) << '\n'
      << "  numbers: "
      << (trunk.numbers.empty() ? "not configured (numbers)" : Join(trunk.numbers, ", ")) << '\n'
      << "  our calls come from: " << listener.advertise_host << " over " << transport << '\n'
      << "  send calls for us to: " << HostPortOf(listener.advertise_host, listener.advertise_port)
      << ";transport=" << transport << '\n'
      << "  our media: " << Join(trunk.addresses, ", ", MediaOf) << " over UDP, "
      << EncryptionOf(trunk.media) << '\n'
      << "  codecs: " << Join(trunk.media.codecs, ", ", sdp::CodecName) << '\n'
      << "  calls at a time: " << trunk.calls_max << ", new calls a minute: "
      << (trunk.calls_per_minute == 0 ? "no limit" : std::to_string(trunk.calls_per_minute))
      << '\n';
}

void PrintTheirs(const trunk::Trunk& trunk, std::ostream& out) {
  out << "for the carrier to confirm\n"
      << "  its calls come from: " << Join(trunk.sources, ", ", sdp::FormatIpNetwork) << '\n';
  if (!trunk.destinations.empty()) {
    out << "  it takes calls at: "
        << HostPortOf(trunk.destinations.front().host, trunk.destinations.front().port) << " over "
        << trunk::TransportName(trunk.destinations.front().transport) << '\n';
  }
  out << "  its media: "
      << (trunk.networks.empty() ? "anywhere" : Join(trunk.networks, ", ", sdp::FormatIpNetwork));
  if (trunk.carrier != nullptr && !trunk.carrier->media_ports.empty()) {
    out << " on UDP " << trunk.carrier->media_ports;
  }
  out << '\n';
  if (trunk.carrier != nullptr) {
    out << "  profile " << trunk.carrier->name << " of " << trunk.carrier->dated
        << (trunk.carrier->confirmed ? "" : ", never confirmed") << '\n';
  }
}

}  // namespace

int RunCarrierSheet(const CarrierSheetOptions& options, std::ostream& out, std::ostream& err) {
  const std::optional<TrunkOf> found = LoadTrunk(options.config, options.trunk, err);
  if (!found.has_value()) return 1;
  const trunk::Trunk& trunk = found->config->trunks[found->trunk];
  PrintOurs(*found->config, trunk, out);
  PrintTheirs(trunk, out);
  return 0;
}

}  // namespace sipctl::cli
