// Two relays that lend the same ports of one address would find out call by call, by packets of
// one that the other takes. So each says at its start which ranges it has, and looks at the
// others'. A claim is a name in the network namespace (unix(7), abstract), gone with its process.
#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/mapping.h"
#include "relay/abi/segment.h"

namespace relay {

class RangeClaim {
 public:
  // Refuses what overlaps the range of another relay on that address, and names its process. What a
  // stranger claims, who is neither root nor our user, holds nobody up.
  static absl::StatusOr<RangeClaim> Take(std::span<const abi::LocalAddress> addresses);

 private:
  std::vector<abi::Descriptor> names_;
};

}  // namespace relay
