// The kernel's network devices, as the raw ports need to know them.
#pragma once

#include <linux/rtnetlink.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/segment.h"
#include "relay/wire/frame.h"

namespace relay::port {

class Netlink;

// "02:00:00:00:00:01"
std::string MacText(const wire::MacAddress& mac);

struct Link {
  int index = 0;  // as the kernel counts
  std::string name;
  wire::MacAddress mac{};
  uint32_t mtu = 0;
  bool up = false;
  // An 802.1Q device (eth0.100): the device below it and its tag. Else 0.
  int below = 0;
  uint16_t vlan = 0;

  // The device whose frames these are.
  int device() const { return vlan != 0 ? below : index; }
};

// From an RTM_NEWLINK; nothing for what is no Ethernet device.
std::optional<Link> ReadLink(const nlmsghdr& message);

absl::StatusOr<std::vector<Link>> ReadLinks(Netlink& netlink);
// The same for who asks once a second or less.
absl::StatusOr<std::vector<Link>> ReadLinks();

const Link* FindLink(const std::vector<Link>& links, std::string_view name);
const Link* FindLink(const std::vector<Link>& links, int index);

// To whom a device's calls matter: its link address has changed, and the port has taken that up.
std::string FollowedText(const Link& link);

// Of the interface that the address is reached by; a view into `address`.
std::string_view InterfaceName(const abi::LocalAddress& address);

}  // namespace relay::port
