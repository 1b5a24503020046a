// The certificate files of a configuration as they are on disk: can they be used, do they fit, and
// how long. Asked by `sipctl check`, and by a running sipctl twice a day.
#pragma once

#include <cstdint>
#include <vector>

#include "sipctl/trunk/config.h"
#include "sipctl/trunk/diagnostic.h"

namespace sipctl::cli {

inline constexpr int64_t kDaySeconds = 86'400;
// A certificate that ends sooner is told of.
inline constexpr int64_t kExpiryWarningDays = 14;

std::vector<trunk::Diagnostic> CheckCertificates(const trunk::Config& config, int64_t now_unix_s);

}  // namespace sipctl::cli
