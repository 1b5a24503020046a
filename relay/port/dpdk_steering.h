// How one device brings a packet to the worker that it belongs to: by flow rules on the UDP
// destination port; else by a receive hash that sees this port alone; else as the device likes, and
// the workers hand over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "relay/abi/placement.h"
#include "relay/abi/segment.h"

struct rte_eth_conf;
struct rte_eth_dev_info;

namespace relay::port {

class DpdkSteering {
 public:
  // `addresses`: those behind this device.
  DpdkSteering(uint16_t port_id, std::vector<abi::LocalAddress> addresses,
               const abi::Placement& placement)
      : port_id_(port_id), addresses_(std::move(addresses)), placement_(placement) {}

  // Before the device is configured: asks for a receive hash, where several queues need one.
  void Prepare(const rte_eth_dev_info& info, rte_eth_conf* conf);
  // After it has started. Nothing: an isolated device that takes no rules would hear nothing.
  std::optional<abi::PlacementKind> Settle(bool isolated);

  // Queues, their workers, and how packets come to them; for the log. `name`: of the device.
  std::string Map(const std::string& name) const;
  // What a person should know who wants several workers to be used; empty when all is well.
  std::string Warning(const std::string& name) const;

 private:
  bool RulesTaken();
  bool OnePortKeyTaken();
  bool KeyIsIn();

  const uint16_t port_id_;
  const std::vector<abi::LocalAddress> addresses_;
  const abi::Placement placement_;
  std::vector<uint8_t> key_;  // of one bit; empty: the device is not asked to take it
  uint16_t table_entries_ = 0;
  bool spreads_ = false;  // a receive hash is on
  abi::PlacementKind kind_ = abi::PlacementKind::kNone;
};

}  // namespace relay::port
