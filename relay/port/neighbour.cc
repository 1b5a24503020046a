#include "relay/port/neighbour.h"

#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/address_text.h"

namespace relay::port {
namespace {

constexpr TimeNs kSweepEvery = 60 * kSecond;
// A hop that no worker used for so many sweeps is let go, and the kernel need not probe it any
// more. A call on hold longer than that loses its first packet afterwards.
constexpr uint32_t kIdleSweepsMax = 5;
constexpr TimeNs kAskAgain = kSecond;        // an unresolved neighbour, while packets wait for it
constexpr TimeNs kTellEvery = 10 * kSecond;  // of neighbours that fall silent or come back
constexpr size_t kResolvedATurn = 512;       // about 5 us each
constexpr uint16_t kReachable =
    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;

const int kGroups[] = {RTNLGRP_LINK,        RTNLGRP_NEIGH,      RTNLGRP_IPV4_ROUTE,
                       RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,  RTNLGRP_IPV6_RULE,
                       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};

void Signal(int fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof(one));
}

}  // namespace

// ---- life ---------------------------------------------------------------------------------------

NextHops::NextHops(const NextHopsOptions& options)
    : devices_(options.devices),
      addresses_(options.addresses.begin(), options.addresses.end()),
      table_(options.seed),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      buckets_(kHopBuckets),
      hops_(kHopsMax) {
  for (uint32_t hop = kHopsMax; hop-- > 1;) free_hops_.push_back(static_cast<uint16_t>(hop));
  for (uint16_t i = 0; i < options.workers; ++i) {
    readers_.push_back(std::make_unique<HopReader>(&table_, &turn_, wake_fd_.get()));
  }
}

absl::StatusOr<std::unique_ptr<NextHops>> NextHops::Open(const NextHopsOptions& options) {
  std::unique_ptr<NextHops> hops(new NextHops(options));
  absl::StatusOr<Netlink> questions = Netlink::Open({});
  if (!questions.ok()) return questions.status();
  absl::StatusOr<Netlink> news = Netlink::Open(kGroups);
  if (!news.ok()) return news.status();
  hops->questions_ = std::make_unique<Netlink>(*std::move(questions));
  hops->news_ = std::make_unique<Netlink>(*std::move(news));
  if (absl::Status status = hops->Start(); !status.ok()) return status;
  return hops;
}

absl::Status NextHops::Start() {
  if (!wake_fd_.valid() || !epoll_fd_.valid()) return absl::ErrnoToStatus(errno, "next hops");
  for (int fd : {wake_fd_.get(), news_->descriptor()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return absl::ErrnoToStatus(errno, "next hops");
    }
  }
  absl::StatusOr<std::vector<Link>> links = ReadLinks(*questions_);
  if (!links.ok()) return links.status();
  links_ = *std::move(links);
  for (const std::string& device : devices_) {
    if (FindLink(links_, device) == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("there is no Ethernet device ", device, "; `ip link` lists those that are"));
    }
  }
  return absl::OkStatus();
}

NextHops::~NextHops() {
  for (const auto& [key, hop] : hop_of_) {
    if (!hops_[hop].is_static) Manage(key, false).IgnoreError();
  }
}

// ---- a turn -------------------------------------------------------------------------------------

void NextHops::Approach(uint16_t local, const abi::Address& remote) {
  const Destination destination{.remote = remote, .local = local};
  Hop hop;
  const uint16_t known = table_.Find(table_.HashOf(local, remote));
  if (known == kNoHop || !table_.Read(known, &hop)) Resolve(destination);
}

void NextHops::Turn(TimeNs now, abi::CounterBlock&) {
  now_ = now;
  uint64_t woken = 0;
  [[maybe_unused]] const ssize_t read_bytes = read(wake_fd_.get(), &woken, sizeof(woken));
  HearNews();
  TakeQuestions();
  ResolvePending();
  TellOfTheSilent();
  turn_.fetch_add(1, std::memory_order_relaxed);
  if (now >= next_sweep_ns_) Sweep();
}

void NextHops::TakeQuestions() {
  for (const auto& reader : readers_) {
    Destination destination;
    while (reader->TakeQuestion(&destination)) Resolve(destination);
  }
}

void NextHops::HearNews() {
  const bool whole = news_->Hear([this](const nlmsghdr& message) { TakeOne(message); });
  if (!whole) {  // some were lost: everything may be different
    links_changed_ = true;
    for (const auto& [key, hop] : hop_of_) ReadNeighbour(hop);
  }
  if (links_changed_) LinksChanged();
  if (!routes_changed_) return;
  routes_changed_ = false;
  pending_.clear();
  for (const auto& [destination, place] : destinations_) pending_.push_back(destination);
}

