// Digest authentication as server (RFC 3261 section 22, RFC 7616, RFC 8760): who asks?
//
// A nonce is a sealed sentence of ours, not a record: made then, for that address and realm. So a
// flood of strangers costs no memory, and nobody can make a third party's answer look wrong. Only
// a nonce that had a right answer is remembered, so that no answer is good twice.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sipctl/clock.h"
#include "sipctl/sip/digest_text.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/transport.h"

namespace sipctl::sip {

// What one Authorization header says. Without qop=auth there is none: its answer could be used
// again by whoever has seen it.
struct DigestAnswer {
  std::string user;
  std::string realm;
  std::string nonce;
  std::string uri;
  std::string response;
  std::string cnonce;
  std::string count_text;  // 8 hexadecimal digits
  uint32_t count = 0;      // the same, not 0
  DigestAlgorithm algorithm = DigestAlgorithm::kMd5;
};
std::optional<DigestAnswer> ReadDigestAnswer(std::string_view value);

struct DigestServerOptions {
  std::array<uint8_t, 32> key{};  // seals nonces; random in production
  TimeMs nonce_ms = 5 * 60 * kSecondMs;
  size_t nonces_max = 16384;  // remembered; above, the oldest are stale before their time
};

enum class DigestVerdict : uint8_t {
  kNone,  // nothing that can be judged: no answer, or one in another realm or by another hash
  // The nonce is too old or was not for this source, whatever the password: or the word would tell
  // who has guessed right (RFC 7616 section 3.3). Or the answer is right, but its count was used.
  kStale,
  kWrong,  // an answer to a fresh nonce of ours, and wrong: a guess
  // Right, but for a request to somebody else: its `uri` does not name whom the request is for
  // (RFC 7616 section 3.4.6). Whoever could read it on the way has put it into his own.
  kElsewhere,
  kRight,
};

// Whom a challenge is for, and what it asks.
struct DigestRealm {
  std::string_view realm;
  std::span<const DigestAlgorithm> algorithms;  // the best first
};

class DigestServer {
 public:
  explicit DigestServer(const DigestServerOptions& options) : options_(options) {}

  // Values of WWW-Authenticate, one for each algorithm (RFC 8760 section 2.4).
  std::vector<std::string> Challenge(const DigestRealm& realm, const SocketAddress& source,
                                     bool stale, TimeMs now);

  // The password of a user; null: there is no such user.
  using PasswordOf = std::function<const std::string*(const std::string& user)>;
  struct Outcome {
    DigestVerdict verdict = DigestVerdict::kNone;
    std::string user;  // as the answer names it
  };
  // Takes the first answer in `request` that is for this realm.
  Outcome Examine(const Message& request, const DigestRealm& realm, const SocketAddress& source,
                  const PasswordOf& password_of, TimeMs now);

  size_t remembered() const { return uses_.size(); }

 private:
  struct Nonce {
    TimeMs made = 0;
    uint64_t unique = 0;
    bool operator<(const Nonce& other) const {
      return std::pair(made, unique) < std::pair(other.made, other.unique);
    }
  };
  // Counts of one nonce that were used: the highest one, and a bit for each of the 64 up to it,
  // since datagrams overtake each other.
  struct Use {
    uint32_t highest = 0;
    uint64_t seen = 0;
  };

  std::string Write(const Nonce& nonce, std::string_view realm, const SocketAddress& source) const;
  // Nothing for one that we did not make for that realm and source.
  std::optional<Nonce> Read(std::string_view text, std::string_view realm,
                            const SocketAddress& source) const;
  bool IsFresh(const Nonce& nonce, TimeMs now) const;
  // False: this count of the nonce was used before.
  bool Spend(const Nonce& nonce, uint32_t count, TimeMs now);

  const DigestServerOptions options_;
  uint64_t last_unique_ = 0;
  std::map<Nonce, Use> uses_;
  TimeMs forgotten_ = -1;  // a nonce made until then that is not in uses_ may have been used
};

}  // namespace sipctl::sip
