// A probe of our own side of a trunk: the name, the addresses and the ports that the carrier is
// told.
#pragma once

#include <string>

#include "sipctl/cli/probe.h"
#include "sipctl/cli/probe_names.h"
#include "sipctl/cli/probe_report.h"
#include "sipctl/trunk/config.h"

namespace sipctl::cli {

class OwnProbe {
 public:
  // None is owned; all must outlive it.
  OwnProbe(const trunk::Config& config, const trunk::Trunk& trunk, const ProbeWorld& world,
           ProbeNames* names, ProbeReport* report);

  void Run();

 private:
  Finding Name();
  Finding Address() const;
  Finding Media() const;
  Finding Ports() const;
  Finding Ephemeral() const;
  std::string ReadProc(const char* name) const;

  const trunk::Config& config_;
  const trunk::Trunk& trunk_;
  const trunk::Listener& listener_;
  const ProbeWorld& world_;
  ProbeNames* const names_;
  ProbeReport* const report_;
};

}  // namespace sipctl::cli
