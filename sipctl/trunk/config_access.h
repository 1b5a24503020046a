// Who logs in: users of trunks and the listeners where they do.
#pragma once

#include <cstddef>

#include "sipctl/trunk/config_keys.h"

namespace sipctl::trunk {

// What only an access listener has.
void TakeAccess(Reader& reader, const ListenerDraft& draft, Listener* listener);
// The users, and what a trunk that has some must not have besides.
void TakeUsers(Reader& reader, const TrunkDraft& draft, Trunk* trunk);
// Index of the listener of a trunk with users.
size_t ChooseAccessListener(Reader& reader, const Config& config, const TrunkDraft& draft);
// What users and listeners are to each other, in the whole of the document.
void CheckUsers(Reader& reader, const DocumentDraft& document, const Config& config);

}  // namespace sipctl::trunk
