#include "relay/port/dpdk_device.h"

#include <net/if.h>
#include <rte_alarm.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <future>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/port/dpdk_eal.h"
#include "relay/port/dpdk_steering.h"

namespace relay::port {
namespace {

constexpr TimeNs kCountEvery = kSecond;

absl::Status Refused(const std::string& name, absl::string_view what, int error) {
  return absl::FailedPreconditionError(absl::StrCat(
      "dpdk:", name, ": ", what, ": ", rte_strerror(error < 0 ? -error : error),
      error == -EPERM ? "; start as root, or with CAP_NET_ADMIN" : "", LastComplaint()));
}

// "near0" of "net_af_packet0,iface=near0,..."; empty where there is none.
std::string CarrierOf(const std::string& device) {
  for (const absl::string_view argument : absl::StrSplit(device, ',')) {
    if (absl::StartsWith(argument, "iface=")) return std::string(argument.substr(6));
  }
  return {};
}

// DPDK calls these on a thread of its own: the driver when its device has been pulled out, the bus
// when the kernel takes the device back.
int Removed(uint16_t, rte_eth_event_type, void* present, void*) {
  static_cast<std::atomic<bool>*>(present)->store(false, std::memory_order_relaxed);
  return 0;
}
void TakenAway(const char*, rte_dev_event_type event, void* present) {
  if (event != RTE_DEV_EVENT_REMOVE) return;
  static_cast<std::atomic<bool>*>(present)->store(false, std::memory_order_relaxed);
}

// Where the driver's own callbacks run: memif's takes a message of a peer that goes away, and frees
// it, while another thread that closes the device frees it too (DPDK 22.11).
void OnInterruptThread(std::function<void()> work) {
  std::packaged_task<void()> task(std::move(work));
  const std::future<void> done = task.get_future();
  const auto run = [](void* argument) { (*static_cast<std::packaged_task<void()>*>(argument))(); };
  if (rte_eal_alarm_set(1, run, &task) != 0) task();
  done.wait();
}

}  // namespace

DpdkDevice::DpdkDevice(const DpdkDevicePlan& plan)
    : options_(plan.device), index_(plan.index), carrier_(CarrierOf(plan.device.device)) {}

struct DpdkDevice::Facts {
  rte_eth_dev_info info;
  rte_eth_conf conf;
};

absl::StatusOr<std::unique_ptr<DpdkDevice>> DpdkDevice::Open(const DpdkDevicePlan& plan) {
  std::unique_ptr<DpdkDevice> device(new DpdkDevice(plan));
  ForgetComplaints();
  absl::Status status = device->Take();
  if (status.ok()) status = device->SetUp(plan);
  if (!status.ok()) return status;
  device->MeetCarrier();
  return device;
}

std::string DpdkDevice::Name() const {
  return options_.device.substr(0, options_.device.find(','));
}

absl::Status DpdkDevice::Take() {
  const std::string name = Name();
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port_id_) == 0) return absl::OkStatus();
  const int result = rte_dev_probe(options_.device.c_str());
  if (result == 0 && rte_eth_dev_get_port_by_name(name.c_str(), &port_id_) == 0) {
    return absl::OkStatus();
  }
  // Drivers call any failure EPERM, so the kernel's own words count.
  const std::string complaint = LastComplaint();
  if (absl::StrContains(complaint, "Operation not permitted") ||
      absl::StrContains(complaint, "Permission denied") ||
      absl::StrContains(complaint, "Could not open AF_PACKET socket")) {
    return absl::PermissionDeniedError(
        absl::StrCat("dpdk:", name,
                     ": no permission: start as root, or with CAP_NET_RAW for af_packet, "
                     "CAP_NET_ADMIN for tap and af_xdp, access to /dev/vfio for a NIC",
                     complaint));
  }
  return absl::NotFoundError(absl::StrCat(
      "dpdk:", name, " cannot be opened", complaint,
      "; a virtual device is called net_memif0, net_af_packet0, net_af_xdp0 or net_tap0 with its "
      "driver's arguments behind a comma, a NIC by its PCI address, bound to vfio-pci (scripts/nic "
      "show)"));
}

