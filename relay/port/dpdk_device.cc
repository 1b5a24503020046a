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
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "relay/port/dpdk_eal.h"
#include "relay/port/steering.h"

namespace relay::port {
namespace {

constexpr TimeNs kCountEvery = kSecond;

std::string Text(const wire::MacAddress& mac) {
  return absl::StrJoin(mac, ":", [](std::string* out, uint8_t byte) {
    absl::StrAppend(out, absl::Hex(byte, absl::kZeroPad2));
  });
}

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

// DPDK calls this on a thread of its own when the device has been pulled out.
int Removed(uint16_t, rte_eth_event_type, void* present, void*) {
  static_cast<std::atomic<bool>*>(present)->store(false, std::memory_order_relaxed);
  return 0;
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

// A rule: frames to this address and these ports go to that worker's queue.
rte_flow* MakeRule(uint16_t port_id, const abi::LocalAddress& address, const PortRule& rule) {
  rte_flow_item_vlan vlan{};
  rte_flow_item_vlan vlan_mask{};
  vlan.tci = rte_cpu_to_be_16(address.vlan);
  vlan_mask.tci = rte_cpu_to_be_16(0x0fff);
  rte_flow_item_ipv4 ipv4{};
  rte_flow_item_ipv4 ipv4_mask{};
  rte_flow_item_ipv6 ipv6{};
  rte_flow_item_ipv6 ipv6_mask{};
  uint32_t destination = 0;  // packed in the header
  std::memcpy(&destination, address.address.bytes.data() + 12, 4);
  ipv4.hdr.dst_addr = destination;
  ipv4_mask.hdr.dst_addr = 0xffffffff;
  std::memcpy(ipv6.hdr.dst_addr, address.address.bytes.data(), 16);
  std::memset(ipv6_mask.hdr.dst_addr, 0xff, 16);
  rte_flow_item_udp udp{};
  rte_flow_item_udp udp_mask{};
  udp.hdr.dst_port = rte_cpu_to_be_16(rule.value);
  udp_mask.hdr.dst_port = rte_cpu_to_be_16(rule.mask);

  std::vector<rte_flow_item> pattern;
  const auto match = [&pattern](rte_flow_item_type type, const void* spec, const void* mask) {
    pattern.push_back({.type = type, .spec = spec, .last = nullptr, .mask = mask});
  };
  match(RTE_FLOW_ITEM_TYPE_ETH, nullptr, nullptr);
  if (address.vlan != 0) match(RTE_FLOW_ITEM_TYPE_VLAN, &vlan, &vlan_mask);
  if (address.address.IsIpv4()) {
    match(RTE_FLOW_ITEM_TYPE_IPV4, &ipv4, &ipv4_mask);
  } else {
    match(RTE_FLOW_ITEM_TYPE_IPV6, &ipv6, &ipv6_mask);
  }
  match(RTE_FLOW_ITEM_TYPE_UDP, &udp, &udp_mask);
  match(RTE_FLOW_ITEM_TYPE_END, nullptr, nullptr);

  const rte_flow_action_queue queue{.index = rule.worker};
  const rte_flow_action actions[] = {{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue},
                                     {.type = RTE_FLOW_ACTION_TYPE_END, .conf = nullptr}};
  rte_flow_attr attributes{};
  attributes.ingress = 1;
  rte_flow_error error{};
  return rte_flow_create(port_id, &attributes, pattern.data(), actions, &error);
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
  if (!device->carrier_.empty()) device->carrier_index_ = if_nametoindex(device->carrier_.c_str());
  if (!status.ok()) return status;
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
  // Before the rest, or not at all: only what we ask for is taken from the kernel.
  rte_flow_error flow_error{};
  isolated_ = rte_flow_isolate(port_id_, 1, &flow_error) == 0;
  Facts facts{};
  if (const int result = rte_eth_dev_info_get(port_id_, &facts.info); result != 0) {
    return Refused(Name(), "gives no information", result);
  }
  if (workers > facts.info.max_rx_queues || workers > facts.info.max_tx_queues) {
    return absl::FailedPreconditionError(absl::StrCat(
        "dpdk:", Name(), " has ", std::min(facts.info.max_rx_queues, facts.info.max_tx_queues),
        " queue pairs for ", workers, " workers; start with fewer --workers"));
  }
  if (absl::Status status = SetUpQueues(plan, facts); !status.ok()) return status;
  rte_ether_addr mac;
  if (const int result = rte_eth_macaddr_get(port_id_, &mac); result != 0) {
    return Refused(Name(), "has no link address", result);
  }
  std::memcpy(mac_.data(), mac.addr_bytes, mac_.size());
  rte_eth_dev_callback_register(port_id_, RTE_ETH_EVENT_INTR_RMV, Removed, &present_);
  if (const int result = rte_eth_dev_start(port_id_); result != 0) {
    return Refused(Name(), "does not start", result);
  }
  started_ = true;
  if (absl::Status status = Steer(plan); !status.ok()) return status;
  if (absl::Status status = OpenExceptions(workers); !status.ok()) return status;
  notices_.push_back(absl::StrCat(
      "dpdk:", Name(), ": driver ", facts.info.driver_name, ", link address ", Text(mac_), ", ",
      workers, " queue pairs of ", plan.descriptors, ", UDP checksum ",
      offloads_.udp_checksum ? "by the NIC" : "in software", ", VLAN tag ",
      offloads_.vlan_insert ? "by the NIC" : "in software", ", ",
      isolated_     ? "isolated: the kernel keeps what is not ours"
      : exceptions_ ? absl::StrCat("what is not ours goes to the kernel by ", options_.interface)
                    : "what is not ours is dropped"));
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
      info.tx_offload_capa & (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
                              RTE_ETH_TX_OFFLOAD_VLAN_INSERT);
  offloads_.udp_checksum = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
  offloads_.vlan_insert = (conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0;
  std::vector<uint8_t> key;
  if (workers > 1 && !isolated_ && info.hash_key_size >= 40 &&
      (info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_UDP) != 0 && info.reta_size >= 2) {
    key = SinglePortKey(info.reta_size, info.hash_key_size);
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf = {.rss_key = key.data(),
                                 .rss_key_len = info.hash_key_size,
                                 .rss_hf = RTE_ETH_RSS_NONFRAG_IPV4_UDP};
  }
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

bool DpdkDevice::SteerByRules(const DpdkDevicePlan& plan) {
  rte_flow_error error{};
  for (const abi::LocalAddress& address : plan.addresses) {
    if (address.interface != index_) continue;
    for (const PortRule& rule : PortRules(address.port_first, address.port_last, plan.placement)) {
      if (MakeRule(port_id_, address, rule) != nullptr) continue;
      rte_flow_flush(port_id_, &error);
      return false;
    }
  }
  return true;
}

absl::Status DpdkDevice::Steer(const DpdkDevicePlan& plan) {
  const uint16_t workers = plan.placement.workers;
  if (isolated_ || workers > 1) {
    if (SteerByRules(plan)) {
      placement_kind_ = abi::PlacementKind::kFlowRules;
      return absl::OkStatus();
    }
    if (isolated_) {
      return absl::FailedPreconditionError(
          absl::StrCat("dpdk:", Name(),
                       " is isolated but refuses rules on the UDP destination port; update its "
                       "firmware, or use --port xdp",
                       LastComplaint()));
    }
  }
  if (workers == 1) {
    placement_kind_ = abi::PlacementKind::kNone;
    return absl::OkStatus();
  }
  rte_eth_dev_info info{};
  rte_eth_dev_info_get(port_id_, &info);
  const std::vector<uint8_t> table = info.reta_size >= 2
                                         ? IndirectionTable(info.reta_size, plan.placement)
                                         : std::vector<uint8_t>{};
  const bool ipv4_only = std::ranges::all_of(
      plan.addresses, [](const abi::LocalAddress& a) { return a.address.IsIpv4(); });
  std::vector<rte_eth_rss_reta_entry64> reta((table.size() + 63) / 64);
  for (size_t i = 0; i < table.size(); ++i) {
    reta[i / 64].mask |= uint64_t{1} << i % 64;
    reta[i / 64].reta[i % 64] = table[i];
  }
  if (!table.empty() && ipv4_only && info.hash_key_size >= 40 &&
      rte_eth_dev_rss_reta_update(port_id_, reta.data(), info.reta_size) == 0) {
    placement_kind_ = abi::PlacementKind::kToeplitz;
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("dpdk:", Name(),
                   " can neither match UDP destination ports nor take a hash key and table "
                   "for IPv4, so ",
                   workers, " workers would get each other's packets; start with --workers 1"));
}

absl::Status DpdkDevice::OpenExceptions(uint16_t workers) {
  // A device that the kernel has stays with it (af_packet, mlx5).
  if (options_.interface.empty() || if_nametoindex(options_.interface.c_str()) != 0) {
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<ExceptionPath>> path =
      ExceptionPath::Open(options_.interface, mac_, workers);
  if (!path.ok()) return path.status();
  exceptions_ = *std::move(path);
  // ND asks by multicast. A driver that cannot filter it delivers it anyway.
  rte_eth_allmulticast_enable(port_id_);
  return absl::OkStatus();
}

DpdkDevice::~DpdkDevice() {
  if (port_id_ == 0xffff) return;
  rte_eth_dev_info info{};
  const bool known = rte_eth_dev_info_get(port_id_, &info) == 0;
  rte_eth_dev_callback_unregister(port_id_, RTE_ETH_EVENT_INTR_RMV, Removed, &present_);
  OnInterruptThread([this] {
    if (started_) rte_eth_dev_stop(port_id_);
    rte_eth_dev_close(port_id_);
  });
  if (known && info.device != nullptr) rte_dev_remove(info.device);
}

void DpdkDevice::Turn(TimeNs now, abi::CounterBlock& counters, std::vector<std::string>* news) {
  if (exceptions_ != nullptr) exceptions_->Turn(now, counters);
  if (!present()) {
    if (link_up_) news->push_back(absl::StrCat("dpdk:", Name(), " was removed"));
    link_up_ = false;
    return;
  }
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(port_id_, &link) == 0 && (link.link_status != 0) != link_up_) {
    link_up_ = link.link_status != 0;
    const bool first = opened_ns_ != 0;
    news->push_back(absl::StrCat(
        "dpdk:", Name(), " link is ", link_up_ ? "up" : "down",
        link_up_ && first ? absl::StrCat(", ", (now - std::min(opened_ns_, now)) / kMillisecond,
                                         " ms after its start")
                          : ""));
    opened_ns_ = 0;
  }
  if (now < next_count_ns_) return;
  next_count_ns_ = now + kCountEvery;
  LookForCarrier(news);
  rte_eth_stats stats{};
  if (rte_eth_stats_get(port_id_, &stats) != 0) return;
  counters.Add(abi::Counter::kKernelDropped, stats.imissed - lost_.missed);
  counters.Add(abi::Counter::kReceiveStarved, stats.rx_nombuf - lost_.starved);
  counters.Add(abi::Counter::kSendFailed, stats.oerrors - lost_.failed);
  lost_ = {.missed = stats.imissed, .starved = stats.rx_nombuf, .failed = stats.oerrors};
}

void DpdkDevice::LookForCarrier(std::vector<std::string>* news) {
  if (carrier_index_ == 0) return;
  // By its number: one that comes again has another, whatever its name, and a renamed one the same.
  char name[IF_NAMESIZE];
  const bool gone = if_indextoname(carrier_index_, name) == nullptr;
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
