#include "sipctl/sip/branch.h"

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"

namespace sipctl::sip {
namespace {

constexpr size_t kTokenChars = 13;

std::optional<uint64_t> ReadToken(std::string_view text) {
  uint64_t value = 0;
  for (char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'v' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    value = value << 5 | static_cast<uint64_t>(digit);
  }
  return value;
}

}  // namespace

Branches::Branches(std::string_view prefix, const TokenKey& key)
    : head_(std::string(kMagicCookie) + std::string(prefix)), key_(key) {}

uint64_t Branches::Hash(char domain, uint64_t value) const {
  char bytes[1 + sizeof value];
  bytes[0] = domain;
  std::memcpy(bytes + 1, &value, sizeof value);
  return SipHash(key_, {bytes, sizeof bytes});
}

std::string Branches::Of(uint64_t id) const {
  return absl::StrCat(head_, TokenText(id), TokenText(Hash('b', id)));
}

uint64_t Branches::IdOf(std::string_view branch) const {
  if (branch.size() != head_.size() + 2 * kTokenChars || !branch.starts_with(head_)) return 0;
  const auto id = ReadToken(branch.substr(head_.size(), kTokenChars));
  const auto proof = ReadToken(branch.substr(head_.size() + kTokenChars));
  return id && proof && *proof == Hash('b', *id) ? *id : 0;
}

std::string Branches::Fresh() {
  return absl::StrCat(head_, "a", TokenText(Hash('a', ++fresh_)));
}

std::string Branches::Tag(uint64_t id) const {
  return TokenText(Hash('t', id));
}

}  // namespace sipctl::sip
