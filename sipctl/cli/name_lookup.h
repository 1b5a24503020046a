// What the domain name system says of a name, with what a carrier's server would also see: for how
// long it may be believed, and whether it is an alias. Blocks: for commands that end by themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sipctl/sdp/address.h"

namespace sipctl::cli {

struct NameAnswer {
  std::vector<sdp::IpAddress> addresses;  // A, then AAAA
  uint32_t ttl_s = 0;                     // the shortest; 0 = not known (from /etc/hosts)
  std::string alias;                      // what a CNAME at the name points to; may be empty
  std::string error;                      // why there is no address
};

using NameLookup = std::function<NameAnswer(const std::string& name)>;

NameAnswer LookUpName(const std::string& name);
// The records of one answer, appended. Any bytes are safe to give.
void ReadRecords(const uint8_t* bytes, size_t size, NameAnswer* answer);

}  // namespace sipctl::cli
