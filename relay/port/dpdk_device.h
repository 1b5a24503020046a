// One Ethernet device under DPDK: taken, set up with a queue pair a worker, watched, given back.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/port/dpdk.h"
#include "relay/port/dpdk_steering.h"
#include "relay/port/exception_path.h"
#include "relay/port/link.h"

struct rte_mempool;

namespace relay::port {

// What the driver does in the NIC, and therefore nobody here.
struct DpdkOffloads {
  bool udp_checksum = false;  // written on the way out
};

struct DpdkDevicePlan {
  DpdkDeviceOptions device;
  uint16_t index = 0;  // interface index of the local addresses behind it
  std::span<const abi::LocalAddress> addresses;
  abi::Placement placement;
  uint16_t descriptors = 1024;          // of a ring, as far as the device has so many
  std::span<rte_mempool* const> pools;  // by worker: what its queue receives into
};

class DpdkDevice {
 public:
  // Conductor thread. EAL has been started.
  static absl::StatusOr<std::unique_ptr<DpdkDevice>> Open(const DpdkDevicePlan& plan);
  ~DpdkDevice();
  DpdkDevice(const DpdkDevice&) = delete;
  DpdkDevice& operator=(const DpdkDevice&) = delete;

  // ---- any thread, constant ----

  uint16_t port_id() const { return port_id_; }
  const DpdkOffloads& offloads() const { return offloads_; }
  const DpdkDeviceOptions& options() const { return options_; }
  abi::PlacementKind placement_kind() const { return placement_kind_; }
  ExceptionPath* exceptions() const { return exceptions_.get(); }

  // ---- any thread ----

  // Its link address, which may change: the six bytes in a word's lower end.
  uint64_t mac_word() const { return mac_word_.load(std::memory_order_relaxed); }
  static wire::MacAddress MacOf(uint64_t word) {
    wire::MacAddress mac;
    std::memcpy(mac.data(), &word, mac.size());
    return mac;
  }
  // False after the device was pulled out: it must not be touched any more.
  bool present() const { return present_.load(std::memory_order_relaxed); }

  // ---- conductor thread ----

  // Adds what the NIC lost since the last call; tells of a link that came or went.
  void Turn(TimeNs now, abi::CounterBlock& counters, std::vector<std::string>* news);
  const std::vector<std::string>& notices() const { return notices_; }

 private:
  struct Facts;
  struct Lost {
    uint64_t missed = 0;
    uint64_t starved = 0;
    uint64_t failed = 0;
  };

  explicit DpdkDevice(const DpdkDevicePlan& plan);
  absl::Status Take();
  absl::Status SetUp(const DpdkDevicePlan& plan);
  absl::Status SetUpQueues(const DpdkDevicePlan& plan, const Facts& facts);
  absl::Status Steer();
  absl::Status OpenExceptions(uint16_t workers);
  std::string Name() const;
  void MeetCarrier();
  void LookForCarrier(std::vector<std::string>* news);
  // The kernel's device is there: whether it has a link, and whether its link address has changed.
  void FollowCarrier(const Link& carrier, std::vector<std::string>* news);
  void SetMac(const wire::MacAddress& mac);

  const DpdkDeviceOptions options_;
  const uint16_t index_;
  uint16_t port_id_ = 0xffff;
  bool started_ = false;
  bool isolated_ = false;
  std::atomic<uint64_t> mac_word_{0};
  DpdkOffloads offloads_;
  std::unique_ptr<DpdkSteering> steering_;
  abi::PlacementKind placement_kind_ = abi::PlacementKind::kNone;
  std::unique_ptr<ExceptionPath> exceptions_;
  std::atomic<bool> present_{true};
  std::vector<std::string> notices_;
  Lost lost_;
  std::string bus_name_;  // what the bus calls it; empty: not watched
  bool told_removed_ = false;
  bool link_up_ = false;
  // The kernel's device that the driver works through (af_packet, af_xdp): no driver tells when
  // somebody deletes it.
  const std::string carrier_;   // the kernel's device under the driver; empty: none is known
  uint32_t carrier_index_ = 0;  // 0: there was none of that name; nothing is looked for
  // Its own link address, as it was last seen: the driver may have given the device another one.
  std::optional<wire::MacAddress> carrier_mac_;
  bool carrier_up_ = true;  // af_packet's driver says up whatever the kernel knows
  bool carrier_gone_ = false;
  bool carrier_back_ = false;  // another one with its name is there
  TimeNs opened_ns_ = 0;
  TimeNs next_count_ns_ = 0;
};

}  // namespace relay::port
