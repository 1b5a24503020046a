// `sipctl lint-message FILE`: a SIP request to a carrier against its profile's header rules.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/trunk/diagnostic.h"
#include "sipctl/trunk/profile.h"

namespace sipctl::cli {

struct LintMessageOptions {
  std::string file;
  std::string profile;
  bool flow = false;  // the call shall enter a call flow of the carrier
};

// One message; lines may end in LF or CR LF.
std::vector<trunk::Diagnostic> LintMessage(std::string_view text, const std::string& file,
                                           const trunk::Profile& profile, bool flow);

// Exit status: 1 with errors.
int RunLintMessage(const LintMessageOptions& options, std::ostream& out);

}  // namespace sipctl::cli
