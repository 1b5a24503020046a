// `sipctl calls`: the calls of the running process, as a table or as JSON. The process makes the
// text; this command prints it.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "sipctl/call/call.h"
#include "sipctl/media/relay_client.h"
#include "sipctl/options.h"

namespace sipctl::cli {

// Exit status: 0 fine, 1 when nobody answers.
int RunCalls(const CallsOptions& options, std::ostream& out, std::ostream& errors);

// In the running process: what it answers to "calls" and "calls json".
std::string CallsText(const std::vector<call::Call::View>& calls,
                      const media::RelayClient::LegTable& media);
std::string CallsJson(const std::vector<call::Call::View>& calls,
                      const media::RelayClient::LegTable& media);

}  // namespace sipctl::cli
