// What stands as a SIP gateway of a carrier, in our configuration or in somebody else's table: is
// that address what its role says?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sdp/address.h"
#include "sipctl/trunk/diagnostic.h"
#include "sipctl/trunk/profile.h"

namespace sipctl::trunk {

struct Gateway {
  std::string host;                       // as written: address, network or name
  std::optional<sdp::IpNetwork> network;  // unless it is a name
  uint16_t port = 0;                      // 0 = not said
  std::string transport;                  // "udp", "tcp", "tls"
  bool inbound = false;                   // its SIP is accepted
  bool outbound = false;                  // calls are sent to it
  int line = 0;
};

// Rules CV-01 to CV-05 and CV-07 over the whole table. Rules named in `confirmed` are silent.
std::vector<Diagnostic> CheckGateways(const Profile& profile, const std::vector<Gateway>& gateways,
                                      const std::vector<std::string>& confirmed,
                                      const std::string& file);

// A complaint by a rule of the catalogue, with its severity.
Diagnostic ByRule(std::string_view rule, const std::string& file, int line, std::string message,
                  std::string instead);
bool IsConfirmed(const std::vector<std::string>& confirmed, std::string_view rule);

}  // namespace sipctl::trunk
