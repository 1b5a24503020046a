// Where the servers behind a name are (RFC 3263), always known beforehand: a place that is watched
// is looked up at once, again when its time to live is over, and keeps its last answer where the
// name system fails: each question for itself, so that a kind of record that some servers never
// answer for holds nothing else up. So a call never waits for a name.
//
//   no port:  NAPTR -> SRV -> A, AAAA      with a port, or without SRV:  A, AAAA
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sip/resolver.h"
#include "sipctl/sip/token.h"
#include "sipctl/sip/transport.h"
#include "sipctl/timers.h"

namespace sipctl::sip {

struct Place {
  std::string host;   // a name or an address
  uint16_t port = 0;  // 0: SRV decides, else the transport's usual one
  Protocol protocol = Protocol::kUdp;
  bool operator==(const Place&) const = default;
};

// One address of a place.
struct Target {
  Protocol protocol = Protocol::kUdp;
  SocketAddress address;
  bool operator==(const Target&) const = default;
};

// How long an answer is believed, whatever it says itself.
inline constexpr TimeMs kAnswerMsMin = 5 * kSecondMs;
inline constexpr TimeMs kAnswerMsMax = 3600 * kSecondMs;
// When to ask again after a failure.
inline constexpr TimeMs kAskAgainMs = 10 * kSecondMs;

// Of which family there is a listener: an address of another one is of no use.
struct Families {
  bool ipv4 = true;
  bool ipv6 = true;
};

class Locator {
 public:
  // A sentence for the log: what a name leads to now, or that it could not be looked up.
  using Notice = std::function<void(std::string_view sentence)>;

  // None is owned; all must outlive the locator.
  Locator(Timers* timers, Resolver* resolver, Tokens* tokens, Notice notice,
          Families families = {});
  ~Locator();
  Locator(const Locator&) = delete;
  Locator& operator=(const Locator&) = delete;

  // From now on; the same place twice is one. Its number.
  size_t Watch(const Place& place);
  // The number of a place that is watched already.
  std::optional<size_t> Known(const Place& place) const;
  // No longer; its number may become another place's.
  void Forget(size_t place);

  // The addresses of a watched place in the order to be tried by one caller: SRV by priority, then
  // at random by weight (RFC 2782); a server's addresses beginning with any of them. Empty until
  // the first answer.
  std::vector<Target> Find(size_t place);

  // Asks again at once, for all.
  void Refresh();

 private:
  struct Server {
    uint16_t priority = 0;
    uint16_t weight = 0;
    std::string host;
    uint16_t port = 0;
    std::vector<relay::abi::Address> addresses;
    bool operator==(const Server&) const = default;
  };
  struct Watched;
  struct Search;

  bool IsCurrent(const Search& search) const;
  void Begin(size_t place);
  void AskNaptr(std::shared_ptr<Search> search);
  void AskSrv(std::shared_ptr<Search> search, const std::string& name);
  void AskAddresses(std::shared_ptr<Search> search);
  bool KeepWhatFailed(const Watched& before, Search* search) const;
  void End(std::shared_ptr<Search> search);
  void Deny(const Search& search);
  void Schedule(Watched* watched, TimeMs delay, size_t place);

  Timers* const timers_;
  Resolver* const resolver_;
  Tokens* const tokens_;
  const Notice notice_;
  const Families families_;
  std::vector<std::unique_ptr<Watched>> places_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::string ToString(const Target& target);  // "192.0.2.1:5060/udp"
std::string ToString(const Place& place);

}  // namespace sipctl::sip
