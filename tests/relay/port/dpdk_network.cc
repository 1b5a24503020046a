#include "tests/relay/port/dpdk_network.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace relay::port {
namespace {

int memifs = 0;

void Command(const char* line) {
  if (std::system(line) != 0) {
    std::fprintf(stderr, "failed: %s\n", line);
    std::abort();
  }
}

std::vector<abi::LocalAddress> One(const abi::Address& address) {
  return {{.address = address,
           .interface = 0,
           .vlan = 0,
           .port_first = 1024,
           .port_last = 65535,
           .interface_name = {},
           .reserved = {}}};
}

}  // namespace

std::string MemifNear(int name) {
  return absl::StrCat("net_memif", name, ",role=server,mac=02:00:00:00:00:01,socket=", getpid(),
                      "-", ++memifs);
}

std::string MemifFar(int name) {
  return absl::StrCat("net_memif", name, ",role=client,mac=02:00:00:00:00:02,socket=", getpid(),
                      "-", memifs);
}

void PrepareDpdkNetwork() {
  static const bool prepared = [] {
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
      std::fprintf(stderr, "needs root\n");
      std::exit(77);
    }
    Command("ip link set lo up");
    Command(
        "ip link add near0 address 02:00:00:00:00:01 type veth "
        "peer name far0 address 02:00:00:00:00:02");
    // The kernel on either side says nothing by itself.
    Command("ip link set near0 addrgenmode none && ip link set far0 addrgenmode none");
    Command(
        "ip link add near1 address 02:00:00:00:00:01 type veth "
        "peer name far1 address 02:00:00:00:00:02");
    Command("ip link set near1 addrgenmode none && ip link set far1 addrgenmode none");
    Command("sysctl -qw net.ipv4.conf.all.arp_ignore=1");
    Command("for end in near0 far0 near1 far1; do ip link set $end up || exit 1; done");
    return true;
  }();
  (void)prepared;
}

std::vector<abi::LocalAddress> OwnAddresses() {
  return One(kOwnAddress);
}

std::vector<abi::LocalAddress> FarAddresses() {
  return One(kFarAddress);
}

DpdkOptions DpdkOn(std::string device, std::vector<abi::LocalAddress> addresses, uint32_t buffers) {
  const bool far = addresses[0].address == kFarAddress;
  return {.eal = "--no-huge --no-shconf -m 256",
          .devices = {{.device = std::move(device), .next_hop = far ? kOwnMac : kFarMac}},
          .addresses = std::move(addresses),
          .buffers = buffers};
}

std::unique_ptr<Dpdk> OpenDpdk(const DpdkOptions& options) {
  absl::StatusOr<std::unique_ptr<Dpdk>> dpdk = Dpdk::Open(options);
  if (!dpdk.ok()) {
    std::fprintf(stderr, "%s\n", std::string(dpdk.status().message()).c_str());
    std::abort();
  }
  return *std::move(dpdk);
}

void AwaitLink(Dpdk* dpdk) {
  abi::CounterBlock counters{};
  const TimeNs deadline = MonotonicNow() + 10 * kSecond;
  for (bool up = false; !up;) {
    ASSERT_LT(MonotonicNow(), deadline) << "the link does not come up";
    dpdk->Turn(MonotonicNow(), counters);
    for (const std::string& news : dpdk->TakeNews()) {
      up = up || absl::StrContains(news, "link is up");
    }
  }
}

std::vector<uint8_t> FrameOf(const abi::Endpoint& from, const abi::Endpoint& to,
                             std::span<const uint8_t> payload, uint8_t dscp) {
  std::vector<uint8_t> bytes(kHeadroom + payload.size());
  std::ranges::copy(payload, bytes.begin() + kHeadroom);
  const wire::Envelope envelope{.to = kOwnMac,
                                .from = kFarMac,
                                .source = from,
                                .destination = to,
                                .dscp = dscp,
                                .udp_checksum = true};
  const size_t headers = wire::WriteHeaders(envelope, std::span(bytes).subspan(kHeadroom));
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(kHeadroom - headers));
  return bytes;
}

CableEnd::CableEnd(const char* device)
    : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(device));
  // A thousand frames of the largest size.
  const int room = 4 << 20;
  const int one = 1;
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
  setsockopt(socket_, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one));
  if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    std::abort();
}

CableEnd::~CableEnd() {
  close(socket_);
}

void CableEnd::Send(std::span<const uint8_t> frame) {
  if (send(socket_, frame.data(), frame.size(), 0) != std::ssize(frame)) std::abort();
}

std::optional<std::vector<uint8_t>> CableEnd::Receive(TimeNs deadline) {
  const TimeNs now = MonotonicNow();
  pollfd ready{.fd = socket_, .events = POLLIN, .revents = 0};
  const int left = now < deadline ? static_cast<int>((deadline - now) / kMillisecond) + 1 : 0;
  if (poll(&ready, 1, left) != 1) return std::nullopt;
  std::vector<uint8_t> frame(2048);
  iovec vector{.iov_base = frame.data(), .iov_len = frame.size()};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(tpacket_auxdata))];
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t length = recvmsg(socket_, &message, 0);
  if (length < 0) return std::nullopt;
  frame.resize(static_cast<size_t>(length));
  // The kernel takes a tag off and tells it beside.
  tpacket_auxdata aside{};
  if (const cmsghdr* told = CMSG_FIRSTHDR(&message)) {
    std::memcpy(&aside, CMSG_DATA(told), sizeof(aside));
  }
  if ((aside.tp_status & TP_STATUS_VLAN_VALID) != 0) {
    const uint8_t tag[] = {0x81, 0x00, static_cast<uint8_t>(aside.tp_vlan_tci >> 8),
                           static_cast<uint8_t>(aside.tp_vlan_tci)};
    frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
  }
  return frame;
}

}  // namespace relay::port