absl::Status DpdkDevice::SetUp(const DpdkDevicePlan& plan) {
  opened_ns_ = MonotonicNow();
  const uint16_t workers = plan.placement.workers;
  // Before the rest, or not at all: only what we ask for is taken from the kernel. The driver of
  // tap says yes and then takes no rule on most kernels; no virtual device has a kernel's NIC to
  // spare.
  rte_flow_error flow_error{};
  isolated_ =
      !absl::StartsWith(options_.device, "net_") && rte_flow_isolate(port_id_, 1, &flow_error) == 0;
  Facts facts{};
  if (const int result = rte_eth_dev_info_get(port_id_, &facts.info); result != 0) {
    return Refused(Name(), "gives no information", result);
  }
  if (workers > facts.info.max_rx_queues || workers > facts.info.max_tx_queues) {
    return absl::FailedPreconditionError(absl::StrCat(
        "dpdk:", Name(), " has ", std::min(facts.info.max_rx_queues, facts.info.max_tx_queues),
        " queue pairs for ", workers, " workers; start with fewer --workers"));
  }
  std::vector<abi::LocalAddress> own;
  std::ranges::copy_if(
      plan.addresses, std::back_inserter(own),
      [this](const abi::LocalAddress& address) { return address.interface == index_; });
  steering_ = std::make_unique<DpdkSteering>(port_id_, std::move(own), plan.placement);
  if (absl::Status status = SetUpQueues(plan, facts); !status.ok()) return status;
  rte_ether_addr mac;
  if (const int result = rte_eth_macaddr_get(port_id_, &mac); result != 0) {
    return Refused(Name(), "has no link address", result);
  }
  wire::MacAddress link_address;
  std::memcpy(link_address.data(), mac.addr_bytes, link_address.size());
  SetMac(link_address);
  rte_eth_dev_callback_register(port_id_, RTE_ETH_EVENT_INTR_RMV, Removed, &present_);
  bus_name_ = rte_dev_name(facts.info.device);
  rte_dev_event_callback_register(bus_name_.c_str(), TakenAway, &present_);
  if (const int result = rte_eth_dev_start(port_id_); result != 0) {
    return Refused(Name(), "does not start", result);
  }
  started_ = true;
  if (absl::Status status = Steer(); !status.ok()) return status;
  if (absl::Status status = OpenExceptions(workers); !status.ok()) return status;
  notices_.push_back(absl::StrCat(
      "dpdk:", Name(), ": driver ", facts.info.driver_name, ", link address ",
      MacText(MacOf(mac_word())), ", ", workers, " queue pairs of ", plan.descriptors,
      ", UDP checksum ", offloads_.udp_checksum ? "by the NIC" : "in software", ", ",
      isolated_     ? "isolated: the kernel keeps what is not ours"
      : exceptions_ ? absl::StrCat("what is not ours goes to the kernel by ", options_.interface)
                    : "what is not ours is dropped"));
  notices_.push_back(steering_->Map(Name()));
  if (std::string warning = steering_->Warning(Name()); !warning.empty()) {
    notices_.push_back(std::move(warning));
  }
  return absl::OkStatus();
}

