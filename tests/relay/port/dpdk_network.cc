#include "tests/relay/port/dpdk_network.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
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

std::string NewsOf(Dpdk* dpdk, const char* words) {
  abi::CounterBlock counters{};
  const TimeNs deadline = MonotonicNow() + 10 * kSecond;
  while (MonotonicNow() < deadline) {
    dpdk->Turn(MonotonicNow(), counters);
    for (const std::string& news : dpdk->TakeNews()) {
      if (absl::StrContains(news, words)) return news;
    }
  }
  return "nothing";
}

void AwaitLink(Dpdk* dpdk) {
  ASSERT_NE(NewsOf(dpdk, "link is up"), "nothing");
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

}  // namespace relay::port
