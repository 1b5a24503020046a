#include "sipctl/cli/probe.h"

#include <optional>
#include <ostream>

#include "sipctl/cli/probe_names.h"
#include "sipctl/cli/probe_own.h"
#include "sipctl/cli/probe_peer.h"
#include "sipctl/cli/probe_report.h"
#include "sipctl/cli/trunk_of.h"
#include "sipctl/sip/resolver.h"
#include "sipctl/text.h"

namespace sipctl::cli {

int RunProbe(const ProbeOptions& options, std::ostream& out, std::ostream& err,
             const ProbeWorld& world) {
  const std::optional<TrunkOf> found = LoadTrunk(options.config, options.trunk, err);
  if (!found.has_value()) return 1;
  const trunk::Config& config = *found->config;
  const trunk::Trunk& trunk = config.trunks[found->trunk];
  ProbeNames::MakeResolver make_resolver = world.make_resolver;
  if (!make_resolver) {
    make_resolver = [&config](Loop* loop) -> absl::StatusOr<std::unique_ptr<sip::Resolver>> {
      return sip::AresResolver::Create(loop, Join(config.name_servers, ","));
    };
  }
  const auto names = ProbeNames::Create(make_resolver, world.dns_wait_ms);
  if (!names.ok()) {
    err << "sipctl: " << names.status().message() << '\n';
    return 1;
  }
  ProbeReport report(out);
  for (const trunk::Destination& destination : trunk.destinations) {
    PeerProbe(config, trunk, destination, world, names->get(), &report).Run();
  }
  if (trunk.destinations.empty()) {
    report.Step("dns", [] {
      return Finding{Finding::Verdict::kSkipped, "the trunk only calls us", {}};
    });
  }
  OwnProbe(config, trunk, world, names->get(), &report).Run();
  return report.End();
}

}  // namespace sipctl::cli
