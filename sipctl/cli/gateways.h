// Somebody else's gateway table, as CSV or JSON, against a carrier's profile.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sipctl/trunk/diagnostic.h"
#include "sipctl/trunk/gateway.h"

namespace sipctl::cli {

// Columns or members: address (also ipv4, ip, host), port, protocol (also transport), inbound,
// outbound (true, false, 1, 0, yes, no). CSV needs its heading line; JSON is a list of objects, or
// an object whose first list is one. In JSON the "line" of a gateway is its position from 1.
std::vector<trunk::Gateway> ReadGateways(std::string_view text, const std::string& file,
                                         std::vector<trunk::Diagnostic>* diagnostics);

// Reads the file and checks it as a table of the profile's carrier.
std::vector<trunk::Diagnostic> CheckGatewayFile(const std::string& path,
                                                const std::string& profile);

}  // namespace sipctl::cli
