#include "sipctl/sip/digest_text.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kScheme = "digest";

std::string HexHash(DigestAlgorithm algorithm, const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), bytes.data(), &size,
             algorithm == DigestAlgorithm::kMd5 ? EVP_md5() : EVP_sha256(), nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), size));
}

}  // namespace

std::string_view DigestName(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::kMd5 ? "MD5" : "SHA-256";
}

std::optional<DigestAlgorithm> DigestAlgorithmOf(std::string_view name) {
  if (name.empty() || EqualsIgnoreCase(name, "MD5")) return DigestAlgorithm::kMd5;
  if (EqualsIgnoreCase(name, "SHA-256")) return DigestAlgorithm::kSha256;
  return std::nullopt;
}

std::string DigestResponse(DigestAlgorithm algorithm, const DigestQuestion& question) {
  const std::string who =
      HexHash(algorithm, Concat(question.user, ":", question.realm, ":", question.password));
  const std::string what = HexHash(algorithm, Concat(question.method, ":", question.uri));
  return HexHash(algorithm, Concat(who, ":", question.middle, ":", what));
}

std::string DigestQuoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::optional<std::string_view> DigestPart(std::string_view value) {
  value = Strip(value);
  if (value.size() <= kScheme.size() || !EqualsIgnoreCase(value.substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  return value.substr(kScheme.size());
}

bool DigestParameters::Next(std::string* name, std::string* value) {
  Skip(" \t\r\n,");
  const size_t equals = left_.find('=');
  if (equals == left_.npos) return false;
  *name = std::string(Strip(left_.substr(0, equals)));
  left_.remove_prefix(equals + 1);
  Skip(" \t\r\n");
  value->clear();
  if (left_.empty() || left_.front() != '"') {
    const size_t end = std::min(left_.find(','), left_.size());
    *value = std::string(Strip(left_.substr(0, end)));
    left_.remove_prefix(end);
    return true;
  }
  size_t i = 1;
  for (; i < left_.size() && left_[i] != '"'; ++i) {
    if (left_[i] == '\\' && i + 1 < left_.size()) ++i;
    value->push_back(left_[i]);
  }
  if (i >= left_.size()) return false;
  left_.remove_prefix(i + 1);
  return true;
}

void DigestParameters::Skip(std::string_view characters) {
  left_.remove_prefix(std::min(left_.find_first_not_of(characters), left_.size()));
}

}  // namespace sipctl::sip
