// What a thread may do beyond its user (capabilities(7)), given up when it is not needed any more.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace relay {

// A set of capabilities: 1 << CAP_..., of linux/capability.h.
using CapabilitySet = uint64_t;

bool HasCapability(int capability);

// The calling thread keeps of its capabilities at most these; it cannot get the others back, nor
// does what it starts have them.
absl::Status KeepCapabilities(CapabilitySet kept);

// The same for every thread of the process, also those that libraries started. Not for two callers
// at a time. An error names a thread that takes no signal, and keeps its rights until it does.
absl::Status KeepCapabilitiesEverywhere(CapabilitySet kept);

}  // namespace relay
