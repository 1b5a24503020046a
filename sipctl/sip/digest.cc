#include "sipctl/sip/digest.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

// After a first answer one more, if only the nonce was stale.
constexpr int kTriesMax = 2;

bool HasToken(std::string_view list, std::string_view token) {
  const auto parts = Split(list, ',');
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return EqualsIgnoreCase(Strip(part), token); });
}

std::optional<Challenge> ReadChallenge(std::string_view text, bool proxy) {
  const auto parameters = DigestPart(text);
  if (!parameters) return std::nullopt;
  Challenge challenge{.proxy = proxy};
  bool known = true;
  bool qop_given = false;
  DigestParameters reader(*parameters);
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
      const auto algorithm = DigestAlgorithmOf(value);
      known = algorithm.has_value() && !value.empty();
      challenge.algorithm = algorithm.value_or(DigestAlgorithm::kMd5);
    }
  }
  // auth-int alone would need the body's hash; nobody asks for it.
  if (!known || challenge.nonce.empty() || (qop_given && !challenge.qop)) return std::nullopt;
  return challenge;
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
  const std::string middle =
      challenge.qop ? Concat(challenge.nonce, ":", count, ":", cnonce, ":auth") : challenge.nonce;
  const std::string answer = DigestResponse(challenge.algorithm, {.user = credentials.user,
                                                                  .realm = challenge.realm,
                                                                  .password = credentials.password,
                                                                  .method = method,
                                                                  .uri = uri,
                                                                  .middle = middle});
  std::string value =
      Concat("Digest username=", DigestQuoted(credentials.user),
             ", realm=", DigestQuoted(challenge.realm), ", nonce=", DigestQuoted(challenge.nonce),
             ", uri=", DigestQuoted(uri), ", response=\"", answer, "\"");
  if (challenge.algorithm_given) value += Concat(", algorithm=", DigestName(challenge.algorithm));
  if (challenge.qop) value += Concat(", qop=auth, nc=", count, ", cnonce=\"", cnonce, "\"");
  if (!challenge.opaque.empty()) value += Concat(", opaque=", DigestQuoted(challenge.opaque));
  const std::string name = challenge.proxy ? "Proxy-Authorization" : "Authorization";
  std::erase_if(request->others,
                [&](const HeaderField& field) { return EqualsIgnoreCase(field.name, name); });
  request->others.push_back({name, std::move(value)});
}

}  // namespace sipctl::sip
