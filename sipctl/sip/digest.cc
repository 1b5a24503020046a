#include "sipctl/sip/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kScheme = "digest";
// After a first answer one more, if only the nonce was stale.
constexpr int kTriesMax = 2;

std::string HexHash(DigestAlgorithm algorithm, const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), bytes.data(), &size,
             algorithm == DigestAlgorithm::kMd5 ? EVP_md5() : EVP_sha256(), nullptr);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), size));
}

std::string_view AlgorithmName(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::kMd5 ? "MD5" : "SHA-256";
}

// name=value or name="value", one after the other; false at the end or where nothing fits.
class ParameterReader {
 public:
  explicit ParameterReader(std::string_view text) : left_(text) {}

  bool Next(std::string* name, std::string* value) {
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

 private:
  void Skip(std::string_view characters) {
    left_.remove_prefix(std::min(left_.find_first_not_of(characters), left_.size()));
  }

  std::string_view left_;
};

bool HasToken(std::string_view list, std::string_view token) {
  const auto parts = Split(list, ',');
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return EqualsIgnoreCase(Strip(part), token); });
}

std::optional<Challenge> ReadChallenge(std::string_view text, bool proxy) {
  text = Strip(text);
  if (text.size() <= kScheme.size() || !EqualsIgnoreCase(text.substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  Challenge challenge{.proxy = proxy};
  bool known = true;
  bool qop_given = false;
  ParameterReader reader(text.substr(kScheme.size()));
  for (std::string name, value; reader.Next(&name, &value);) {
    if (EqualsIgnoreCase(name, "realm")) challenge.realm = value;
    if (EqualsIgnoreCase(name, "nonce")) challenge.nonce = value;
    if (EqualsIgnoreCase(name, "opaque")) challenge.opaque = value;
    if (EqualsIgnoreCase(name, "stale")) challenge.stale = EqualsIgnoreCase(value, "true");
    if (EqualsIgnoreCase(name, "qop")) {
      qop_given = true;
      challenge.qop = HasToken(value, "auth");
    }
    if (EqualsIgnoreCase(name, "algorithm")) {
      challenge.algorithm_given = true;
      known = EqualsIgnoreCase(value, "MD5") || EqualsIgnoreCase(value, "SHA-256");
      if (EqualsIgnoreCase(value, "SHA-256")) challenge.algorithm = DigestAlgorithm::kSha256;
    }
  }
  // auth-int alone would need the body's hash; nobody asks for it.
  if (!known || challenge.nonce.empty() || (qop_given && !challenge.qop)) return std::nullopt;
  return challenge;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::vector<Challenge> ReadChallenges(const Message& response) {
  std::vector<Challenge> challenges;
  const bool proxy = response.status == 407;
  for (const HeaderField& field : response.others) {
    if (!EqualsIgnoreCase(field.name, proxy ? "Proxy-Authenticate" : "WWW-Authenticate")) continue;
    if (auto challenge = ReadChallenge(field.value, proxy)) {
      challenges.push_back(*std::move(challenge));
    }
  }
  return challenges;
}

bool DigestClient::Accept(const Message& response, const Credentials& credentials) {
  std::optional<Challenge> best;
  for (Challenge& challenge : ReadChallenges(response)) {
    if (!credentials.realm.empty() && challenge.realm != credentials.realm) continue;
    if (!best || challenge.algorithm > best->algorithm) best = std::move(challenge);
  }
  if (!best || tries_ >= kTriesMax || (tries_ > 0 && !best->stale)) return false;
  ++tries_;
  // A count belongs to its nonce (trap T-26).
  if (!challenge_ || challenge_->nonce != best->nonce) count_ = 0;
  challenge_ = std::move(best);
  return true;
}

void DigestClient::Authorize(const Credentials& credentials, std::string_view cnonce,
                             Message* request) {
  if (!challenge_) return;
  const Challenge& challenge = *challenge_;
  const std::string count = absl::StrFormat("%08x", ++count_);
  const std::string uri = request->request_uri.ToString();
  const std::string method(MethodName(request->method));
  const std::string who =
      HexHash(challenge.algorithm,
              Concat(credentials.user, ":", challenge.realm, ":", credentials.password));
  const std::string what = HexHash(challenge.algorithm, Concat(method, ":", uri));
  const std::string middle =
      challenge.qop ? Concat(challenge.nonce, ":", count, ":", cnonce, ":auth") : challenge.nonce;
  const std::string answer = HexHash(challenge.algorithm, Concat(who, ":", middle, ":", what));
  std::string value = Concat(
      "Digest username=", Quoted(credentials.user), ", realm=", Quoted(challenge.realm),
      ", nonce=", Quoted(challenge.nonce), ", uri=", Quoted(uri), ", response=\"", answer, "\"");
  if (challenge.algorithm_given)
    value += Concat(", algorithm=", AlgorithmName(challenge.algorithm));
  if (challenge.qop) value += Concat(", qop=auth, nc=", count, ", cnonce=\"", cnonce, "\"");
  if (!challenge.opaque.empty()) value += Concat(", opaque=", Quoted(challenge.opaque));
  const std::string name = challenge.proxy ? "Proxy-Authorization" : "Authorization";
  std::erase_if(request->others,
                [&](const HeaderField& field) { return EqualsIgnoreCase(field.name, name); });
  request->others.push_back({name, std::move(value)});
}

}  // namespace sipctl::sip
