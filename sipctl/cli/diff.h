// `sipctl diff`: what a reload of another file would change in the running process.
#pragma once

#include <iosfwd>

#include "sipctl/options.h"

namespace sipctl::cli {

// Exit status: 0 when a reload would be taken, 1 when it would be refused or nobody can be asked.
int RunDiff(const DiffOptions& options, std::ostream& out, std::ostream& err);

}  // namespace sipctl::cli