absl::Status DpdkDevice::SetUpQueues(const DpdkDevicePlan& plan, const Facts& facts) {
  const rte_eth_dev_info& info = facts.info;
  const uint16_t workers = plan.placement.workers;
  rte_eth_conf conf{};
  conf.rxmode.offloads =
      info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
                              RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
  conf.txmode.offloads =
      info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
  offloads_.udp_checksum = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
  steering_->Prepare(info, &conf);
  // Asked of a driver that has it not, the device is refused.
  conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0 ? 1 : 0;
  if (const int result = rte_eth_dev_configure(port_id_, workers, workers, &conf); result != 0) {
    return Refused(Name(), absl::StrCat("refuses ", workers, " queue pairs"), result);
  }
  uint16_t rx = plan.descriptors;
  uint16_t tx = plan.descriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(port_id_, &rx, &tx);
  const int rx_socket = rte_eth_dev_socket_id(port_id_);
  const auto socket = static_cast<unsigned>(rx_socket);
  for (uint16_t queue = 0; queue < workers; ++queue) {
    int result = rte_eth_rx_queue_setup(port_id_, queue, rx, socket, nullptr, plan.pools[queue]);
    if (result == 0) result = rte_eth_tx_queue_setup(port_id_, queue, tx, socket, nullptr);
    if (result != 0) return Refused(Name(), absl::StrCat("refuses queue ", queue), result);
  }
  return absl::OkStatus();
}

absl::Status DpdkDevice::Steer() {
  const std::optional<abi::PlacementKind> kind = steering_->Settle(isolated_);
  if (!kind) {
    return absl::FailedPreconditionError(
        absl::StrCat("dpdk:", Name(),
                     " is isolated but refuses rules on the UDP destination port; update its "
                     "firmware, or use --port xdp",
                     LastComplaint()));
  }
  placement_kind_ = *kind;
  return absl::OkStatus();
}

absl::Status DpdkDevice::OpenExceptions(uint16_t workers) {
  if (options_.interface.empty()) return absl::OkStatus();
  // A device that the kernel has stays with it (af_packet, mlx5, the kernel's end of net_tap). A
  // TAP is what an earlier relay left there, or the administrator made for us.
  const bool there = if_nametoindex(options_.interface.c_str()) != 0;
  if (there && (options_.interface == carrier_ || !ExceptionPath::IsTap(options_.interface))) {
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<ExceptionPath>> path =
      ExceptionPath::Open(options_.interface, MacOf(mac_word()), workers);
  if (!path.ok()) return path.status();
  exceptions_ = *std::move(path);
  notices_.push_back(
      there ? absl::StrCat("dpdk:", Name(), ": ", options_.interface,
                           " was there and is used again, with its addresses and routes")
            : absl::StrCat("dpdk:", Name(), ": ", options_.interface,
                           " was made; it stays when the relay ends, with its addresses and routes "
                           "(`ip link delete ",
                           options_.interface, "` removes it)"));
  // ND asks by multicast. A driver that cannot filter it delivers it anyway.
  rte_eth_allmulticast_enable(port_id_);
  return absl::OkStatus();
}

DpdkDevice::~DpdkDevice() {
  if (port_id_ == 0xffff) return;
  rte_eth_dev_info info{};
  const bool known = rte_eth_dev_info_get(port_id_, &info) == 0;
  rte_eth_dev_callback_unregister(port_id_, RTE_ETH_EVENT_INTR_RMV, Removed, &present_);
  if (!bus_name_.empty()) {
    while (rte_dev_event_callback_unregister(bus_name_.c_str(), TakenAway, &present_) == -EAGAIN) {
    }
  }
  OnInterruptThread([this] {
    if (started_) rte_eth_dev_stop(port_id_);
    rte_eth_dev_close(port_id_);
  });
  if (known && info.device != nullptr) rte_dev_remove(info.device);
}

void DpdkDevice::Turn(TimeNs now, abi::CounterBlock& counters, std::vector<std::string>* news) {
  if (exceptions_ != nullptr) exceptions_->Turn(now, counters);
  const bool due = now >= next_count_ns_;
  if (due && present()) LookForCarrier(news);
  // Not every driver has an interrupt for it.
  if (due && present() && rte_eth_dev_is_removed(port_id_) != 0) {
    present_.store(false, std::memory_order_relaxed);
  }
  if (!present()) {
    if (std::exchange(told_removed_, true)) return;
    news->push_back(absl::StrCat(
        "dpdk:", Name(),
        " was removed; its calls cannot be carried on until it is back (scripts/nic show) and the "
        "relay is restarted"));
    return;
  }
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(port_id_, &link) == 0 &&
      (link.link_status != 0 && carrier_up_) != link_up_) {
    link_up_ = link.link_status != 0 && carrier_up_;
    const bool first = opened_ns_ != 0;
    news->push_back(absl::StrCat(
        "dpdk:", Name(), " link is ", link_up_ ? "up" : "down",
        link_up_ && first ? absl::StrCat(", ", (now - std::min(opened_ns_, now)) / kMillisecond,
                                         " ms after its start")
                          : ""));
    opened_ns_ = 0;
  }
  if (!due) return;
  next_count_ns_ = now + kCountEvery;
  rte_eth_stats stats{};
  if (rte_eth_stats_get(port_id_, &stats) != 0) return;
  counters.Add(abi::Counter::kKernelDropped, Growth(lost_.missed, stats.imissed));
  counters.Add(abi::Counter::kReceiveStarved, Growth(lost_.starved, stats.rx_nombuf));
  counters.Add(abi::Counter::kSendFailed, Growth(lost_.failed, stats.oerrors));
  lost_ = {.missed = stats.imissed, .starved = stats.rx_nombuf, .failed = stats.oerrors};
}

