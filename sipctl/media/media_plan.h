// From what SDP agreed and the trunk allows to what the relay is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/command.h"
#include "relay/abi/endpoint.h"
#include "sipctl/media/relay_client.h"
#include "sipctl/sdp/address.h"
#include "sipctl/sdp/offer_answer.h"
#include "sipctl/trunk/config.h"

namespace sipctl::media {

relay::abi::Address ToAbi(const sdp::IpAddress& address);
sdp::IpAddress FromAbi(const relay::abi::Address& address);

// What the relay must know of a trunk, made from the configuration.
struct TrunkMedia {
  std::vector<relay::abi::Address> local;      // the relay's addresses for this trunk
  std::vector<relay::abi::Address> advertise;  // as its SDP shows them, same order
  uint16_t network_set = relay::abi::kNoNetworkSet;

  // What stands in SDP for a local address of ours.
  sdp::IpEndpoint Advertised(const RelayClient::Local& local_endpoint) const;
};

struct MediaTable {
  std::vector<TrunkMedia> trunks;  // index as in Config::trunks
  std::vector<NetworkSet> sets;    // equal lists share one
};
// Fails when there are more different network lists than the relay has sets.
// A list that `previous` had keeps its number: legs in the relay name their set by it.
absl::StatusOr<MediaTable> MakeMediaTable(const trunk::Config& config,
                                          const MediaTable& previous = {});

// `length_ms` is the absolute length of the session, 0 = none; `label` is shown by relaystat.
struct LegFrame {
  const trunk::Trunk* trunk = nullptr;
  const TrunkMedia* media = nullptr;
  uint32_t length_ms = 0;
  std::string_view label;
};

// A leg whose port is held and that neither hears nor speaks: before the answer.
relay::abi::LegPlan SilentPlan(const LegFrame& frame);
// The leg as agreed. Silence is watched only while media flows both ways: a peer on hold may send
// nothing (trap T-16).
relay::abi::LegPlan PlanOf(const sdp::MediaPlan& plan, const LegFrame& frame);

// The keys that go with it; nothing when it is plain.
std::optional<SrtpKeys> KeysOf(const sdp::MediaPlan& plan, const trunk::Trunk& trunk);

}  // namespace sipctl::media
