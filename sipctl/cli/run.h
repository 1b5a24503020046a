// `sipctl run CONFIG`: puts the rooms together and turns the loop until SIGTERM.
#pragma once

#include <ostream>

#include "sipctl/options.h"

namespace sipctl::cli {

// Exit status: 0 after a drain, 1 when it could not start.
int RunServer(const RunOptions& options, std::ostream& errors);

}  // namespace sipctl::cli
