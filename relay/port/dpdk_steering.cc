#include "relay/port/dpdk_steering.h"

#include <rte_ethdev.h>
#include <rte_flow.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/port/steering.h"

namespace relay::port {
namespace {

// Where a driver does not say how long its key is.
constexpr uint8_t kUsualKeyBytes = 40;

constexpr uint64_t kUdp4 = RTE_ETH_RSS_NONFRAG_IPV4_UDP;
constexpr uint64_t kUdp = kUdp4 | RTE_ETH_RSS_NONFRAG_IPV6_UDP;

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

void DpdkSteering::Prepare(const rte_eth_dev_info& info, rte_eth_conf* conf) {
  if (placement_.workers < 2) return;
  const uint8_t key_bytes = info.hash_key_size != 0 ? info.hash_key_size : kUsualKeyBytes;
  const bool ipv4_only = std::ranges::all_of(
      addresses_, [](const abi::LocalAddress& own) { return own.address.IsIpv4(); });
  if (ipv4_only && (info.flow_type_rss_offloads & kUdp4) != 0 &&
      !IndirectionTable(info.reta_size, placement_).empty()) {
    key_ = SinglePortKey(info.reta_size, key_bytes);
    table_entries_ = info.reta_size;
  }
  const uint64_t hashed = info.flow_type_rss_offloads & (key_.empty() ? kUdp : kUdp4);
  spreads_ = hashed != 0;
  if (!spreads_) return;
  conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  // Without a key of ours the driver's own, by which a stream keeps to one queue, too.
  conf->rx_adv_conf.rss_conf = {.rss_key = key_.empty() ? nullptr : key_.data(),
                                .rss_key_len = static_cast<uint8_t>(key_.size()),
                                .rss_hf = hashed};
}

std::optional<abi::PlacementKind> DpdkSteering::Settle(bool isolated) {
  if (isolated || placement_.workers > 1) {
    if (RulesTaken()) {
      kind_ = abi::PlacementKind::kFlowRules;
    } else if (isolated) {
      return std::nullopt;
    } else {
      kind_ = OnePortKeyTaken() ? abi::PlacementKind::kToeplitz : abi::PlacementKind::kHandOver;
    }
  }
  return kind_;
}

bool DpdkSteering::RulesTaken() {
  rte_flow_error error{};
  for (const abi::LocalAddress& address : addresses_) {
    for (const PortRule& rule : PortRules(address.port_first, address.port_last, placement_)) {
      if (MakeRule(port_id_, address, rule) != nullptr) continue;
      rte_flow_flush(port_id_, &error);
      return false;
    }
  }
  return true;
}

// Not every driver that is given a key with its configuration takes it, or says that it did not.
bool DpdkSteering::KeyIsIn() {
  std::vector<uint8_t> held(key_.size());
  rte_eth_rss_conf conf{
      .rss_key = held.data(), .rss_key_len = static_cast<uint8_t>(held.size()), .rss_hf = 0};
  return rte_eth_dev_rss_hash_conf_get(port_id_, &conf) == 0 && held == key_;
}

bool DpdkSteering::OnePortKeyTaken() {
  if (key_.empty()) return false;
  if (!KeyIsIn()) {
    rte_eth_rss_conf conf{
        .rss_key = key_.data(), .rss_key_len = static_cast<uint8_t>(key_.size()), .rss_hf = kUdp4};
    if (rte_eth_dev_rss_hash_update(port_id_, &conf) != 0 || !KeyIsIn()) return false;
  }
  const std::vector<uint8_t> table = IndirectionTable(table_entries_, placement_);
  std::vector<rte_eth_rss_reta_entry64> reta((table.size() + 63) / 64);
  for (size_t i = 0; i < table.size(); ++i) {
    reta[i / 64].mask |= uint64_t{1} << i % 64;
    reta[i / 64].reta[i % 64] = table[i];
  }
  return rte_eth_dev_rss_reta_update(port_id_, reta.data(), table_entries_) == 0;
}

std::string DpdkSteering::Map(const std::string& name) const {
  std::string map = absl::StrCat("dpdk:", name, ": ");
  for (uint16_t queue = 0; queue < placement_.workers; ++queue) {
    absl::StrAppend(&map, queue == 0 ? "" : ", ", "queue ", queue, " to worker ", queue);
  }
  switch (kind_) {
    case abi::PlacementKind::kFlowRules:
      return absl::StrCat(map, "; rules in the NIC choose the queue by the UDP destination port");
    case abi::PlacementKind::kToeplitz:
      return absl::StrCat(map, "; a hash key of one bit chooses it by the UDP destination port");
    case abi::PlacementKind::kHandOver:
      return absl::StrCat(map, "; it cannot steer by UDP destination port, so workers hand over");
    default:
      return map;
  }
}

std::string DpdkSteering::Warning(const std::string& name) const {
  if (kind_ != abi::PlacementKind::kHandOver || spreads_) return {};
  return absl::StrCat(
      "dpdk:", name,
      " has no receive hash: if its other side uses queue 0 alone, worker 0 receives "
      "everything and hands over what is not its own; have the other side use ",
      placement_.workers, " queues (memif, ring), or start with --workers 1");
}

}  // namespace relay::port
