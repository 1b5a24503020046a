// `sipctl registrations`: who has logged in to the running process, as a table or as JSON.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "sipctl/call/doorkeeper.h"
#include "sipctl/call/registrar.h"
#include "sipctl/options.h"

namespace sipctl::cli {

// Exit status: 0 fine, 1 when nobody answers.
int RunRegistrations(const CallsOptions& options, std::ostream& out, std::ostream& errors);

// In the running process: what it answers to "registrations" and "registrations json".
std::string RegistrationsText(const std::vector<call::Registrar::View>& views,
                              const call::DoorCounters& counters);
std::string RegistrationsJson(const std::vector<call::Registrar::View>& views,
                              const call::DoorCounters& counters);

}  // namespace sipctl::cli
