// What a trunk's profile fills in, and the carrier's rules over what then stands there.
#pragma once

#include "sipctl/trunk/config.h"
#include "sipctl/trunk/config_keys.h"

namespace sipctl::trunk {

// Fills in what the trunk does not say. Afterwards transport has a value.
void ApplyProfile(Reader& reader, TrunkDraft* draft);

// `trunk` is what became of `draft`, `listener` the one it uses.
void CheckCarrier(Reader& reader, const Trunk& trunk, const TrunkDraft& draft,
                  const Listener& listener);

}  // namespace sipctl::trunk
