// Reads any text as a configuration. What must hold: nothing is thrown, there is a configuration or
// an error, and a configuration can be routed and asked for its callers.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sipctl/trunk/acl.h"
#include "sipctl/trunk/config.h"
#include "sipctl/trunk/limits.h"
#include "sipctl/trunk/router.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const sipctl::trunk::LoadResult result =
      sipctl::trunk::ParseConfig({reinterpret_cast<const char*>(data), size}, "fuzz");
  Require((result.config == nullptr) == sipctl::trunk::HasError(result.diagnostics));
  if (result.config == nullptr) return 0;
  const sipctl::trunk::Config& config = *result.config;
  const sipctl::trunk::Acl acl(config);
  const sipctl::trunk::Router router(result.config);
  sipctl::trunk::Limits limits(config, 0);
  for (size_t i = 0; i < config.trunks.size(); ++i) {
    const sipctl::trunk::Trunk& trunk = config.trunks[i];
    Require(trunk.listener < config.listeners.size() && !trunk.addresses.empty());
    for (const sipctl::sdp::IpNetwork& network : trunk.sources) {
      Require(acl.Find(network.address).has_value());
    }
    const sipctl::trunk::Decision decision = router.Find({.source = i, .number = "+918012345678"});
    if (!decision.trunk.has_value()) continue;
    Require(!config.trunks[*decision.trunk].destinations.empty());
    if (limits.Begin(i, *decision.trunk, 0) == sipctl::trunk::Admission::kAdmitted) {
      limits.End(i, *decision.trunk);
    }
  }
  return 0;
}
