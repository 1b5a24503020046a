#include "sipctl/sip/locator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

constexpr size_t kServersMax = 32;    // of one place
constexpr size_t kAddressesMax = 16;  // of one server
// When to ask again at the latest where nobody answered for NAPTR.
constexpr TimeMs kNaptrAgainMs = 60 * kSecondMs;

uint16_t UsualPort(Protocol protocol) {
  return protocol == Protocol::kTls ? 5061 : 5060;
}

// RFC 3263 section 4.1, RFC 3261 section 26.2.2: TLS is SIPS over TCP.
std::string_view ServiceOf(Protocol protocol) {
  switch (protocol) {
    case Protocol::kUdp:
      return "SIP+D2U";
    case Protocol::kTcp:
      return "SIP+D2T";
    case Protocol::kTls:
      return "SIPS+D2T";
  }
  return {};
}

std::string SrvName(const Place& place) {
  switch (place.protocol) {
    case Protocol::kUdp:
      return absl::StrCat("_sip._udp.", place.host);
    case Protocol::kTcp:
      return absl::StrCat("_sip._tcp.", place.host);
    case Protocol::kTls:
      return absl::StrCat("_sips._tcp.", place.host);
  }
  return {};
}

}  // namespace

std::string ToString(const Target& target) {
  return absl::StrCat(ToString(target.address), "/",
                      absl::AsciiStrToLower(std::string(ProtocolName(target.protocol))));
}

std::string ToString(const Place& place) {
  return absl::StrCat(place.host, place.port == 0 ? "" : absl::StrCat(":", place.port), "/",
                      absl::AsciiStrToLower(std::string(ProtocolName(place.protocol))));
}

struct Locator::Watched {
  Place place;
  std::string service;          // the SRV name by the last answer about NAPTR
  std::vector<Server> servers;  // by priority
  bool answered = false;        // at least once
  bool failing = false;         // something is older than it should be
  bool denied = false;          // there is no such service
  bool forgotten = false;
  uint32_t searches = 0;  // begun; only the last one's end counts
  Timers::Id again = 0;
};

// One way through NAPTR, SRV and addresses.
struct Locator::Search {
  size_t place;
  uint32_t number;
  Place what;
  std::vector<Server> servers;
  struct Unanswered {
    size_t server;
    DnsType type;
  };
  std::vector<Unanswered> unanswered;  // questions for addresses
  uint32_t ttl_s = static_cast<uint32_t>(kAnswerMsMax / kSecondMs);
  size_t open = 0;      // questions for addresses
  bool failed = false;  // some question for servers or addresses
  bool old_servers = false;

  void Note(const DnsAnswer& answer) {
    if (answer.outcome == DnsAnswer::Outcome::kFailed) failed = true;
    if (answer.outcome == DnsAnswer::Outcome::kFound) ttl_s = std::min(ttl_s, answer.ttl_s);
  }
};

Locator::Locator(Timers* timers, Resolver* resolver, Tokens* tokens, Notice notice,
                 Families families)
    : timers_(timers),
      resolver_(resolver),
      tokens_(tokens),
      notice_(std::move(notice)),
      families_(families) {}

Locator::~Locator() {
  for (auto& watched : places_) timers_->Cancel(&watched->again);
}

std::optional<size_t> Locator::Known(const Place& place) const {
  for (size_t i = 0; i < places_.size(); ++i) {
    if (!places_[i]->forgotten && places_[i]->place == place) return i;
  }
  return std::nullopt;
}

size_t Locator::Watch(const Place& place) {
  if (const auto known = Known(place)) return *known;
  const auto free = std::find_if(places_.begin(), places_.end(),
                                 [](const auto& watched) { return watched->forgotten; });
  const auto number = static_cast<size_t>(free - places_.begin());
  if (free == places_.end()) places_.push_back(std::make_unique<Watched>());
  Watched& watched = *places_[number];
  watched = {.place = place, .servers = {}, .searches = watched.searches};
  if (const auto address = ParseAddress(place.host)) {
    const uint16_t port = place.port == 0 ? UsualPort(place.protocol) : place.port;
    watched.servers.push_back({0, 0, place.host, port, {*address}});
    watched.answered = true;
  } else {
    Begin(number);
  }
  return number;
}

void Locator::Forget(size_t place) {
  Watched& watched = *places_[place];
  timers_->Cancel(&watched.again);
  watched.forgotten = true;
  ++watched.searches;
  watched.servers.clear();
}

void Locator::Refresh() {
  for (size_t i = 0; i < places_.size(); ++i) {
    if (!places_[i]->forgotten && !ParseAddress(places_[i]->place.host)) Begin(i);
  }
}

