// Next hops of the raw ports, from the kernel's route and neighbour tables. No ARP or ND of our
// own: the kernel resolves, keeps fresh what is in use (NTF_EXT_MANAGED, Linux 5.16) and tells of
// every change; the relay follows.
//
//   conductor:  Approach (a leg is programmed) ----+
//   worker:     HopReader::Find, not known --ring--+--> route? -> link? -> neighbour? -> HopTable
//   kernel:     news of routes, rules, links, neighbours -----------^
//
// One NextHops serves all raw ports of a relay. The route is asked with the leg's own address as
// source, so that policy routing (ip rule from ...) decides as it does for a socket.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/abi/endpoint.h"
#include "relay/abi/mapping.h"
#include "relay/abi/segment.h"
#include "relay/port/hop_reader.h"
#include "relay/port/hop_table.h"
#include "relay/port/link.h"
#include "relay/port/netlink.h"
#include "relay/port/upkeep.h"

namespace relay::port {

struct NextHopsOptions {
  std::vector<std::string> devices;              // the raw ports', by egress index
  std::span<const abi::LocalAddress> addresses;  // copied
  uint16_t workers = 1;
  uint64_t seed = 1;  // random, secret
};

class NextHops final : public Upkeep {
 public:
  // An error names the device that is not there, or what the kernel refused.
  static absl::StatusOr<std::unique_ptr<NextHops>> Open(const NextHopsOptions& options);
  // The kernel need not keep our neighbours fresh any longer.
  ~NextHops() override;

  // Of each worker; lives as long as this.
  HopReader* reader(uint16_t worker) { return readers_[worker].get(); }

  // Conductor thread: something will be sent there.
  void Approach(uint16_t local, const abi::Address& remote);

  int descriptor() const override { return epoll_fd_.get(); }
  void Turn(TimeNs now, abi::CounterBlock& counters) override;

  std::vector<std::string> TakeNews() override { return std::exchange(told_, {}); }

  size_t destinations() const { return destinations_.size(); }
  size_t hops() const { return hop_of_.size(); }
  const HopTable& table() const { return table_; }

 private:
  struct HopKey {
    std::array<uint8_t, 16> address;  // gateway, or the far party itself
    int link;
    auto operator<=>(const HopKey& other) const = default;
  };
  struct HopState {
    HopKey key;
    uint32_t destinations = 0;  // that lead here
    uint32_t idle_sweeps = 0;
    TimeNs asked_ns = 0;     // the kernel, to try again
    bool is_static = false;  // somebody entered it by hand
    bool is_silent = false;  // the kernel asked, and nobody answered
  };
  struct Place {
    uint64_t hash = 0;
    uint32_t entry = 0;
    uint16_t hop = kNoHop;  // kNoHop: no way there
  };
  struct Route {
    int link = 0;
    abi::Address next{};
  };

  explicit NextHops(const NextHopsOptions& options);
  absl::Status Start();

  void TakeQuestions();
  void HearNews();
  void TakeOne(const nlmsghdr& message);
  void NeighbourChanged(const nlmsghdr& message);
  void LinksChanged();

  void Resolve(const Destination& destination);
  void ResolvePending();
  bool AskRoute(const Destination& destination, Route* route);
  uint16_t HopFor(const Route& route);
  // Where the destination's word lies; makes room for it when it is new.
  Place& PlaceOf(const Destination& destination);
  void Lead(Place& place, uint16_t hop);
  void Forget(const Destination& destination);
  void Leave(uint16_t hop);

  // Has the kernel resolve the hop and keep it (or not any longer).
  void Keep(uint16_t hop);
  absl::Status Manage(const HopKey& key, bool keep);
  void ReadNeighbour(uint16_t hop);
  void SetNeighbour(uint16_t hop, const nlmsghdr& message);
  void SetOwn(uint16_t hop);
  void TellOfTheSilent();
  void Sweep();

  const std::vector<std::string> devices_;
  const std::vector<abi::LocalAddress> addresses_;
  HopTable table_;
  std::unique_ptr<Netlink> questions_;
  std::unique_ptr<Netlink> news_;
  abi::Descriptor wake_fd_;
  abi::Descriptor epoll_fd_;
  std::vector<std::unique_ptr<HopReader>> readers_;
  std::atomic<uint64_t> turn_{1};

  std::vector<Link> links_;
  absl::flat_hash_map<Destination, Place> destinations_;
  struct Bucket {
    std::array<Destination, kHopsPerBucket> owners{};
    uint8_t taken = 0;     // bit i: word i has an owner
    uint8_t next_out = 0;  // of a full bucket: which word goes
  };
  std::vector<Bucket> buckets_;
  std::map<HopKey, uint16_t> hop_of_;
  std::vector<HopState> hops_;
  std::vector<uint16_t> free_hops_;
  std::vector<uint16_t> resting_hops_;  // free after the next sweep: a worker may still look
  TimeNs now_ = 0;
  TimeNs next_sweep_ns_ = 0;
  std::deque<Destination> pending_;    // after a change of routes
  std::vector<uint16_t> fell_silent_;  // hops, not told yet
  bool silence_told_ = false;
  TimeNs next_word_ns_ = 0;
  TimeNs next_links_word_ns_ = 0;
  std::vector<std::string> told_;
  bool routes_changed_ = false;
  bool links_changed_ = false;
};

}  // namespace relay::port
