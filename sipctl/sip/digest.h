// Digest authentication as client (RFC 7616, RFC 8760; RFC 2617 for those who know no qop).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sip/digest_text.h"
#include "sipctl/sip/message.h"

namespace sipctl::sip {

struct Credentials {
  std::string user;
  std::string password;
  std::string realm;  // challenges of others are not answered; empty = any realm
};

struct Challenge {
  bool proxy = false;  // 407: the answer goes into Proxy-Authorization
  std::string realm;
  std::string nonce;
  std::string opaque;
  DigestAlgorithm algorithm = DigestAlgorithm::kMd5;
  bool algorithm_given = false;
  bool qop = false;    // "auth" is offered; else the form of RFC 2069
  bool stale = false;  // only the nonce was too old
  bool operator==(const Challenge&) const = default;
};

// Whether it asks who we are: says nothing of what was asked for.
constexpr bool IsChallenge(int status) {
  return status == 401 || status == 407;
}

// Those of a 401 or 407 that can be answered, in the order in which they stand.
std::vector<Challenge> ReadChallenges(const Message& response);

// What one dialog remembers of its peer's challenges. A nonce's count goes up with each use.
class DigestClient {
 public:
  // Takes the strongest challenge of `response` that these credentials are for. False: there is
  // none, or our answer to it was refused before (the nonce is the one that we used, or another
  // one came at once without saying that the first was stale).
  bool Accept(const Message& response, const Credentials& credentials);

  // Puts the answer into `request`, which must be complete but for Via. `cnonce` is new each time.
  // Does nothing before a challenge was accepted.
  void Authorize(const Credentials& credentials, std::string_view cnonce, Message* request);

  // A request that carried an answer was served, or refused for what it asked: the next challenge
  // may be answered again.
  void Served() { tries_ = 0; }

  bool challenged() const { return challenge_.has_value(); }

 private:
  std::optional<Challenge> challenge_;
  uint32_t count_ = 0;  // uses of its nonce
  int tries_ = 0;       // answers since the last request that was served
};

}  // namespace sipctl::sip