// ---- a search ----------------------------------------------------------------------------------

bool Locator::IsCurrent(const Search& search) const {
  return places_[search.place]->searches == search.number;
}

void Locator::Begin(size_t place) {
  timers_->Cancel(&places_[place]->again);
  auto search = std::make_shared<Search>();
  search->place = place;
  search->number = ++places_[place]->searches;
  search->what = places_[place]->place;
  if (search->what.port == 0) return AskNaptr(std::move(search));
  search->servers.push_back({0, 0, search->what.host, search->what.port, {}});
  AskAddresses(std::move(search));
}

// Many a name server has no idea of NAPTR: when it does not answer, that is as if there were none
// (RFC 3263 section 4.1), unless it did answer once.
void Locator::AskNaptr(std::shared_ptr<Search> search) {
  const std::string host = search->what.host;
  resolver_->Ask(host, DnsType::kNaptr,
                 [this, alive = std::weak_ptr<bool>(alive_), search](const DnsAnswer& answer) {
                   if (alive.expired() || !IsCurrent(*search)) return;
                   if (answer.outcome == DnsAnswer::Outcome::kFailed) {
                     search->ttl_s = static_cast<uint32_t>(kNaptrAgainMs / kSecondMs);
                   } else {
                     search->Note(answer);
                   }
                   const NaptrRecord* best = nullptr;
                   for (const NaptrRecord& record : answer.naptr) {
                     if (!EqualsIgnoreCase(record.service, ServiceOf(search->what.protocol)) ||
                         !EqualsIgnoreCase(record.flags, "s")) {
                       continue;
                     }
                     if (best == nullptr || std::pair(record.order, record.preference) <
                                                std::pair(best->order, best->preference)) {
                       best = &record;
                     }
                   }
                   std::string& service = places_[search->place]->service;
                   if (answer.outcome != DnsAnswer::Outcome::kFailed || service.empty()) {
                     service = best == nullptr ? SrvName(search->what) : best->replacement;
                   }
                   AskSrv(search, service);
                 });
}

void Locator::AskSrv(std::shared_ptr<Search> search, const std::string& name) {
  resolver_->Ask(
      name, DnsType::kSrv,
      [this, alive = std::weak_ptr<bool>(alive_), search](const DnsAnswer& answer) {
        if (alive.expired() || !IsCurrent(*search)) return;
        search->Note(answer);
        for (const SrvRecord& record : answer.srv) {
          if (search->servers.size() == kServersMax) break;
          search->servers.push_back(
              {record.priority, record.weight, record.target, record.port, {}});
        }
        std::stable_sort(
            search->servers.begin(), search->servers.end(), [](const Server& a, const Server& b) {
              return std::pair(a.priority, a.weight != 0) < std::pair(b.priority, b.weight != 0);
            });
        // When SRV could not be asked for, the servers are the old ones, whose addresses
        // may have moved; the name itself would be another server than was meant.
        if (answer.outcome == DnsAnswer::Outcome::kFailed) {
          search->servers = places_[search->place]->servers;
          search->old_servers = true;
          for (Server& server : search->servers) server.addresses.clear();
        } else if (search->servers.empty() && answer.outcome == DnsAnswer::Outcome::kFound) {
          return Deny(*search);  // the target "." alone (RFC 2782)
        } else if (search->servers.empty()) {
          // 4.2: without SRV, the name itself at the usual port.
          search->servers.push_back(
              {0, 0, search->what.host, UsualPort(search->what.protocol), {}});
        }
        AskAddresses(search);
      });
}

void Locator::AskAddresses(std::shared_ptr<Search> search) {
  std::vector<DnsType> types;
  if (families_.ipv4) types.push_back(DnsType::kA);
  if (families_.ipv6) types.push_back(DnsType::kAaaa);
  if (search->servers.empty() || types.empty()) return End(search);
  search->open = search->servers.size() * types.size();
  for (size_t i = 0; i < search->servers.size(); ++i) {
    for (const DnsType type : types) {
      const std::string host = search->servers[i].host;
      resolver_->Ask(
          host, type,
          [this, alive = std::weak_ptr<bool>(alive_), search, i, type](const DnsAnswer& answer) {
            if (alive.expired() || !IsCurrent(*search)) return;
            search->Note(answer);
            if (answer.outcome == DnsAnswer::Outcome::kFailed) {
              search->unanswered.push_back({i, type});
            }
            for (const relay::abi::Address& address : answer.addresses) {
              auto& addresses = search->servers[i].addresses;
              if (addresses.size() < kAddressesMax) addresses.push_back(address);
            }
            if (--search->open == 0) End(search);
          });
    }
  }
}

