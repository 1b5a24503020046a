// Whose SIP is this? Asked for every datagram and every accepted connection, before parsing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "sipctl/sdp/address.h"
#include "sipctl/trunk/config.h"

namespace sipctl::trunk {

// Immutable after construction; the longest prefix wins. One hash look-up for each prefix length
// in use, so a flood of unknown sources costs the same however many trunks there are.
class Acl {
 public:
  explicit Acl(const Config& config);

  // Index into Config::trunks; nothing for a stranger, who gets no answer at all.
  std::optional<size_t> Find(const sdp::IpAddress& source) const;

 private:
  struct Length {
    uint8_t prefix_length;
    absl::flat_hash_map<sdp::IpAddress, size_t> trunks;  // key: masked address
  };
  std::vector<Length> lengths_;  // longest first
};

}  // namespace sipctl::trunk
