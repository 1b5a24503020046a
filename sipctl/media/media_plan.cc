#include "sipctl/media/media_plan.h"

#include <algorithm>
#include <limits>

#include "sipctl/clock.h"

namespace sipctl::media {

using relay::abi::LegPlan;

namespace {

// A peer's former key stays good for packets on their way (trap T-12).
constexpr uint16_t kKeyOverlapMs = 1000;
static_assert(sdp::kKeysMax == relay::abi::kSrtpReceiveKeys);

relay::abi::Codec CodecOf(sdp::Codec codec) {
  switch (codec) {
    case sdp::Codec::kPcma:
      return relay::abi::Codec::kPcma;
    case sdp::Codec::kPcmu:
      return relay::abi::Codec::kPcmu;
    case sdp::Codec::kTelephoneEvent:
      return relay::abi::Codec::kTelephoneEvent;
    case sdp::Codec::kComfortNoise:
      return relay::abi::Codec::kComfortNoise;
  }
  return relay::abi::Codec::kOpaque;
}

// Some peers begin at 0 with a new key, against RFC 3711 section 3.3.1 (trap T-13).
relay::abi::SrtpRoc RocOf(trunk::RollOver roll_over) {
  switch (roll_over) {
    case trunk::RollOver::kEither:
      return relay::abi::SrtpRoc::kEither;
    case trunk::RollOver::kRunsOn:
      return relay::abi::SrtpRoc::kRunsOn;
    case trunk::RollOver::kRestarts:
      return relay::abi::SrtpRoc::kRestarts;
  }
  return relay::abi::SrtpRoc::kEither;
}

relay::abi::Learning LearningOf(trunk::Learning learning) {
  switch (learning) {
    case trunk::Learning::kOff:
      return relay::abi::Learning::kOff;
    case trunk::Learning::kSignalled:
      return relay::abi::Learning::kSignalled;
    case trunk::Learning::kLatch:
      return relay::abi::Learning::kLatch;
  }
  return relay::abi::Learning::kSignalled;
}

uint8_t DirectionOf(sdp::Direction direction) {
  using relay::abi::kLegReceives;
  using relay::abi::kLegSends;
  switch (direction) {
    case sdp::Direction::kInactive:
      return 0;
    case sdp::Direction::kSendOnly:
      return kLegSends;
    case sdp::Direction::kRecvOnly:
      return kLegReceives;
    case sdp::Direction::kSendRecv:
      return kLegReceives | kLegSends;
  }
  return 0;
}

relay::abi::Endpoint EndpointOf(const sdp::IpEndpoint& endpoint) {
  return {.address = ToAbi(endpoint.address),
          .port = endpoint.port,
          .vlan = 0,
          .interface = 0,
          .reserved = 0};
}

// A number that stands for another format of the leg already cannot stand for this one, too.
void AddFormat(LegPlan* plan, const relay::abi::Format& format) {
  if (plan->format_count == relay::abi::kFormatsPerLeg) return;
  for (uint8_t i = 0; i < plan->format_count; ++i) {
    if (plan->formats[i].payload_type == format.payload_type ||
        plan->formats[i].payload_type_sent == format.payload_type_sent) {
      return;
    }
  }
  plan->formats[plan->format_count++] = format;
}

uint8_t StaticPayloadType(sdp::Codec codec, const sdp::MediaPolicy& policy) {
  switch (codec) {
    case sdp::Codec::kPcma:
      return 8;
    case sdp::Codec::kPcmu:
      return 0;
    case sdp::Codec::kComfortNoise:
      return 13;
    case sdp::Codec::kTelephoneEvent:
      break;
  }
  return policy.telephone_event_payload_type;
}

LegPlan Frame(const LegFrame& frame) {
  LegPlan plan{};
  plan.learning = LearningOf(frame.trunk->learning);
  plan.network_set = frame.media->network_set;
  plan.dscp = frame.trunk->dscp;
  plan.transcode = frame.trunk->media.transcode;
  plan.session_length_ms = frame.length_ms;
  std::copy_n(frame.label.data(), std::min(frame.label.size(), sizeof plan.label), plan.label);
  return plan;
}

}  // namespace

relay::abi::Address ToAbi(const sdp::IpAddress& address) {
  return {.bytes = address.bytes};
}

sdp::IpAddress FromAbi(const relay::abi::Address& address) {
  return {.bytes = address.bytes};
}

sdp::IpEndpoint TrunkMedia::Advertised(const RelayClient::Local& local_endpoint) const {
  for (size_t i = 0; i < local.size(); ++i) {
    if (local[i] == local_endpoint.address) {
      return {.address = FromAbi(advertise[i]), .port = local_endpoint.port};
    }
  }
  return {.address = FromAbi(local_endpoint.address), .port = local_endpoint.port};
}

namespace {

bool SameNetworks(const NetworkSet& a, const NetworkSet& b) {
  return std::equal(a.networks.begin(), a.networks.end(), b.networks.begin(), b.networks.end(),
                    [](const auto& left, const auto& right) {
                      return left.address == right.address &&
                             left.prefix_length == right.prefix_length;
                    });
}

const NetworkSet* FindSame(const std::vector<NetworkSet>& sets, const NetworkSet& set) {
  const auto found = std::find_if(sets.begin(), sets.end(),
                                  [&](const NetworkSet& each) { return SameNetworks(each, set); });
  return found == sets.end() ? nullptr : &*found;
}

bool IsTaken(const std::vector<NetworkSet>& sets, uint16_t number) {
  return std::any_of(sets.begin(), sets.end(),
                     [number](const NetworkSet& each) { return each.number == number; });
}

// Gives every list that is not empty a number; equal ones share it.
absl::Status NumberSets(const std::vector<NetworkSet>& lists, const MediaTable& previous,
                        MediaTable* table) {
  for (const bool known : {true, false}) {
    for (const NetworkSet& list : lists) {
      if (list.networks.empty() || FindSame(table->sets, list) != nullptr) continue;
      const NetworkSet* before = FindSame(previous.sets, list);
      if ((before != nullptr) != known) continue;
      NetworkSet set = list;
      // Not one of `previous` either: it may be told anew before the legs that name it have gone.
      while (!known && (IsTaken(table->sets, set.number) || IsTaken(previous.sets, set.number))) {
        ++set.number;
      }
      if (known) set.number = before->number;
      if (set.number >= relay::abi::kNetworkSetsMax) {
        return absl::InvalidArgumentError("more than 64 different lists of media networks");
      }
      table->sets.push_back(std::move(set));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MediaTable> MakeMediaTable(const trunk::Config& config, const MediaTable& previous) {
  MediaTable table;
  std::vector<NetworkSet> lists;
  for (const trunk::Trunk& trunk : config.trunks) {
    TrunkMedia media;
    for (const trunk::MediaAddress& address : trunk.addresses) {
      media.local.push_back(ToAbi(address.local));
      media.advertise.push_back(ToAbi(address.advertise));
    }
    NetworkSet list;
    for (const sdp::IpNetwork& network : trunk.networks) {
      list.networks.push_back(
          {.address = ToAbi(network.address), .prefix_length = network.prefix_length});
    }
    if (list.networks.size() > relay::abi::kNetworksPerSet) {
      return absl::InvalidArgumentError("trunk " + trunk.name +
                                        ": more than 32 media networks cannot be checked");
    }
    lists.push_back(std::move(list));
    table.trunks.push_back(std::move(media));
  }
  if (absl::Status numbered = NumberSets(lists, previous, &table); !numbered.ok()) return numbered;
  for (size_t i = 0; i < lists.size(); ++i) {
    if (lists[i].networks.empty()) continue;
    table.trunks[i].network_set = FindSame(table.sets, lists[i])->number;
  }
  return table;
}

LegPlan SilentPlan(const LegFrame& frame) {
  LegPlan plan = Frame(frame);
  for (sdp::Codec codec : frame.trunk->media.codecs) {
    AddFormat(&plan, relay::abi::EqualFormat(StaticPayloadType(codec, frame.trunk->media),
                                             CodecOf(codec), 8000));
  }
  return plan;
}

LegPlan PlanOf(const sdp::MediaPlan& agreed, const LegFrame& frame) {
  LegPlan plan = Frame(frame);
  plan.direction = DirectionOf(agreed.direction);
  plan.rtcp_mux = agreed.rtcp_mux;
  plan.remote_rtp = EndpointOf(agreed.remote_rtp);
  plan.remote_rtcp = EndpointOf(agreed.rtcp_mux ? agreed.remote_rtp : agreed.remote_rtcp);
  if (agreed.remote_rtp.port == 0) plan.remote_rtp = plan.remote_rtcp = {};
  if (agreed.direction == sdp::Direction::kSendRecv) {
    plan.media_timeout_ms = static_cast<uint32_t>(std::min<uint64_t>(
        frame.trunk->media_timeout_ns / kNsPerMs, std::numeric_limits<uint32_t>::max()));
  }
  if (agreed.maxptime_ms != 0) {
    plan.packet_ms_max = static_cast<uint8_t>(std::clamp<uint16_t>(
        agreed.maxptime_ms, relay::abi::kPacketMsMin, std::numeric_limits<uint8_t>::max()));
  }
  for (const sdp::PlannedFormat& format : agreed.formats) {
    AddFormat(&plan, {.payload_type = format.payload_type_in,
                      .codec = CodecOf(format.codec),
                      .payload_type_sent = format.payload_type_out,
                      .reserved = 0,
                      .clock_rate_hz = format.clock_rate_hz});
  }
  return plan;
}

std::optional<SrtpKeys> KeysOf(const sdp::MediaPlan& agreed, const trunk::Trunk& trunk) {
  if (!agreed.crypto) return std::nullopt;
  const sdp::MediaCrypto& crypto = *agreed.crypto;
  const size_t key_length = sdp::KeyLength(crypto.suite);
  const auto fill = [key_length](const sdp::Keying& keying, relay::abi::SrtpKey* key) {
    if (keying.length == 0) return;  // spent, and no other agreed yet
    std::memcpy(key->key, keying.bytes.data(), key_length);
    std::memcpy(key->salt, keying.bytes.data() + key_length, keying.length - key_length);
    key->mki_length = keying.mki_length;
    key->mki = keying.mki;
  };
  std::optional<SrtpKeys> keys(std::in_place);
  keys->suite = static_cast<relay::abi::SrtpSuite>(crypto.suite);
  keys->send_key_count = crypto.send.length != 0;
  keys->receive_key_count = static_cast<uint8_t>(crypto.receive.size());
  keys->receive_roc = RocOf(trunk.roll_over);
  keys->send_roc = trunk.roll_over == trunk::RollOver::kRestarts ? relay::abi::SrtpRoc::kRestarts
                                                                 : relay::abi::SrtpRoc::kRunsOn;
  keys->overlap_ms = kKeyOverlapMs;
  fill(crypto.send, &keys->send);
  for (size_t i = 0; i < crypto.receive.size(); ++i) fill(crypto.receive[i], &keys->receive[i]);
  return keys;
}

}  // namespace sipctl::media
