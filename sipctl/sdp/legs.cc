// How the offer of one leg becomes the offer of the other, and its answer the answer.
#include <algorithm>

#include "sipctl/sdp/offer_answer.h"

namespace sipctl::sdp {
namespace {

bool Contains(const std::vector<Codec>& codecs, Codec codec) {
  return std::find(codecs.begin(), codecs.end(), codec) != codecs.end();
}

// Events and comfort noise are nothing without speech.
void DropIfSpeechless(std::vector<Codec>* codecs) {
  if (std::none_of(codecs->begin(), codecs->end(), IsSpeech)) codecs->clear();
}

std::vector<Codec> SpeechOf(const MediaPlan& plan) {
  std::vector<Codec> speech;
  for (const PlannedFormat& format : plan.formats) {
    if (IsSpeech(format.codec)) speech.push_back(format.codec);
  }
  return speech;
}

}  // namespace

LocalMedia OfferToward(const OfferAnswer& near, const MediaPolicy& far, IpEndpoint endpoint) {
  LocalMedia local;
  local.endpoint = endpoint;
  local.codecs.clear();
  for (const Codec codec : far.codecs) {
    for (const Format& offered : near.offered_formats()) {
      if (offered.codec != codec) continue;
      local.codecs.push_back(codec);
      if (codec == Codec::kTelephoneEvent) local.events = offered.events;
    }
  }
  DropIfSpeechless(&local.codecs);
  local.direction = near.offered_direction();
  local.ptime_ms = near.offered_ptime_ms();
  local.maxptime_ms = near.offered_maxptime_ms();
  return local;
}

LocalMedia FirstOffer(const MediaPolicy& near, const MediaPolicy& far, IpEndpoint endpoint) {
  LocalMedia local;
  local.endpoint = endpoint;
  for (const Codec codec : far.codecs) {
    if (Contains(near.codecs, codec)) local.codecs.push_back(codec);
  }
  DropIfSpeechless(&local.codecs);
  return local;
}

LocalMedia AnswerToward(const MediaPlan& far, IpEndpoint endpoint) {
  LocalMedia local;
  local.endpoint = endpoint;
  for (const PlannedFormat& format : far.formats) {
    local.codecs.push_back(format.codec);
    if (format.codec == Codec::kTelephoneEvent) local.events = format.events;
  }
  // What the far party only receives, we only receive from the near one.
  local.direction = Mirror(far.direction);
  local.ptime_ms = far.ptime_ms;
  local.maxptime_ms = far.maxptime_ms;
  return local;
}

Fit Fits(const MediaPlan& a, const MediaPlan& b) {
  const std::vector<Codec> ours = SpeechOf(a);
  const std::vector<Codec> theirs = SpeechOf(b);
  const size_t shared = static_cast<size_t>(std::count_if(
      ours.begin(), ours.end(), [&theirs](Codec codec) { return Contains(theirs, codec); }));
  if (shared == 0) return Fit::kNothing;
  return shared == ours.size() && shared == theirs.size() ? Fit::kWhole : Fit::kPartly;
}

}  // namespace sipctl::sdp
