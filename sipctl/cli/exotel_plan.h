// `sipctl exotel-plan TRUNK`: the requests that set the trunk up at Exotel, as a shell script to
// read and to run by hand. Nothing is executed, and no secret is known here: they come from the
// environment of whoever runs it.
#pragma once

#include <iosfwd>
#include <string>

namespace sipctl::cli {

struct ExotelPlanOptions {
  std::string trunk;   // name
  std::string config;  // path
};

// Exit status: 0, or 1 when the configuration has errors, no such trunk, or its carrier no such
// interface.
int RunExotelPlan(const ExotelPlanOptions& options, std::ostream& out, std::ostream& err);

}  // namespace sipctl::cli
