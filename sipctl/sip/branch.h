// What a transaction is called on the wire: the Via branch of our requests (RFC 3261 section
// 8.1.1.7) carries the transaction's id and a proof that we made it, so that a response finds its
// transaction without a table, and nobody can guess another's branch.
//
//   z9hG4bK <prefix> <id: 13 characters> <proof: 13 characters>
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sipctl/sip/message.h"
#include "sipctl/sip/token.h"

namespace sipctl::sip {

class Branches {
 public:
  Branches(std::string_view prefix, const TokenKey& key);

  std::string Of(uint64_t id) const;
  uint64_t IdOf(std::string_view branch) const;  // 0 = not ours
  std::string Fresh();                           // names nothing: for the ACK of a 2xx

  // The To tag of a server transaction.
  std::string Tag(uint64_t id) const;

 private:
  uint64_t Hash(char domain, uint64_t value) const;

  std::string head_;  // cookie and prefix
  TokenKey key_;
  uint64_t fresh_ = 0;
};

inline constexpr std::string_view kMagicCookie = "z9hG4bK";

}  // namespace sipctl::sip
