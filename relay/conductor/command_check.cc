#include "relay/conductor/command_check.h"

#include <algorithm>
#include <cstddef>

#include "relay/conductor/srtp_check.h"

namespace relay::conductor {
namespace {

using abi::Command;
using abi::CommandKind;
using abi::Endpoint;
using abi::LegPlan;
using abi::Refusal;

constexpr uint32_t kClockRateMax = 384'000;        // RFC 3551 and RFC 6184 stay far below
constexpr uint32_t kLatchWindowMaxMs = 3'600'000;  // an hour
constexpr uint16_t kVlanMax = 4094;

#define OFFSET_IN_PLAN(member) static_cast<uint16_t>(kPlanOffset + offsetof(LegPlan, member))

bool AllZero(const void* bytes, size_t count) {
  const auto* b = static_cast<const uint8_t*>(bytes);
  return std::all_of(b, b + count, [](uint8_t byte) { return byte == 0; });
}

// Addresses that no far party can have: "this network" and all of 224.0.0.0/3 (multicast, reserved,
// broadcast) in IPv4; multicast and unspecified in IPv6.
bool IsUnicast(const abi::Address& address) {
  if (address.IsIpv4()) return address.bytes[12] != 0 && address.bytes[12] < 224;
  return !address.IsUnspecified() && address.bytes[0] != 0xff;
}

bool IsOurs(const Endpoint& remote, std::span<const abi::LocalAddress> addresses) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const abi::LocalAddress& local) {
    return local.address == remote.address && local.vlan == remote.vlan &&
           local.interface == remote.interface && local.port_first <= remote.port &&
           remote.port <= local.port_last;
  });
}

Finding CheckRemote(const Endpoint& remote, size_t field, const abi::LocalAddress& local,
                    std::span<const abi::LocalAddress> addresses) {
  if (remote.reserved != 0) {
    return Refuse(Refusal::kReservedNotZero, field + offsetof(Endpoint, reserved));
  }
  if (remote.port == 0) return {};  // not known yet; the address means nothing
  if (!IsUnicast(remote.address)) return Refuse(Refusal::kBadRemote, field);
  if (remote.address.IsIpv4() != local.address.IsIpv4()) {
    return Refuse(Refusal::kAddressFamily, field);
  }
  // The kernel takes the scope of such an address from the socket's interface.
  if (remote.address.IsLinkLocalIpv6() && local.interface_name[0] == 0) {
    return Refuse(Refusal::kBadRemote, field);
  }
  // A socket reaches the network it is bound to and no other.
  if (remote.vlan > kVlanMax || remote.vlan != local.vlan) {
    return Refuse(Refusal::kBadValue, field + offsetof(Endpoint, vlan));
  }
  if (remote.interface != local.interface) {
    return Refuse(Refusal::kBadValue, field + offsetof(Endpoint, interface));
  }
  if (IsOurs(remote, addresses)) return Refuse(Refusal::kBadRemote, field);
  return {};
}

Finding CheckFormats(const LegPlan& plan) {
  if (plan.format_count < 1 || plan.format_count > abi::kFormatsPerLeg) {
    return Refuse(Refusal::kBadFormat, OFFSET_IN_PLAN(format_count));
  }
  for (size_t i = 0; i < plan.format_count; ++i) {
    const abi::Format& format = plan.formats[i];
    const size_t field = OFFSET_IN_PLAN(formats) + i * sizeof format;
    if (format.reserved != 0) {
      return Refuse(Refusal::kReservedNotZero, field + offsetof(abi::Format, reserved));
    }
    const auto codec = static_cast<uint8_t>(format.codec);
    const bool known = codec >= static_cast<uint8_t>(abi::Codec::kPcmu) &&
                       codec <= static_cast<uint8_t>(abi::Codec::kOpaque);
    if (!known) return Refuse(Refusal::kBadFormat, field + offsetof(abi::Format, codec));
    const bool g711 = format.codec == abi::Codec::kPcmu || format.codec == abi::Codec::kPcma;
    if (format.clock_rate_hz == 0 || format.clock_rate_hz > kClockRateMax ||
        (g711 && format.clock_rate_hz != 8000)) {
      return Refuse(Refusal::kBadFormat, field + offsetof(abi::Format, clock_rate_hz));
    }
    // 64-95 would look like RTCP on a shared port (RFC 5761 section 4).
    const bool rtcp_like = format.payload_type >= 64 && format.payload_type <= 95;
    const bool rtcp_like_sent = format.payload_type_sent >= 64 && format.payload_type_sent <= 95;
    bool bad = format.payload_type > 127 || format.payload_type_sent > 127 ||
               (plan.rtcp_mux != 0 && (rtcp_like || rtcp_like_sent));
    for (size_t j = 0; j < i; ++j) {
      bad = bad || plan.formats[j].payload_type == format.payload_type ||
            plan.formats[j].payload_type_sent == format.payload_type_sent;
    }
    if (bad) return Refuse(Refusal::kBadFormat, field);
  }
  const size_t unused = abi::kFormatsPerLeg - plan.format_count;
  if (!AllZero(&plan.formats[plan.format_count], unused * sizeof(abi::Format))) {
    return Refuse(Refusal::kReservedNotZero,
                  OFFSET_IN_PLAN(formats) + plan.format_count * sizeof(abi::Format));
  }
  return {};
}