void NextHops::TakeOne(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return NeighbourChanged(message);
    case RTM_NEWLINK:
    case RTM_DELLINK:
      links_changed_ = true;
      return;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
    case RTM_NEWRULE:
    case RTM_DELRULE:
    case RTM_NEWADDR:
    case RTM_DELADDR:
      routes_changed_ = true;
      return;
    default:
      return;
  }
}

void NextHops::NeighbourChanged(const nlmsghdr& message) {
  const auto* header = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
  const nlattr* address = FindAttribute(message, sizeof(ndmsg), NDA_DST);
  if (address == nullptr) return;
  const auto found =
      hop_of_.find(HopKey{.address = AddressOf(*address).bytes, .link = header->ndm_ifindex});
  if (found == hop_of_.end()) return;
  if (message.nlmsg_type == RTM_NEWNEIGH) return SetNeighbour(found->second, message);
  // Somebody flushed it. It is needed: have it resolved again.
  table_.SetNeighbour(found->second, {});
  hops_[found->second].is_static = false;
  Keep(found->second);
}

void NextHops::LinksChanged() {
  absl::StatusOr<std::vector<Link>> links = ReadLinks(*questions_);
  if (!links.ok()) {  // the next turn asks again
    if (now_ < next_links_word_ns_) return;
    next_links_word_ns_ = now_ + kTellEvery;
    told_.push_back(absl::StrCat("the kernel does not tell its network devices (",
                                 links.status().message(),
                                 "), and changes of them are not followed; it is asked again"));
    return;
  }
  links_changed_ = false;
  links_ = *std::move(links);
  for (const auto& [key, hop] : hop_of_) SetOwn(hop);
  routes_changed_ = true;  // a link that goes takes its routes with it, without a word of each
}

void NextHops::ResolvePending() {
  for (size_t i = 0; i < kResolvedATurn && !pending_.empty(); ++i) {
    const Destination destination = pending_.front();
    pending_.pop_front();
    if (destinations_.contains(destination)) Resolve(destination);
  }
  if (!pending_.empty()) Signal(wake_fd_.get());
}

// ---- resolving ----------------------------------------------------------------------------------

void NextHops::Resolve(const Destination& destination) {
  Route route;
  const uint16_t hop = AskRoute(destination, &route) ? HopFor(route) : kNoHop;
  Lead(PlaceOf(destination), hop);
  if (hop == kNoHop) return;
  Hop resolved;
  HopState& state = hops_[hop];
  if (table_.Read(hop, &resolved) || now_ < state.asked_ns + kAskAgain) return;
  state.asked_ns = now_;
  Keep(hop);
}

bool NextHops::AskRoute(const Destination& destination, Route* route) {
  const abi::LocalAddress& own = addresses_[destination.local];
  NetlinkMessage question(RTM_GETROUTE, 0);
  auto* header = question.Extra<rtmsg>();
  header->rtm_family = FamilyOf(destination.remote);
  const uint8_t bits = destination.remote.IsIpv4() ? 32 : 128;
  header->rtm_dst_len = bits;
  header->rtm_src_len = bits;
  question.Put(RTA_DST, destination.remote);
  question.Put(RTA_SRC, own.address);
  // As a socket that is bound to its interface.
  const Link* bound = FindLink(links_, InterfaceName(own));
  if (bound != nullptr) question.Put(RTA_OIF, static_cast<uint32_t>(bound->index));
  bool found = false;
  const absl::Status status = questions_->Ask(question, [&](const nlmsghdr& message) {
    const auto* answer = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
    const nlattr* link = FindAttribute(message, sizeof(rtmsg), RTA_OIF);
    if (message.nlmsg_type != RTM_NEWROUTE || answer->rtm_type != RTN_UNICAST || !link) return;
    found = true;
    route->link = static_cast<int>(mnl_attr_get_u32(link));
    route->next = destination.remote;
    if (const nlattr* gateway = FindAttribute(message, sizeof(rtmsg), RTA_GATEWAY)) {
      route->next = AddressOf(*gateway);
    } else if (const nlattr* via = FindAttribute(message, sizeof(rtmsg), RTA_VIA)) {
      // IPv4 by way of an IPv6 router (RFC 5549): struct rtvia, family before the address.
      const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(via));
      if (mnl_attr_get_payload_len(via) == 18) std::memcpy(&route->next, bytes + 2, 16);
    }
  });
  return status.ok() && found;
}

