// Identifiers that must be unique in time and space and that nobody may guess: tags (RFC 3261
// section 19.3), branches (8.1.1.7), Call-IDs. SipHash-2-4 over a counter: a stream that is
// reproducible from its key, so that a simulation replays, and unpredictable without it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sipctl::sip {

// 128 bits, from the system's random source in production (a repeated key repeats identifiers of
// an earlier life) and from the seed in a test.
struct TokenKey {
  uint64_t low = 0;
  uint64_t high = 0;
};

// SipHash-2-4 (Aumasson, Bernstein 2012) of `bytes`.
uint64_t SipHash(const TokenKey& key, std::string_view bytes);

// `value` as 13 characters [0-9a-v]: short enough for std::string's own storage.
std::string TokenText(uint64_t value);

class Tokens {
 public:
  explicit Tokens(const TokenKey& key) : key_(key) {}

  uint64_t Next();
  std::string NextText() { return TokenText(Next()); }

 private:
  TokenKey key_;
  uint64_t counter_ = 0;
};

}  // namespace sipctl::sip
