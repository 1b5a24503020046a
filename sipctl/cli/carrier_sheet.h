// `sipctl carrier-sheet TRUNK`: what the carrier must be told, and what it must tell us.
#pragma once

#include <iosfwd>
#include <string>

namespace sipctl::cli {

struct CarrierSheetOptions {
  std::string trunk;
  std::string config;  // path
};

// Exit status: 1 when the configuration has errors or no such trunk.
int RunCarrierSheet(const CarrierSheetOptions& options, std::ostream& out, std::ostream& err);

}  // namespace sipctl::cli