// The hop of a route; takes one when it is new. kNoHop: no raw device leads there, or all are
// taken.
uint16_t NextHops::HopFor(const Route& route) {
  const HopKey key{.address = route.next.bytes, .link = route.link};
  const auto found = hop_of_.find(key);
  if (found != hop_of_.end()) return found->second;
  const Link* link = FindLink(links_, route.link);
  const Link* device = link != nullptr ? FindLink(links_, link->device()) : nullptr;
  if (device == nullptr || free_hops_.empty() ||
      std::find(devices_.begin(), devices_.end(), device->name) == devices_.end()) {
    return kNoHop;
  }
  const uint16_t hop = free_hops_.back();
  free_hops_.pop_back();
  hop_of_[key] = hop;
  hops_[hop] = HopState{.key = key, .asked_ns = now_};
  SetOwn(hop);
  ReadNeighbour(hop);
  Keep(hop);
  return hop;
}

NextHops::Place& NextHops::PlaceOf(const Destination& destination) {
  const auto found = destinations_.find(destination);
  if (found != destinations_.end()) return found->second;
  const uint64_t hash = table_.HashOf(destination.local, destination.remote);
  Bucket& bucket = buckets_[hash % kHopBuckets];
  auto entry = static_cast<uint32_t>(std::countr_one(bucket.taken));
  if (entry == kHopsPerBucket) {
    // Full, which 60,000 destinations do not bring about: the oldest goes, and comes back when a
    // packet wants it.
    entry = bucket.next_out;
    bucket.next_out = static_cast<uint8_t>((entry + 1) % kHopsPerBucket);
    Forget(bucket.owners[entry]);
  }
  bucket.owners[entry] = destination;
  bucket.taken = static_cast<uint8_t>(bucket.taken | 1u << entry);
  return destinations_[destination] = Place{.hash = hash, .entry = entry};
}

void NextHops::Lead(Place& place, uint16_t hop) {
  if (place.hop == hop) return;
  const uint16_t before = std::exchange(place.hop, hop);
  if (hop != kNoHop) ++hops_[hop].destinations;
  table_.SetDestination(place.hash, place.entry, hop);
  if (before != kNoHop) Leave(before);
}

void NextHops::Forget(const Destination& destination) {
  const auto found = destinations_.find(destination);
  const Place place = found->second;
  destinations_.erase(found);
  const auto bucket = static_cast<uint32_t>(place.hash % kHopBuckets);
  table_.ClearDestination(bucket, place.entry);
  buckets_[bucket].taken = static_cast<uint8_t>(buckets_[bucket].taken & ~(1u << place.entry));
  if (place.hop != kNoHop) Leave(place.hop);
}

void NextHops::Leave(uint16_t hop) {
  HopState& state = hops_[hop];
  if (--state.destinations != 0) return;
  if (!state.is_static) Manage(state.key, false).IgnoreError();
  hop_of_.erase(state.key);
  table_.SetNeighbour(hop, {});
  resting_hops_.push_back(hop);
}

// ---- the kernel's tables ------------------------------------------------------------------------

// What somebody entered by hand stays as it is: the kernel would ask for it from then on, and some
// are there because nobody answers.
void NextHops::Keep(uint16_t hop) {
  if (!hops_[hop].is_static && Manage(hops_[hop].key, true).ok()) ReadNeighbour(hop);
}

absl::Status NextHops::Manage(const HopKey& key, bool keep) {
  const abi::Address address{key.address};
  NetlinkMessage order(RTM_NEWNEIGH, static_cast<uint16_t>(keep ? NLM_F_CREATE : 0));
  auto* header = order.Extra<ndmsg>();
  header->ndm_family = FamilyOf(address);
  header->ndm_ifindex = key.link;
  header->ndm_flags = NTF_USE;
  order.Put(NDA_DST, address);
  if (keep) order.Put(NDA_FLAGS_EXT, static_cast<uint32_t>(NTF_EXT_MANAGED));
  const absl::Status status = questions_->Ask(order);
  if (!keep || status.ok()) return status;
  // A kernel before 5.16 knows no flag to keep it: once, then, and again when it is gone.
  NetlinkMessage plain(RTM_NEWNEIGH, NLM_F_CREATE);
  *plain.Extra<ndmsg>() = *header;
  plain.Put(NDA_DST, address);
  return questions_->Ask(plain);
}