Finding CheckLocal(const LegPlan& plan, const CheckFacts& facts) {
  const abi::LocalEndpoint local = plan.local;
  if (local.address >= facts.addresses.size()) {
    return Refuse(Refusal::kUnknownLocalAddress, OFFSET_IN_PLAN(local.address));
  }
  if (local.port % 2 != 0) return Refuse(Refusal::kPortOdd, OFFSET_IN_PLAN(local.port));
  for (const abi::Lease& lease : facts.leases) {
    if (lease.address == local.address && lease.port_first <= local.port &&
        local.port < lease.port_last) {
      return {};
    }
  }
  return Refuse(Refusal::kPortNotLeased, OFFSET_IN_PLAN(local.port));
}

Finding CheckPlan(const LegPlan& plan, const CheckFacts& facts) {
  if (Finding finding = CheckLocal(plan, facts); !finding.ok()) return finding;
  struct Bound {
    uint64_t value, max;
    uint16_t field;
  };
  const Bound bounds[] = {
      {plan.direction, abi::kLegReceives | abi::kLegSends, OFFSET_IN_PLAN(direction)},
      {static_cast<uint8_t>(plan.learning), static_cast<uint8_t>(abi::Learning::kLatch),
       OFFSET_IN_PLAN(learning)},
      {plan.rtcp_mux, 1, OFFSET_IN_PLAN(rtcp_mux)},
      {static_cast<uint8_t>(plan.relearn), static_cast<uint8_t>(abi::Relearn::kUnlessLearned),
       OFFSET_IN_PLAN(relearn)},
      {plan.dscp, 63, OFFSET_IN_PLAN(dscp)},
      {plan.latch_window_ms, kLatchWindowMaxMs, OFFSET_IN_PLAN(latch_window_ms)},
      {plan.transcode, 1, OFFSET_IN_PLAN(transcode)},
  };
  for (const Bound& bound : bounds) {
    if (bound.value > bound.max) return Refuse(Refusal::kBadValue, bound.field);
  }
  if (plan.packet_ms_max != 0 && plan.packet_ms_max < abi::kPacketMsMin) {
    return Refuse(Refusal::kBadValue, OFFSET_IN_PLAN(packet_ms_max));
  }
  if (!AllZero(plan.reserved, sizeof plan.reserved)) {
    return Refuse(Refusal::kReservedNotZero, OFFSET_IN_PLAN(reserved));
  }
  if (plan.network_set >= abi::kNetworkSetsMax && plan.network_set != abi::kNoNetworkSet) {
    return Refuse(Refusal::kBadNetworkSet, OFFSET_IN_PLAN(network_set));
  }
  // Without learning the networks are all that keeps strangers out.
  if (plan.learning == abi::Learning::kOff && plan.network_set == abi::kNoNetworkSet) {
    return Refuse(Refusal::kBadNetworkSet, OFFSET_IN_PLAN(network_set));
  }
  const abi::LocalAddress& local = facts.addresses[plan.local.address];
  Finding finding =
      CheckRemote(plan.remote_rtp, OFFSET_IN_PLAN(remote_rtp), local, facts.addresses);
  if (finding.ok() && plan.rtcp_mux == 0) {
    finding = CheckRemote(plan.remote_rtcp, OFFSET_IN_PLAN(remote_rtcp), local, facts.addresses);
  }
  return finding.ok() ? CheckFormats(plan) : finding;
}

Finding CheckBridge(const abi::BridgeCommand& bridge) {
  constexpr size_t kBridge = kBodyOffset;
  if (bridge.speaker >= abi::kLegsPerSession) {
    return Refuse(Refusal::kBadLegNumber, kBridge + offsetof(abi::BridgeCommand, speaker));
  }
  if (bridge.listener >= abi::kLegsPerSession) {
    return Refuse(Refusal::kBadLegNumber, kBridge + offsetof(abi::BridgeCommand, listener));
  }
  if (bridge.speaker == bridge.listener) return Refuse(Refusal::kSameLeg, kBridge);
  if (bridge.both > 1) {
    return Refuse(Refusal::kBadValue, kBridge + offsetof(abi::BridgeCommand, both));
  }
  if (!AllZero(bridge.reserved, sizeof bridge.reserved)) {
    return Refuse(Refusal::kReservedNotZero, kBridge + offsetof(abi::BridgeCommand, reserved));
  }
  return {};
}

