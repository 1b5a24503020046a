#include "sipctl/cli/tls_of.h"

namespace sipctl::cli {

std::optional<sip::TlsClientOptions> TlsOf(const trunk::Trunk& trunk) {
  if (trunk.destinations.empty() ||
      trunk.destinations.front().transport != trunk::Transport::kTls) {
    return std::nullopt;
  }
  const trunk::Tls& tls = trunk.tls;
  return sip::TlsClientOptions{
      .name = tls.name.empty() ? trunk.destinations.front().host : tls.name,
      .trust = tls.trust,
      .identity = {.certificate = tls.certificate, .key = tls.key},
      .verify = tls.verify};
}

}  // namespace sipctl::cli
