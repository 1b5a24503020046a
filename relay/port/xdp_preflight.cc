#include "relay/port/xdp_preflight.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "relay/abi/mapping.h"
#include "relay/port/xdp_steer.h"
#include "relay/port/xdp_umem.h"

namespace relay::port {
namespace {

// The largest frame that fits behind the kernel's headroom in a buffer of ours.
constexpr uint32_t kMtuMax = XdpUmem::kFrameSize - XdpUmem::kFrameHeadroom - 14 - 4;

// Of received frames, as many drivers are set by themselves: what a queue wants to find waiting.
constexpr uint64_t kDriverRing = 1024;

// False when the driver does not know the question.
bool Ethtool(int socket, const std::string& device, void* question) {
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), sizeof(request.ifr_name) - 1);
  request.ifr_data = static_cast<char*>(question);
  return ioctl(socket, SIOCETHTOOL, &request) == 0;
}

}  // namespace

DeviceFacts ReadDevice(const std::string& name, uint32_t mtu, bool up) {
  DeviceFacts facts{.name = name, .mtu = mtu, .up = up};
  const abi::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (Ethtool(socket.get(), name, &channels)) {
    facts.queues = std::max(1u, channels.rx_count + channels.combined_count);
  }
  ethtool_value flags{};
  flags.cmd = ETHTOOL_GFLAGS;
  if (Ethtool(socket.get(), name, &flags)) {
    facts.lro = (flags.data & ETH_FLAG_LRO) != 0;
    facts.strips_vlan = (flags.data & ETH_FLAG_RXVLAN) != 0;
  }
  return facts;
}

absl::Status Obstacle(const XdpPlan& plan, const DeviceFacts& device, const MachineFacts& machine) {
  if (device.queues < plan.workers) {
    return absl::FailedPreconditionError(absl::StrCat(
        device.name, " has ", device.queues, " queue", device.queues == 1 ? "" : "s", " for ",
        plan.workers,
        " workers, and a worker sends and receives by a queue of its own; set "
        "`ethtool -L ",
        device.name, " combined ", plan.workers, "` (or rx and tx), or --workers ", device.queues));
  }
  const uint16_t first = std::max(plan.port_first, machine.ephemeral_first);
  const uint16_t last = std::min(plan.port_last, machine.ephemeral_last);
  if (first <= last && !CoversPorts(machine.reserved_ports, first, last)) {
    const std::string others =
        machine.reserved_ports.empty() ? "" : absl::StrCat(machine.reserved_ports, ",");
    return absl::FailedPreconditionError(
        absl::StrCat("the kernel may lend ports ", first, "-", last,
                     " to other programs, whose answers ", device.name,
                     " would steer to the relay; reserve them: sysctl -w "
                     "net.ipv4.ip_local_reserved_ports=",
                     others, plan.port_first, "-", plan.port_last));
  }
  const uint64_t locked = uint64_t{plan.buffers} * XdpUmem::kSpreadSize * plan.workers;
  if (!machine.may_lock_all && machine.locked_bytes_max < locked) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the frames of ", plan.workers, plan.workers == 1 ? " worker" : " workers", " lock ",
        locked >> 10, " KiB of memory, and the limit is ", machine.locked_bytes_max >> 10,
        " KiB; start with LimitMEMLOCK=infinity (systemd), `ulimit -l unlimited`, or "
        "CAP_IPC_LOCK"));
  }
  return absl::OkStatus();
}

std::vector<std::string> Warnings(const XdpPlan& plan, const DeviceFacts& device) {
  std::vector<std::string> warnings;
  const auto warn = [&](const auto&... words) {
    warnings.push_back(absl::StrCat(device.name, words...));
  };
  if (!device.up) warn(" is down; no call is heard until `ip link set ", device.name, " up`");
  if (device.mtu > kMtuMax) {
    warn(" has an MTU of ", device.mtu, ", and frames above ", kMtuMax,
         " bytes find no room in a buffer and are lost; `ip link set ", device.name, " mtu 1500`");
  }
  if (device.lro) {
    warn(" merges received packets (LRO), which drivers refuse or undo under XDP; `ethtool -K ",
         device.name, " lro off`");
  }
  if (device.strips_vlan && plan.vlan) {
    warn(
        " takes VLAN tags off before XDP sees them, so that no frame of a VLAN is ours; "
        "`ethtool -K ",
        device.name, " rxvlan off`");
  }
  // XdpPort shares them out among the queues that it hears of all devices; each counts as this one.
  const uint32_t heard = std::min<uint32_t>(device.queues, STEER_QUEUES_MAX);
  const uint64_t lanes = (heard + plan.workers - 1) / plan.workers * plan.devices;
  const uint64_t window = plan.buffers / 2 / lanes;
  if (plan.buffers != 0 && window < kDriverRing) {
    warn(
        " has ", device.queues, " queues for ", plan.workers,
        plan.workers == 1 ? " worker" : " workers", ", which leaves each ", window,
        " buffers for arrivals, fewer than a driver's ring mostly has, and a burst is lost sooner; "
        "`ethtool -L ",
        device.name, " combined ",
        std::max<uint64_t>(plan.workers,
                           plan.buffers / 2 / kDriverRing / plan.devices * plan.workers),
        "`, or more --workers");
  }
  if (device.queues > 1 && plan.workers == 1) {
    warn(" has ", device.queues, " queues, all served by the one worker");
  }
  if (device.queues == 1) warn(" has one queue, which carries everything");
  return warnings;
}

}  // namespace relay::port
