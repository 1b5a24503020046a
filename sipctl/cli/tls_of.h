// How a trunk's destinations are called over TLS.
#pragma once

#include <optional>

#include "sipctl/sip/tls.h"
#include "sipctl/trunk/config.h"

namespace sipctl::cli {

// Nothing for a trunk that is not called over TLS. `name` is the first destination's where the
// trunk gives none for all.
std::optional<sip::TlsClientOptions> TlsOf(const trunk::Trunk& trunk);

}  // namespace sipctl::cli
