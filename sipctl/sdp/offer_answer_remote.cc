// What a peer's description means for one leg: which m= line, which formats, which address.
#include <algorithm>
#include <utility>

#include "sipctl/sdp/offer_answer.h"
#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

Result Refuse(Outcome outcome, std::string detail) {
  return Result{outcome, std::move(detail)};
}

bool IsRtp(const Media& media) {
  for (const std::string_view profile : {"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"}) {
    if (EqualsIgnoreCase(media.protocol, profile)) return true;
  }
  return false;
}

// Known formats that the policy allows, in the order of the m= line.
std::vector<Format> AllowedFormats(const Media& media, const std::vector<Codec>& codecs) {
  std::vector<Format> formats = KnownFormats(media);
  std::erase_if(formats, [&codecs](const Format& format) {
    return std::find(codecs.begin(), codecs.end(), format.codec) == codecs.end();
  });
  return formats;
}

// Why this m= line cannot be used; empty when it can.
std::string Obstacle(const Media& media, const std::vector<Codec>& codecs) {
  const std::string where = Concat("SDP line ", media.line, ": ");
  if (!EqualsIgnoreCase(media.kind, "audio")) {
    return Concat(where, "m=", media.kind, " is not carried, only audio");
  }
  if (media.port == 0) return Concat(where, "the audio is switched off (port 0)");
  if (!IsRtp(media)) {
    return Concat(where, "audio over ", media.protocol,
                  " is not carried, only RTP/AVP and RTP/SAVP");
  }
  if (!HasSpeech(AllowedFormats(media, codecs))) {
    return Concat(where, "none of the formats ", Join(media.formats, " "), " is ",
                  Join(codecs, ", ", CodecName));
  }
  return "";
}

bool Contains(const std::vector<IpNetwork>& networks, const IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&address](const IpNetwork& network) { return network.Contains(address); });
}

}  // namespace

// The m= line of the agreed session if there is one, else the first that can be used: a leg carries
// one audio stream. In an answer it is the line of our offer.
Result OfferAnswer::Choose(const Description& description, Remote* remote) const {
  std::string obstacle = "SDP: there is no m= line";
  const auto usable = [&](size_t index) {
    if (index >= description.media.size()) return false;
    obstacle = Obstacle(description.media[index], policy_.codecs);
    if (obstacle.empty()) obstacle = ChooseCrypto(description.media[index], &remote->crypto);
    return obstacle.empty();
  };
  std::optional<size_t> chosen;
  const size_t agreed = remote_.has_value() ? remote_->index : 0;
  if (usable(agreed)) chosen = agreed;
  if (state_ != State::kLocalOffer) {
    std::string first_obstacle = obstacle;
    for (size_t i = 0; !chosen.has_value() && i < description.media.size(); ++i) {
      if (usable(i)) chosen = i;
    }
    obstacle = std::move(first_obstacle);
  }
  if (!chosen.has_value()) return Refuse(Outcome::kNothingShared, std::move(obstacle));
  remote->index = *chosen;
  remote->formats = AllowedFormats(description.media[*chosen], policy_.codecs);
  return Result{};
}

// Never towards these, whoever asks: a relay must not be a weapon.
Result OfferAnswer::CheckAddress(const IpAddress& address, uint16_t line) const {
  const auto refuse = [&](std::string_view what) {
    return Refuse(
        Outcome::kAddressRefused,
        Concat("SDP line ", line, ": media at ", FormatIpAddress(address), " is refused: ", what));
  };
  if (address.IsUnspecified()) return refuse("it is no address");
  if (address.IsMulticast()) return refuse("a multicast address");
  if (address.IsBroadcast()) return refuse("the broadcast address");
  if (address.IsLinkLocal()) return refuse("a link-local address");
  if (address.IsLoopback() && !policy_.allow_loopback) return refuse("a loopback address");
  const auto& own = policy_.own;
  if (std::find(own.begin(), own.end(), address) != own.end() && !IsNamedAlone(address)) {
    return refuse("one of our own addresses");
  }
  if (policy_.refuse_private && address.IsPrivate() && !IsNamed(address)) {
    return refuse("a private address on a carrier's trunk");
  }
  if (IsBelieved(address) || policy_.learn_remote) return Result{};
  return refuse(policy_.networks.empty() ? "a private address of another network"
                                         : "it lies outside the media networks of this trunk");
}

bool OfferAnswer::IsNamed(const IpAddress& address) const {
  return Contains(policy_.networks, address);
}

bool OfferAnswer::IsNamedAlone(const IpAddress& address) const {
  return std::any_of(policy_.networks.begin(), policy_.networks.end(),
                     [&address](const IpNetwork& network) {
                       return network.prefix_length == 128 && network.address == address;
                     });
}

bool OfferAnswer::IsBelieved(const IpAddress& address) const {
  if (!policy_.networks.empty()) return IsNamed(address);
  return !address.IsPrivate() || Contains(policy_.private_networks, address);
}

Result OfferAnswer::Locate(const Description& description, const Media& media,
                           Remote* remote) const {
  const std::optional<Connection> connection = description.ConnectionOf(media);
  if (!connection.has_value()) {
    return Refuse(Outcome::kMalformed, Concat("SDP line ", media.line,
                                              ": m=audio has no c= line, neither its own "
                                              "nor one of the session"));
  }
  const std::optional<IpAddress> address = connection->address();
  if (!address.has_value()) {
    return Refuse(Outcome::kAddressRefused,
                  Concat("SDP line ", connection->line, ": c= names '", connection->host,
                         "'; media needs an IP address, names are not resolved"));
  }
  remote->direction = description.DirectionOf(media);
  if (address->IsUnspecified()) {
    // Hold as in RFC 2543: the peer does not want to receive (RFC 3264 section 8.4).
    remote->direction = Intersect(remote->direction, Direction::kSendOnly);
    return Result{};
  }
  if (Result checked = CheckAddress(*address, connection->line); !checked.ok()) return checked;
  IpAddress rtcp_address = *address;
  uint16_t rtcp_port = static_cast<uint16_t>(media.port + 1);  // 65535: 0, no RTCP
  if (const std::optional<RtcpAttribute> rtcp = media.rtcp(); rtcp.has_value()) {
    rtcp_port = rtcp->port;
    if (const auto own = rtcp->host.has_value() ? ParseIpAddress(*rtcp->host) : std::nullopt) {
      if (Result checked = CheckAddress(*own, media.line); !checked.ok()) return checked;
      rtcp_address = *own;
    }
  }
  if (!IsBelieved(*address)) return Result{};  // behind NAT: the relay learns it
  remote->rtp = {*address, media.port};
  if (remote->rtcp_mux) rtcp_port = media.port;
  if (rtcp_port != 0 && IsBelieved(rtcp_address)) remote->rtcp = {rtcp_address, rtcp_port};
  return Result{};
}

Result OfferAnswer::Understand(const Description& description, Remote* remote) const {
  if (Result chosen = Choose(description, remote); !chosen.ok()) return chosen;
  const Media& media = description.media[remote->index];
  remote->rtcp_mux = media.rtcp_mux();
  if (Result located = Locate(description, media, remote); !located.ok()) return located;
  const auto milliseconds = [](std::optional<uint32_t> value) {
    return value.has_value() && *value <= 1000 ? static_cast<uint16_t>(*value) : uint16_t{0};
  };
  remote->ptime_ms = milliseconds(media.ptime_ms());
  remote->maxptime_ms = milliseconds(media.maxptime_ms());
  remote->description = description;
  return Result{};
}

}  // namespace sipctl::sdp