void DpdkDevice::SetMac(const wire::MacAddress& mac) {
  uint64_t word = 0;
  std::memcpy(&word, mac.data(), mac.size());
  mac_word_.store(word, std::memory_order_relaxed);
}

void DpdkDevice::MeetCarrier() {
  if (carrier_.empty()) return;
  carrier_index_ = if_nametoindex(carrier_.c_str());
  const absl::StatusOr<std::vector<Link>> links = ReadLinks();
  if (!links.ok()) return;
  const Link* carrier = FindLink(*links, carrier_);
  if (carrier != nullptr) carrier_mac_ = carrier->mac;
}

void DpdkDevice::FollowCarrier(const Link& carrier, std::vector<std::string>* news) {
  carrier_up_ = carrier.up;
  const std::optional<wire::MacAddress> before = std::exchange(carrier_mac_, carrier.mac);
  if (!before || *before == carrier.mac) return;
  SetMac(carrier.mac);
  news->push_back(absl::StrCat("dpdk:", Name(), ": ", FollowedText(carrier)));
  if (exceptions_ == nullptr) return;
  if (const absl::Status status = exceptions_->Follow(carrier.mac); !status.ok()) {
    news->push_back(absl::StrCat(
        "dpdk:", Name(), ": ", options_.interface,
        " does not get it, and the host's own traffic may not be heard: ", status.message()));
  }
}

void DpdkDevice::LookForCarrier(std::vector<std::string>* news) {
  if (carrier_index_ == 0) return;
  const absl::StatusOr<std::vector<Link>> links = ReadLinks();
  if (!links.ok()) return;
  // By its number: one that comes again has another, whatever its name, and a renamed one the same.
  const Link* carrier = FindLink(*links, static_cast<int>(carrier_index_));
  if (carrier != nullptr) FollowCarrier(*carrier, news);
  char name[IF_NAMESIZE];  // lo is no Ethernet device
  const bool gone = carrier == nullptr && if_indextoname(carrier_index_, name) == nullptr;
  const bool back = gone && if_nametoindex(carrier_.c_str()) != 0;
  if (gone == carrier_gone_ && back == carrier_back_) return;
  const bool told = std::exchange(carrier_gone_, gone);
  carrier_back_ = back;
  if (!gone || (told && !back)) return;
  news->push_back(
      !back ? absl::StrCat("dpdk:", Name(), ": ", carrier_,
                           " was removed; its calls cannot be carried on until the device is back "
                           "and the relay is restarted")
            : absl::StrCat("dpdk:", Name(), ": ", carrier_,
                           " is there again; restart the relay, and its calls go on"));
}

}  // namespace relay::port
