#include "sipctl/sip/digest_server.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

// Of a nonce: when, which, and the seal over both; hexadecimal digits.
constexpr size_t kNumberDigits = 16;
constexpr size_t kSealBytes = 16;
constexpr size_t kNonceDigits = 2 * kNumberDigits + 2 * kSealBytes;

std::optional<uint64_t> ReadHex(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    const char lower = ToLower(c);
    const bool letter = lower >= 'a' && lower <= 'f';
    if (!IsDigit(c) && !letter) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(letter ? lower - 'a' + 10 : c - '0');
  }
  return value;
}

bool SameSecret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Whether `text`, the `uri` of an answer, names whom the request is for: the same user, as RFC 3261
// section 19.1.4 compares them. Not the host, nor what follows it: both are ours in either, and
// proxies before us write the next hop there without asking (section 16.6).
bool NamesSameUser(std::string_view text, const Uri& request_uri) {
  const auto uri = Uri::Parse(text);
  return uri.ok() && uri->user == request_uri.user;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), ToLower);
  return text;
}

}  // namespace

std::optional<DigestAnswer> ReadDigestAnswer(std::string_view value) {
  const auto part = DigestPart(value);
  if (!part) return std::nullopt;
  DigestAnswer answer;
  std::string qop, algorithm;
  const std::pair<std::string_view, std::string*> fields[] = {
      {"username", &answer.user},     {"realm", &answer.realm},
      {"nonce", &answer.nonce},       {"uri", &answer.uri},
      {"cnonce", &answer.cnonce},     {"nc", &answer.count_text},
      {"response", &answer.response}, {"qop", &qop},
      {"algorithm", &algorithm}};
  DigestParameters reader(*part);
  for (std::string name, text; reader.Next(&name, &text);) {
    for (const auto& [known, field] : fields) {
      if (!EqualsIgnoreCase(name, known)) continue;
      // RFC 7616 section 3.4: none of them may stand twice.
      if (!field->empty()) return std::nullopt;
      *field = text;
    }
  }
  const auto known = DigestAlgorithmOf(algorithm);
  const auto count = ReadHex(answer.count_text);
  if (!known || !count || *count == 0 || answer.count_text.size() != 8) return std::nullopt;
  answer.algorithm = *known;
  answer.count = static_cast<uint32_t>(*count);
  answer.response = Lower(std::move(answer.response));
  if (!EqualsIgnoreCase(qop, "auth") || answer.user.empty() || answer.cnonce.empty() ||
      answer.uri.empty() || answer.response.size() != DigestHexBytes(*known)) {
    return std::nullopt;
  }
  return answer;
}

std::string DigestServer::Write(const Nonce& nonce, std::string_view realm,
                                const SocketAddress& source) const {
  const std::string head =
      absl::StrFormat("%016x%016x", static_cast<uint64_t>(nonce.made), nonce.unique);
  // The address without its port: a NAT may give each connection another one.
  const std::string text = Concat(head, AddressText(source.address), " ", realm);
  std::array<unsigned char, EVP_MAX_MD_SIZE> seal;
  unsigned int size = 0;
  HMAC(EVP_sha256(), options_.key.data(), static_cast<int>(options_.key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), seal.data(), &size);
  return Concat(head, absl::BytesToHexString(absl::string_view(
                          reinterpret_cast<const char*>(seal.data()), kSealBytes)));
}

std::optional<DigestServer::Nonce> DigestServer::Read(std::string_view text, std::string_view realm,
                                                      const SocketAddress& source) const {
  if (text.size() != kNonceDigits) return std::nullopt;
  const auto made = ReadHex(text.substr(0, kNumberDigits));
  const auto unique = ReadHex(text.substr(kNumberDigits, kNumberDigits));
  if (!made || !unique) return std::nullopt;
  const Nonce nonce{.made = static_cast<TimeMs>(*made), .unique = *unique};
  if (!SameSecret(Write(nonce, realm, source), text)) return std::nullopt;
  return nonce;
}

std::vector<std::string> DigestServer::Challenge(const DigestRealm& realm,
                                                 const SocketAddress& source, bool stale,
                                                 TimeMs now) {
  std::vector<std::string> challenges;
  const std::string nonce = Write({.made = now, .unique = ++last_unique_}, realm.realm, source);
  for (const DigestAlgorithm algorithm : realm.algorithms) {
    challenges.push_back(Concat("Digest realm=", DigestQuoted(realm.realm), ", nonce=\"", nonce,
                                "\", algorithm=", DigestName(algorithm), ", qop=\"auth\"",
                                stale ? ", stale=true" : ""));
  }
  return challenges;
}

DigestServer::Outcome DigestServer::Examine(const Message& request, const DigestRealm& realm,
                                            const SocketAddress& source,
                                            const PasswordOf& password_of, TimeMs now) {
  std::optional<DigestAnswer> answer;
  for (const HeaderField& field : request.others) {
    if (!EqualsIgnoreCase(field.name, "Authorization")) continue;
    answer = ReadDigestAnswer(field.value);
    if (answer && answer->realm == realm.realm) break;
    answer.reset();
  }
  if (!answer || std::find(realm.algorithms.begin(), realm.algorithms.end(), answer->algorithm) ==
                     realm.algorithms.end()) {
    return {};
  }
  const std::string* password = password_of(answer->user);
  // As long for a user that does not exist: how long it takes says nothing.
  const std::string expected = DigestResponse(
      answer->algorithm,
      {.user = answer->user,
       .realm = realm.realm,
       .password = password == nullptr ? std::string_view() : *password,
       .method = MethodName(request.method),
       .uri = answer->uri,
       .middle = Concat(answer->nonce, ":", answer->count_text, ":", answer->cnonce, ":auth")});
  const bool right = SameSecret(expected, answer->response) && password != nullptr;
  const auto nonce = Read(answer->nonce, realm.realm, source);
  const bool here = NamesSameUser(answer->uri, request.request_uri);
  Outcome outcome{.verdict = DigestVerdict::kNone, .user = std::move(answer->user)};
  if (!nonce || !IsFresh(*nonce, now)) {
    outcome.verdict = DigestVerdict::kStale;
  } else if (!right) {
    outcome.verdict = DigestVerdict::kWrong;
  } else if (!Spend(*nonce, answer->count, now)) {
    outcome.verdict = DigestVerdict::kStale;
  } else {
    outcome.verdict = here ? DigestVerdict::kRight : DigestVerdict::kElsewhere;
  }
  return outcome;
}

bool DigestServer::IsFresh(const Nonce& nonce, TimeMs now) const {
  return nonce.made <= now && now - nonce.made < options_.nonce_ms &&
         (nonce.made > forgotten_ || uses_.contains(nonce));
}

bool DigestServer::Spend(const Nonce& nonce, uint32_t count, TimeMs now) {
  while (!uses_.empty() && now - uses_.begin()->first.made >= options_.nonce_ms) {
    uses_.erase(uses_.begin());
  }
  Use& use = uses_[nonce];
  if (count > use.highest) {
    const uint32_t step = count - use.highest;
    use.seen = step < 64 ? use.seen << step | 1 : 1;
    use.highest = count;
  } else {
    const uint32_t back = use.highest - count;
    if (back >= 64 || (use.seen >> back & 1) != 0) return false;
    use.seen |= uint64_t{1} << back;
  }
  while (uses_.size() > options_.nonces_max) {
    forgotten_ = std::max(forgotten_, uses_.begin()->first.made);
    uses_.erase(uses_.begin());
  }
  return true;
}

}  // namespace sipctl::sip