// Whether anything old was taken over: of each host the addresses of the family for which nobody
// answered.
bool Locator::KeepWhatFailed(const Watched& before, Search* search) const {
  bool kept = false;
  for (const auto& [number, type] : search->unanswered) {
    Server& server = search->servers[number];
    const auto old = std::find_if(before.servers.begin(), before.servers.end(),
                                  [&](const Server& each) { return each.host == server.host; });
    if (old == before.servers.end()) continue;
    for (const relay::abi::Address& address : old->addresses) {
      if (address.IsIpv4() != (type == DnsType::kA)) continue;
      server.addresses.push_back(address);
      kept = true;
    }
  }
  return kept;
}

void Locator::Deny(const Search& search) {
  Watched& watched = *places_[search.place];
  watched.servers.clear();
  watched.answered = true;
  watched.failing = false;
  if (!std::exchange(watched.denied, true)) {
    notice_(absl::StrCat(ToString(search.what),
                         ": its name server says that there is no such service"));
  }
  const TimeMs ttl = static_cast<TimeMs>(search.ttl_s) * kSecondMs;
  Schedule(&watched, std::clamp(ttl, kAnswerMsMin, kAnswerMsMax), search.place);
}

void Locator::End(std::shared_ptr<Search> search) {
  Watched& watched = *places_[search->place];
  watched.denied = false;
  const bool kept = KeepWhatFailed(watched, search.get()) || search->old_servers;
  std::vector<Server>& servers = search->servers;
  std::erase_if(servers, [](const Server& server) { return server.addresses.empty(); });
  // In an order of our own, so that a server that turns its list round has not moved.
  for (Server& server : servers) {
    std::sort(server.addresses.begin(), server.addresses.end(),
              [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  }
  const bool failing = kept || servers.empty();
  const bool changed = !servers.empty() && watched.servers != servers;
  if (changed) watched.servers = std::move(servers);
  const bool failed_before = std::exchange(watched.failing, failing);
  if (failing && !failed_before) {
    notice_(absl::StrCat(ToString(search->what),
                         watched.answered ? " cannot be looked up; the last answer is kept"
                                          : " cannot be looked up"));
  }
  if (!watched.servers.empty()) watched.answered = true;
  if (changed || (failed_before && !failing)) {
    std::string text;
    for (const Target& target : Find(search->place)) absl::StrAppend(&text, " ", ToString(target));
    notice_(absl::StrCat(ToString(search->what), " is at", text));
  }
  const TimeMs ttl = static_cast<TimeMs>(search->ttl_s) * kSecondMs;
  Schedule(&watched,
           search->failed || failing ? kAskAgainMs : std::clamp(ttl, kAnswerMsMin, kAnswerMsMax),
           search->place);
}

void Locator::Schedule(Watched* watched, TimeMs delay, size_t place) {
  timers_->Cancel(&watched->again);
  watched->again = timers_->After(delay, [this, watched, place] {
    watched->again = 0;
    Begin(place);
  });
}

// ---- answers -----------------------------------------------------------------------------------

std::vector<Target> Locator::Find(size_t place) {
  const Watched& watched = *places_[place];
  std::vector<Target> targets;
  const auto take = [&](const Server& server) {
    const auto& addresses = server.addresses;
    const size_t first = addresses.size() == 1 ? 0 : tokens_->Next() % addresses.size();
    for (size_t i = 0; i < addresses.size(); ++i) {
      const auto& address = addresses[(first + i) % addresses.size()];
      targets.push_back({watched.place.protocol, {address, server.port}});
    }
  };
  for (size_t first = 0; first < watched.servers.size();) {
    std::vector<const Server*> group;
    size_t next = first;
    uint64_t sum = 0;
    for (; next < watched.servers.size() &&
           watched.servers[next].priority == watched.servers[first].priority;
         ++next) {
      group.push_back(&watched.servers[next]);
      sum += watched.servers[next].weight;
    }
    first = next;
    while (!group.empty()) {
      // RFC 2782: a number up to the sum, and the first whose running sum reaches it; those without
      // a weight get their chance at its lower end.
      uint64_t drawn = sum == 0 ? 0 : tokens_->Next() % (sum + 1);
      auto chosen = group.begin();
      while (chosen + 1 != group.end() && drawn > (*chosen)->weight) {
        drawn -= (*chosen)->weight;
        ++chosen;
      }
      take(**chosen);
      sum -= (*chosen)->weight;
      group.erase(chosen);
    }
  }
  return targets;
}

}  // namespace sipctl::sip
