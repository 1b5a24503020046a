// Carriers change; a profile that nobody compared with its carrier for long is told of (CV-23).
#pragma once

#include <cstdint>
#include <vector>

#include "sipctl/trunk/config.h"
#include "sipctl/trunk/diagnostic.h"

namespace sipctl::trunk {

inline constexpr int64_t kProfileAgeMaxDays = 180;

// One complaint a trunk with such a profile.
std::vector<Diagnostic> CheckProfileAge(const Config& config, int64_t now_unix_s);

}  // namespace sipctl::trunk
