// A probe of one destination: where it leads, and whether each address there takes a connection,
// shows the right certificate and speaks SIP.
#pragma once

#include <optional>
#include <string>

#include "sipctl/cli/probe.h"
#include "sipctl/cli/probe_names.h"
#include "sipctl/cli/probe_report.h"
#include "sipctl/cli/probe_socket.h"
#include "sipctl/sip/locator.h"
#include "sipctl/trunk/config.h"

namespace sipctl::cli {

class PeerProbe {
 public:
  // None is owned; all must outlive it.
  PeerProbe(const trunk::Config& config, const trunk::Trunk& trunk,
            const trunk::Destination& destination, const ProbeWorld& world, ProbeNames* names,
            ProbeReport* report);

  void Run();

 private:
  Finding Dns();
  // CV-06: whether who answers at the carrier's name may also call.
  Finding Compare(std::string text) const;
  void Ask(const sip::Target& target);
  Finding Connect(const sip::Target& target, ProbeSocket* socket) const;
  Finding Tls(const sip::Target& target, ProbeSocket* socket) const;
  Finding TlsFailed(const sip::Target& target, const std::string& error) const;
  Finding Options(ProbeSocket* socket) const;
  std::string OptionsText(const sdp::IpEndpoint& local) const;

  const trunk::Trunk& trunk_;
  const trunk::Destination& destination_;
  const trunk::Listener& listener_;
  const ProbeWorld& world_;
  ProbeNames* const names_;
  ProbeReport* const report_;
  const sip::Place place_;
  std::vector<sip::Target> targets_;
};

}  // namespace sipctl::cli
