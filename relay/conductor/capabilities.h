// What a thread may do beyond its user (capabilities(7)), given up when it is not needed any more.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace relay::conductor {

// A set of capabilities: 1 << CAP_..., of linux/capability.h.
using CapabilitySet = uint64_t;

// The calling thread keeps of its capabilities at most these; it cannot get the others back, nor
// does what it starts have them.
absl::Status KeepCapabilities(CapabilitySet kept);

// The same for every thread of the process, also those that libraries started. Not for two callers
// at a time. An error names a thread that did not give up its rights within a second.
absl::Status KeepCapabilitiesEverywhere(CapabilitySet kept);

}  // namespace relay::conductor
