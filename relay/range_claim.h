// Two relays that lend the same ports of one address would find out call by call, by packets of
// one that the other takes. So each claims its ranges at its start.
#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/segment.h"
#include "relay/claim.h"

namespace relay {

// Refuses what overlaps the range of another relay on that address, and names its process. The
// ranges are ours as long as the claims live.
absl::StatusOr<std::vector<Claim>> ClaimRanges(std::span<const abi::LocalAddress> addresses);

}  // namespace relay
