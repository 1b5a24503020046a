// `sipctl route NUMBER`: which route a call would take, and why not the others.
#pragma once

#include <iosfwd>
#include <string>

namespace sipctl::cli {

struct RouteOptions {
  std::string number;
  std::string from;    // name of the trunk the call comes from
  std::string config;  // path
  std::string source;  // address the call comes from; may be empty
};

// Exit status: 0 the call has a route, 1 it has none, or the configuration has errors.
int RunRoute(const RouteOptions& options, std::ostream& out, std::ostream& err);

}  // namespace sipctl::cli
