// `sipctl probe TRUNK`: asks the network what a configuration cannot know. Each step says how long
// it took and, when it failed, what is likely wrong, the most likely first.
#pragma once

#include <iosfwd>
#include <string>

#include "sipctl/cli/probe_names.h"

namespace sipctl::cli {

struct ProbeOptions {
  std::string trunk;   // name
  std::string config;  // path
};

// What the probe sees of the world; tests bring their own.
struct ProbeWorld {
  ProbeNames::MakeResolver make_resolver;  // empty: the name servers of the configuration
  std::string proc = "/proc/sys/net/ipv4";
  int wait_ms = 4000;       // for a connection, for a hand-shake, and for an answer
  int dns_wait_ms = 12000;  // for a name: every server is asked again
};

// Exit status: 0 when no step failed (warnings included), else 1.
int RunProbe(const ProbeOptions& options, std::ostream& out, std::ostream& err,
             const ProbeWorld& world = {});

}  // namespace sipctl::cli
