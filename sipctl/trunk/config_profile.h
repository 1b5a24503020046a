// Reads a profile file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/trunk/diagnostic.h"
#include "sipctl/trunk/profile.h"

namespace sipctl::trunk {

// Never throws. Nothing when there is an error among the diagnostics.
std::optional<Profile> ParseProfile(std::string_view text, std::string file_name,
                                    std::vector<Diagnostic>* diagnostics);

}  // namespace sipctl::trunk
