// Where the tests of the dpdk port find devices: a network namespace of their own with a veth
// cable; near1 and far1 are a second one, for what DPDK must not have touched: its af_xdp devices
// leave a socket on their queue until the process ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "relay/port/dpdk.h"
#include "tests/support/cable_end.h"

namespace relay::port {

inline constexpr wire::MacAddress kOwnMac = {0x02, 0, 0, 0, 0, 1};
inline constexpr wire::MacAddress kFarMac = {0x02, 0, 0, 0, 0, 2};
inline constexpr abi::Address kOwnAddress = abi::Address::Ipv4(198, 51, 100, 1);
inline constexpr abi::Address kFarAddress = abi::Address::Ipv4(203, 0, 113, 1);

inline constexpr char kAfPacket[] = "net_af_packet0,iface=near0";
// Sees what a cable carries; af_packet's fan-out has the kernel put fragments together first.
inline constexpr char kAfXdp[] = "net_af_xdp0,iface=near0";

// A memif's two ends; each call of the first means a new one, since DPDK closes the listening
// socket of an old one late. The client wants its server to be there.
// `name`: which net_memif a process with several calls it.
std::string MemifNear(int name = 0);
std::string MemifFar(int name = 1);

// Once a process, before its first thread; ends the test with 77 (skipped) without root.
void PrepareDpdkNetwork();

std::vector<abi::LocalAddress> OwnAddresses();
std::vector<abi::LocalAddress> FarAddresses();

// Options of a dpdk port with this one device; its next hop is the other side.
DpdkOptions DpdkOn(std::string device, std::vector<abi::LocalAddress> addresses, uint32_t buffers);
std::unique_ptr<Dpdk> OpenDpdk(const DpdkOptions& options);
void AwaitLink(Dpdk* dpdk);
// The first news with these words in it, of what the conductor's turns bring; or "nothing".
std::string NewsOf(Dpdk* dpdk, const char* words);

// A frame of the far party.
std::vector<uint8_t> FrameOf(const abi::Endpoint& from, const abi::Endpoint& to,
                             std::span<const uint8_t> payload, uint8_t dscp = 0);

// The far end of the cable.
using test::CableEnd;

}  // namespace relay::port
