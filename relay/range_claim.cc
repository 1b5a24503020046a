#include "relay/range_claim.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/address_text.h"

namespace relay {
namespace {

constexpr char kKind[] = "ports";

struct Range {
  std::string address;
  uint32_t first = 0, last = 0;
  bool Overlaps(const Range& other) const {
    return address == other.address && first <= other.last && other.first <= last;
  }
};

Range RangeOf(const abi::LocalAddress& local) {
  return {AddressText(local.address), local.port_first, local.port_last};
}

// As a claim has it: "192.0.2.1 10000 39999".
std::string Write(const Range& range) {
  return absl::StrCat(range.address, " ", range.first, " ", range.last);
}

std::optional<Range> Read(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  Range range;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &range.first) ||
      !absl::SimpleAtoi(parts[2], &range.last)) {
    return std::nullopt;
  }
  range.address = parts[0];
  return range;
}

}  // namespace

absl::StatusOr<std::vector<Claim>> ClaimRanges(std::span<const abi::LocalAddress> addresses) {
  std::vector<Claim> claims;
  // First claimed, then looked at: of two that start at once, one at least sees the other.
  for (const abi::LocalAddress& local : addresses) {
    absl::StatusOr<Claim> claim = Claim::Make(kKind, Write(RangeOf(local)));
    if (!claim.ok()) return claim.status();
    claims.push_back(*std::move(claim));
  }
  for (const Claim::Other& other : Claim::Others(kKind, claims)) {
    const std::optional<Range> theirs = Read(other.what);
    for (const abi::LocalAddress& local : addresses) {
      if (!theirs || !RangeOf(local).Overlaps(*theirs)) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("--listen ", ListenText(local), ": process ", other.holder, " relays on ",
                       theirs->address, ":", theirs->first, "-", theirs->last,
                       "; stop it, or give one of the two other ports"));
    }
  }
  return claims;
}

}  // namespace relay
