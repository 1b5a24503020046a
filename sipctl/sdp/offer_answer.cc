#include "sipctl/sdp/offer_answer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "sipctl/text.h"

namespace sipctl::sdp {
namespace {

constexpr uint16_t kPtimeDefaultMs = 20;  // RFC 3551 section 4.5, table 1

const Format* FindCodec(const std::vector<Format>& formats, Codec codec) {
  const auto found = std::find_if(formats.begin(), formats.end(),
                                  [codec](const Format& format) { return format.codec == codec; });
  return found == formats.end() ? nullptr : &*found;
}

// All that two descriptions say, except who says it and in which version.
bool SameExceptOrigin(const Description& a, const Description& b) {
  const auto without_origin = [](const Description& description) {
    std::vector<Line> lines = description.lines;
    std::erase_if(lines, [](const Line& line) { return line.type == 'o'; });
    return lines;
  };
  return a.media == b.media && without_origin(a) == without_origin(b);
}

Line Attribute(std::string value) {
  return Line{'a', std::move(value)};
}

// Fills one m= line whose kind and protocol are settled; in an answer they are the offer's.
Media ComposeAudio(Media media, const LocalMedia& local, const std::vector<Format>& formats,
                   const std::vector<CryptoLine>& crypto, uint16_t ptime_ms, bool rtcp_mux) {
  media.port = local.endpoint.port;
  media.formats.clear();
  for (const Format& format : formats) {
    const std::string payload_type = Concat(format.payload_type);
    media.formats.push_back(payload_type);
    media.lines.push_back(
        Attribute(Concat("rtpmap:", payload_type, " ", CodecName(format.codec), "/8000")));
    if (format.codec == Codec::kTelephoneEvent) {
      media.lines.push_back(
          Attribute(Concat("fmtp:", payload_type, " ", FormatEvents(format.events))));
    }
  }
  media.lines.push_back(Attribute(Concat("ptime:", ptime_ms)));
  if (local.maxptime_ms != 0) {
    media.lines.push_back(Attribute(Concat("maxptime:", local.maxptime_ms)));
  }
  if (rtcp_mux) media.lines.push_back(Attribute("rtcp-mux"));
  for (const CryptoLine& line : crypto) {
    media.lines.push_back(Attribute(Concat("crypto:", FormatCrypto(line))));
  }
  media.lines.push_back(Attribute(std::string(DirectionName(local.direction))));
  return media;
}

// A stream that is not carried: its line stays, its port is 0 (RFC 3264 section 6).
Media Rejected(const Media& media) {
  Media rejected;
  rejected.kind = media.kind;
  rejected.protocol = media.protocol;
  rejected.formats = media.formats;
  return rejected;
}

// `local` as it was really written: the formats that came out, nothing more.
LocalMedia Trim(LocalMedia local, const std::vector<Format>& formats, Direction direction) {
  local.codecs.clear();
  for (const Format& format : formats) {
    local.codecs.push_back(format.codec);
    if (format.codec == Codec::kTelephoneEvent) local.events = format.events;
  }
  local.direction = direction;
  return local;
}

}  // namespace

std::string_view OutcomeName(Outcome outcome) {
  constexpr std::array<std::string_view, 8> kNames = {
      "accepted",  "unchanged", "nothing shared", "address refused",
      "malformed", "glare",     "overlap",        "unexpected"};
  return kNames[static_cast<size_t>(outcome)];
}

OfferAnswer::OfferAnswer(MediaPolicy policy, uint64_t session_id)
    : policy_(std::move(policy)), session_id_(session_id), version_(0) {}

std::vector<Format> OfferAnswer::FormatsToOffer(const LocalMedia& local) const {
  std::vector<Format> formats;
  for (const Codec codec : local.codecs) {
    if (std::find(policy_.codecs.begin(), policy_.codecs.end(), codec) == policy_.codecs.end() ||
        FindCodec(formats, codec) != nullptr) {
      continue;
    }
    Format format{codec, 0, {}};
    switch (codec) {
      case Codec::kPcma:
        format.payload_type = 8;
        break;
      case Codec::kPcmu:
        format.payload_type = 0;
        break;
      case Codec::kComfortNoise:
        format.payload_type = 13;
        break;
      case Codec::kTelephoneEvent:
        if (local.events.none()) continue;
        format.payload_type = policy_.telephone_event_payload_type;
        format.events = local.events;
        break;
    }
    // A payload type keeps its meaning for the whole session (RFC 3264 section 8.3.2).
    if (plan_.has_value()) {
      for (const PlannedFormat& planned : plan_->formats) {
        if (planned.codec == codec) format.payload_type = planned.payload_type_in;
      }
    }
    formats.push_back(format);
  }
  return formats;
}

// The offered ones among `local.codecs`, in its order, with the offer's payload types; never one
// that was not offered.
std::vector<Format> OfferAnswer::FormatsToAnswer(const LocalMedia& local) const {
  std::vector<Format> formats;
  for (const Codec codec : local.codecs) {
    const Format* offered = FindCodec(offered_.formats, codec);
    if (offered == nullptr || FindCodec(formats, codec) != nullptr) continue;
    Format format = *offered;
    if (codec == Codec::kTelephoneEvent) {
      format.events &= local.events;
      if (format.events.none()) continue;
    }
    formats.push_back(format);
  }
  return formats;
}

// Puts `media` into a description of ours. Text equal to the agreed one keeps its version; any
// other gets one that was never sent (RFC 3264 section 8).
Description OfferAnswer::Compose(const LocalMedia& local, std::vector<Media> media) {
  const std::string address = Concat(local.endpoint.address.IsIpv4() ? "IP4 " : "IP6 ",
                                     FormatIpAddress(local.endpoint.address));
  Description description;
  description.lines = {{'v', "0"}, {'o', ""}, {'s', "-"}, {'c', "IN " + address}, {'t', "0 0"}};
  description.media = std::move(media);
  if (local_.has_value() && SameExceptOrigin(*local_, description)) return *local_;
  ++version_;
  description.lines[1].value = Concat("- ", session_id_, " ", version_, " IN ", address);
  return description;
}

MediaPlan OfferAnswer::Plan(const LocalMedia& local, const Remote& remote, bool rtcp_mux) const {
  MediaPlan plan;
  plan.local = local.endpoint;
  plan.remote_rtp = remote.rtp;
  plan.remote_rtcp = rtcp_mux ? remote.rtp : remote.rtcp;
  plan.direction = Intersect(local.direction, Mirror(remote.direction));
  plan.ptime_ms = remote.ptime_ms != 0 ? remote.ptime_ms : kPtimeDefaultMs;
  plan.maxptime_ms = remote.maxptime_ms;
  plan.rtcp_mux = rtcp_mux;
  return plan;
}

void OfferAnswer::Settle(Description local, LocalMedia local_media, Remote remote, MediaPlan plan) {
  local_ = std::move(local);
  local_media_ = std::move(local_media);
  remote_ = std::move(remote);
  plan_ = std::move(plan);
  plan_before_.reset();
  offered_ = Remote{};
  state_ = State::kStable;
}

absl::StatusOr<Description> OfferAnswer::MakeOffer(const LocalMedia& local) {
  if (state_ == State::kLocalOffer || state_ == State::kRemoteOffer) {
    return absl::FailedPreconditionError("an offer is open already");
  }
  std::vector<Format> formats = FormatsToOffer(local);
  if (!HasSpeech(formats)) return absl::InvalidArgumentError("the offer names no speech codec");

  const bool rtcp_mux = plan_.has_value() ? plan_->rtcp_mux : policy_.rtcp_mux_offer;
  const uint16_t ptime_ms = local.ptime_ms != 0 ? local.ptime_ms : policy_.ptime_ms;
  // The m= lines of a session keep their number and order (RFC 3264 section 8).
  std::vector<Media> media;
  size_t index = 0;
  if (local_.has_value()) {
    for (const Media& line : local_->media) media.push_back(Rejected(line));
    index = remote_->index;
  } else {
    media.resize(1);
    media[0].kind = "audio";
    media[0].protocol = policy_.srtp == Srtp::kRequired ? "RTP/SAVP" : "RTP/AVP";
  }
  std::vector<CryptoLine> crypto = CryptoToOffer();
  media[index] = ComposeAudio(std::move(media[index]), local, formats, crypto, ptime_ms, rtcp_mux);
  offer_ = Compose(local, std::move(media));
  offer_media_ = Trim(local, formats, local.direction);
  offer_formats_ = std::move(formats);
  offer_crypto_ = std::move(crypto);
  offer_spent_ = false;
  plan_before_ = plan_;
  state_ = State::kLocalOffer;
  return offer_;
}

Result OfferAnswer::ReceiveOffer(const Description& offer) {
  if (state_ == State::kLocalOffer) {
    return {Outcome::kGlare, "our own offer has not been answered yet"};
  }
  if (state_ == State::kRemoteOffer) {
    return {Outcome::kOverlap, "the offer before has not been answered yet"};
  }
  Remote remote;
  if (Result understood = Understand(offer, &remote); !understood.ok()) return understood;
  offered_ = std::move(remote);
  const bool unchanged = state_ == State::kStable && SameExceptOrigin(remote_->description, offer);
  state_ = State::kRemoteOffer;
  return {unchanged ? Outcome::kUnchanged : Outcome::kAccepted, ""};
}

absl::StatusOr<Description> OfferAnswer::MakeAnswer(const LocalMedia& local) {
  if (state_ != State::kRemoteOffer) {
    return absl::FailedPreconditionError("there is no offer to answer");
  }
  const std::vector<Format> formats = FormatsToAnswer(local);
  if (!HasSpeech(formats)) {
    return absl::InvalidArgumentError("no speech codec of the far leg was offered");
  }
  LocalMedia written = Trim(local, formats, Intersect(local.direction, Mirror(offered_.direction)));
  const uint16_t ptime_ms = local.ptime_ms != 0 ? local.ptime_ms : policy_.ptime_ms;
  std::vector<Media> media;
  for (const Media& line : offered_.description.media) media.push_back(Rejected(line));
  Media& audio = media[offered_.index];
  const std::vector<CryptoLine> crypto = CryptoToAnswer();
  audio = ComposeAudio(std::move(audio), written, formats, crypto, ptime_ms, offered_.rtcp_mux);
  Description answer = Compose(written, std::move(media));

  MediaPlan plan = Plan(written, offered_, offered_.rtcp_mux);
  for (const Format& format : formats) {
    plan.formats.push_back(
        {format.codec, format.payload_type, format.payload_type, 8000, format.events});
  }
  plan.crypto = Agreed(crypto, offered_.crypto);
  own_crypto_.reset();
  if (!crypto.empty()) own_crypto_ = crypto.front();
  Settle(answer, std::move(written), std::move(offered_), std::move(plan));
  return answer;
}

absl::StatusOr<Description> OfferAnswer::RepeatAnswer() {
  if (!local_media_.has_value()) return absl::FailedPreconditionError("nothing is agreed yet");
  const LocalMedia again = *local_media_;
  return MakeAnswer(again);
}

Result OfferAnswer::ReceiveAnswer(const Description& answer, Binding binding) {
  if (state_ != State::kLocalOffer) {
    return {Outcome::kUnexpected, "an answer came, but no offer of ours is open"};
  }
  Remote remote;
  if (Result understood = Understand(answer, &remote); !understood.ok()) return understood;

  const bool rtcp_mux = remote.rtcp_mux && offer_.media[remote.index].rtcp_mux();
  MediaPlan plan = Plan(offer_media_, remote, rtcp_mux);
  for (const Format& format : remote.formats) {
    const Format* ours = FindCodec(offer_formats_, format.codec);
    if (ours == nullptr) continue;
    PlannedFormat planned{format.codec, ours->payload_type, format.payload_type, 8000, {}};
    if (format.codec == Codec::kTelephoneEvent) planned.events = ours->events & format.events;
    plan.formats.push_back(planned);
  }
  if (std::none_of(plan.formats.begin(), plan.formats.end(),
                   [](const PlannedFormat& planned) { return IsSpeech(planned.codec); })) {
    return {Outcome::kNothingShared, "the answer chose no speech codec of our offer"};
  }
  plan.crypto = Agreed(offer_crypto_, remote.crypto);
  std::optional<CryptoLine> own_crypto = OwnCrypto(remote, &plan);
  if (binding == Binding::kPreview) {
    plan_ = std::move(plan);
    return Result{};
  }
  own_crypto_ = std::move(own_crypto);
  Description local = std::move(offer_);
  Settle(std::move(local), offer_media_, std::move(remote), std::move(plan));
  return Result{};
}

void OfferAnswer::Reject() {
  if (state_ == State::kLocalOffer) plan_ = std::move(plan_before_);
  if (state_ != State::kStable) {
    state_ = local_.has_value() ? State::kStable : State::kNone;
  }
  plan_before_.reset();
  offered_ = Remote{};
}

}  // namespace sipctl::sdp
