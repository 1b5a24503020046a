// The answer of a dynamic URL: what a carrier's Connect applet fetches before it calls us.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sipctl/trunk/diagnostic.h"
#include "sipctl/trunk/profile.h"

namespace sipctl::cli {

// One JSON object: fetch_after_attempt, destination, custom_params, record, recording_channels.
std::vector<trunk::Diagnostic> LintDynamicUrl(std::string_view text, const std::string& file,
                                              const trunk::Profile& profile);

}  // namespace sipctl::cli
