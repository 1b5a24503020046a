// What no single value shows: names that point nowhere, routes that are never taken, addresses that
// the far side cannot reach.
#pragma once

#include "sipctl/trunk/config.h"
#include "sipctl/trunk/config_keys.h"

namespace sipctl::trunk {

// Looks names up and reports what does not fit together. The result may be used only when no error
// was reported.
Config Assemble(Reader& reader, DocumentDraft document);

}  // namespace sipctl::trunk