void NextHops::ReadNeighbour(uint16_t hop) {
  const HopKey& key = hops_[hop].key;
  const abi::Address address{key.address};
  NetlinkMessage question(RTM_GETNEIGH, 0);
  auto* header = question.Extra<ndmsg>();
  header->ndm_family = FamilyOf(address);
  header->ndm_ifindex = key.link;
  question.Put(NDA_DST, address);
  const absl::Status status = questions_->Ask(question, [&](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWNEIGH) SetNeighbour(hop, message);
  });
  if (!status.ok()) table_.SetNeighbour(hop, {});
}

void NextHops::SetNeighbour(uint16_t hop, const nlmsghdr& message) {
  const auto* header = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
  const nlattr* link_address = FindAttribute(message, sizeof(ndmsg), NDA_LLADDR);
  wire::MacAddress mac{};
  if ((header->ndm_state & kReachable) != 0 && link_address != nullptr &&
      mnl_attr_get_payload_len(link_address) == mac.size()) {
    std::memcpy(mac.data(), mnl_attr_get_payload(link_address), mac.size());
  }
  HopState& state = hops_[hop];
  state.is_static = (header->ndm_state & (NUD_PERMANENT | NUD_NOARP)) != 0;
  if (header->ndm_state == NUD_FAILED && !state.is_silent) {
    state.is_silent = true;
    fell_silent_.push_back(hop);
  } else if (mac != wire::MacAddress{}) {
    state.is_silent = false;
  }
  table_.SetNeighbour(hop, mac);
}

void NextHops::SetOwn(uint16_t hop) {
  const Link* link = FindLink(links_, hops_[hop].key.link);
  const Link* device = link != nullptr ? FindLink(links_, link->device()) : nullptr;
  if (device == nullptr) return table_.SetNeighbour(hop, {});  // gone; its routes go too
  const auto found = std::find(devices_.begin(), devices_.end(), device->name);
  if (found == devices_.end()) return table_.SetNeighbour(hop, {});
  table_.SetOwn(hop, link->mac, link->vlan, static_cast<uint16_t>(found - devices_.begin()));
}

// Many may go at once: a word of the first, and how many there are.
void NextHops::TellOfTheSilent() {
  if (now_ < next_word_ns_) return;
  std::erase_if(fell_silent_, [this](uint16_t hop) {
    const auto still = hop_of_.find(hops_[hop].key);
    return !hops_[hop].is_silent || still == hop_of_.end() || still->second != hop;
  });
  if (!fell_silent_.empty()) {
    const HopKey& key = hops_[fell_silent_.front()].key;
    const Link* link = FindLink(links_, key.link);
    const std::string name = link != nullptr ? link->name : "a device that is gone";
    const std::string who = AddressText(abi::Address{key.address});
    const size_t others = fell_silent_.size() - 1;
    told_.push_back(absl::StrCat(
        "the next hop ", who, " on ", name,
        others == 0 ? "" : absl::StrCat(" (and ", others, " more)"),
        " does not say its link address, and packets to it are dropped as unresolved; their calls "
        "live and go on when it answers: see that it is up and on that network (`ip neigh show "
        "dev ",
        name, "`, `ip route get ", who, "`)"));
  } else if (!silence_told_ ||
             std::any_of(hop_of_.begin(), hop_of_.end(),
                         [this](const auto& each) { return hops_[each.second].is_silent; })) {
    return;
  } else {
    told_.emplace_back("all next hops answer again");
  }
  silence_told_ = !fell_silent_.empty();
  fell_silent_.clear();
  next_word_ns_ = now_ + kTellEvery;
}

// What no worker used for long is let go.
void NextHops::Sweep() {
  next_sweep_ns_ = now_ + kSweepEvery;
  free_hops_.insert(free_hops_.end(), resting_hops_.begin(), resting_hops_.end());
  resting_hops_.clear();
  bool idle = false;
  for (const auto& [key, hop] : hop_of_) {
    bool used = false;
    for (const auto& reader : readers_) {
      used |= reader->TakeUsed(hop);
    }
    HopState& state = hops_[hop];
    state.idle_sweeps = used ? 0 : state.idle_sweeps + 1;
    idle |= state.idle_sweeps > kIdleSweepsMax;
  }
  if (!idle) return;
  std::vector<Destination> leaving;
  for (const auto& [destination, place] : destinations_) {
    if (place.hop == kNoHop || hops_[place.hop].idle_sweeps > kIdleSweepsMax) {
      leaving.push_back(destination);
    }
  }
  for (const Destination& destination : leaving) Forget(destination);
}

}  // namespace relay::port
