#include "relay/port/link.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "relay/port/netlink.h"

namespace relay::port {
namespace {

// While devices come and go (containers that start), each some milliseconds.
constexpr int kLinkTries = 20;

}  // namespace

std::string MacText(const wire::MacAddress& mac) {
  return absl::StrJoin(mac, ":", [](std::string* out, uint8_t byte) {
    absl::StrAppend(out, absl::Hex(byte, absl::kZeroPad2));
  });
}

std::optional<Link> ReadLink(const nlmsghdr& message) {
  const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  if (header->ifi_type != ARPHRD_ETHER) return std::nullopt;
  const auto find = [&](uint16_t type) { return FindAttribute(message, sizeof(ifinfomsg), type); };
  Link link;
  link.index = header->ifi_index;
  link.up = (header->ifi_flags & IFF_UP) != 0 && (header->ifi_flags & IFF_RUNNING) != 0;
  if (const nlattr* name = find(IFLA_IFNAME)) link.name = mnl_attr_get_str(name);
  if (const nlattr* mtu = find(IFLA_MTU)) link.mtu = mnl_attr_get_u32(mtu);
  const nlattr* mac = find(IFLA_ADDRESS);
  if (mac != nullptr && mnl_attr_get_payload_len(mac) == link.mac.size()) {
    std::memcpy(link.mac.data(), mnl_attr_get_payload(mac), link.mac.size());
  }
  const nlattr* information = find(IFLA_LINKINFO);
  const nlattr* below = find(IFLA_LINK);
  if (information == nullptr || below == nullptr) return link;
  const nlattr* kind = FindAttribute(*information, IFLA_INFO_KIND);
  const nlattr* data = FindAttribute(*information, IFLA_INFO_DATA);
  if (kind == nullptr || data == nullptr || std::strcmp(mnl_attr_get_str(kind), "vlan") != 0) {
    return link;
  }
  if (const nlattr* id = FindAttribute(*data, IFLA_VLAN_ID)) {
    link.below = static_cast<int>(mnl_attr_get_u32(below));
    link.vlan = mnl_attr_get_u16(id);
  }
  return link;
}

absl::StatusOr<std::vector<Link>> ReadLinks(Netlink& netlink) {
  std::vector<Link> links;
  absl::Status status;
  for (int tries = 0; tries < kLinkTries; ++tries) {
    links.clear();
    NetlinkMessage question(RTM_GETLINK, NLM_F_DUMP);
    question.Extra<ifinfomsg>()->ifi_family = AF_UNSPEC;
    status = netlink.Ask(question, [&links](const nlmsghdr& message) {
      if (message.nlmsg_type != RTM_NEWLINK) return;
      if (std::optional<Link> link = ReadLink(message)) links.push_back(*std::move(link));
    });
    if (!absl::IsAborted(status)) break;
  }
  if (!status.ok()) return status;
  return links;
}

absl::StatusOr<std::vector<Link>> ReadLinks() {
  absl::StatusOr<Netlink> netlink = Netlink::Open({});
  if (!netlink.ok()) return netlink.status();
  return ReadLinks(*netlink);
}

std::string FollowedText(const Link& link) {
  return absl::StrCat(link.name, " has the link address ", MacText(link.mac),
                      " now; it is followed, and its calls go on once its neighbours know it");
}

std::string_view InterfaceName(const abi::LocalAddress& address) {
  return {address.interface_name, strnlen(address.interface_name, sizeof(address.interface_name))};
}

const Link* FindLink(const std::vector<Link>& links, std::string_view name) {
  const auto found = std::find_if(links.begin(), links.end(),
                                  [name](const Link& link) { return link.name == name; });
  return found == links.end() ? nullptr : &*found;
}

const Link* FindLink(const std::vector<Link>& links, int index) {
  const auto found = std::find_if(links.begin(), links.end(),
                                  [index](const Link& link) { return link.index == index; });
  return found == links.end() ? nullptr : &*found;
}

}  // namespace relay::port