Finding CheckNetworkSet(const abi::NetworkSetCommand& command) {
  using abi::NetworkSetCommand;
  if (command.set >= abi::kNetworkSetsMax) return Refuse(Refusal::kBadNetworkSet, kBodyOffset);
  if (command.count > abi::kNetworksPerCommand) {
    return Refuse(Refusal::kBadValue, kBodyOffset + offsetof(NetworkSetCommand, count));
  }
  if (command.append > 1) {
    return Refuse(Refusal::kBadValue, kBodyOffset + offsetof(NetworkSetCommand, append));
  }
  if (!AllZero(command.reserved, sizeof command.reserved)) {
    return Refuse(Refusal::kReservedNotZero, kBodyOffset + offsetof(NetworkSetCommand, reserved));
  }
  constexpr size_t kNetworks = kBodyOffset + offsetof(NetworkSetCommand, networks);
  for (size_t i = 0; i < command.count; ++i) {
    const abi::Network& network = command.networks[i];
    const size_t field = kNetworks + i * sizeof network;
    if (network.prefix_length > 128 || (network.address.IsIpv4() && network.prefix_length < 96)) {
      return Refuse(Refusal::kBadValue, field + offsetof(abi::Network, prefix_length));
    }
    if (!AllZero(network.reserved, sizeof network.reserved)) {
      return Refuse(Refusal::kReservedNotZero, field + offsetof(abi::Network, reserved));
    }
  }
  const size_t unused = abi::kNetworksPerCommand - command.count;
  if (unused > 0 && !AllZero(&command.networks[command.count], unused * sizeof(abi::Network))) {
    return Refuse(Refusal::kReservedNotZero, kNetworks + command.count * sizeof(abi::Network));
  }
  return {};
}

Finding CheckLegNumber(uint8_t leg, const uint8_t (&reserved)[7]) {
  if (leg >= abi::kLegsPerSession) return Refuse(Refusal::kBadLegNumber, kBodyOffset);
  if (!AllZero(reserved, sizeof reserved)) {
    return Refuse(Refusal::kReservedNotZero, kBodyOffset + 1);
  }
  return {};
}

Finding CheckDigit(const abi::DigitCommand& digit) {
  const auto refuse = [](Refusal refusal, size_t offset) {
    return Refuse(refusal, kBodyOffset + offset);
  };
  if (digit.leg >= abi::kLegsPerSession) return refuse(Refusal::kBadLegNumber, 0);
  if (digit.reserved != 0) {
    return refuse(Refusal::kReservedNotZero, offsetof(abi::DigitCommand, reserved));
  }
  if (digit.event > abi::kDigitMax) {
    return refuse(Refusal::kBadValue, offsetof(abi::DigitCommand, event));
  }
  if (digit.volume > 63) return refuse(Refusal::kBadValue, offsetof(abi::DigitCommand, volume));
  if (digit.duration_ms < abi::kDigitMsMin || digit.duration_ms > abi::kDigitMsMax) {
    return refuse(Refusal::kBadValue, offsetof(abi::DigitCommand, duration_ms));
  }
  return {};
}

}  // namespace

Finding CheckCommand(const Command& command, const CheckFacts& facts) {
  const int64_t length = abi::BodyLength(command.kind);
  if (length < 0) return Refuse(Refusal::kUnknownKind, offsetof(Command, kind));
  if (command.length != length) return Refuse(Refusal::kBadLength, offsetof(Command, length));
  if (command.reserved != 0) {
    return Refuse(Refusal::kReservedNotZero, offsetof(Command, reserved));
  }
  const auto used = static_cast<size_t>(length);
  if (!AllZero(command.body.bytes + used, sizeof command.body - used)) {
    return Refuse(Refusal::kReservedNotZero, kBodyOffset + used);
  }
  // Network sets belong to the client and to no session.
  const bool needs_session = command.kind != CommandKind::kNetworkSet;
  if (!needs_session && command.session != 0) {
    return Refuse(Refusal::kBadValue, offsetof(Command, session));
  }
  if (needs_session && command.session == 0) {
    return Refuse(
        command.kind == CommandKind::kLegOpen ? Refusal::kSessionExists : Refusal::kUnknownSession,
        offsetof(Command, session));
  }
  switch (command.kind) {
    case CommandKind::kLegOpen:
    case CommandKind::kLegUpdate: {
      const abi::LegCommand& body = command.body.leg;
      Finding finding = CheckLegNumber(body.leg, body.reserved);
      if (finding.ok()) finding = CheckPlan(body.plan, facts);
      return finding.ok() ? CheckSrtp(body.srtp) : finding;
    }
    case CommandKind::kBridge:
    case CommandKind::kUnbridge:
      return CheckBridge(command.body.bridge);
    case CommandKind::kLegClose:
      return CheckLegNumber(command.body.leg_close.leg, command.body.leg_close.reserved);
    case CommandKind::kNetworkSet:
      return CheckNetworkSet(command.body.network_set);
    case CommandKind::kSendDigit:
      return CheckDigit(command.body.digit);
    case CommandKind::kSessionClose:
    case CommandKind::kNone:
      break;
  }
  return {};
}

}  // namespace relay::conductor
