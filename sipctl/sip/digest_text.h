// What both sides of digest authentication share (RFC 7616, RFC 8760): the hashes, and the form of
// its headers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sipctl::sip {

enum class DigestAlgorithm : uint8_t { kMd5, kSha256 };

std::string_view DigestName(DigestAlgorithm algorithm);  // "MD5", "SHA-256"
// Nothing for an algorithm that we do not know; none at all is MD5 (RFC 7616 section 3.3).
std::optional<DigestAlgorithm> DigestAlgorithmOf(std::string_view name);
constexpr size_t DigestHexBytes(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::kMd5 ? 32 : 64;
}

struct DigestQuestion {
  std::string_view user;
  std::string_view realm;
  std::string_view password;
  std::string_view method;
  std::string_view uri;
  // nonce, or nonce:nc:cnonce:qop
  std::string_view middle;
};
// The value of `response`, in hexadecimal.
std::string DigestResponse(DigestAlgorithm algorithm, const DigestQuestion& question);

// With quotes around it, as quoted-string.
std::string DigestQuoted(std::string_view text);

// What stands behind "Digest" in a challenge or an answer; nothing for other schemes.
std::optional<std::string_view> DigestPart(std::string_view value);

// name=value or name="value", one after the other.
class DigestParameters {
 public:
  explicit DigestParameters(std::string_view text) : left_(text) {}
  // False at the end, or where nothing fits.
  bool Next(std::string* name, std::string* value);

 private:
  void Skip(std::string_view characters);

  std::string_view left_;
};

}  // namespace sipctl::sip
