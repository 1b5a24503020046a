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

// `more` behind the speech codecs of `codecs`, each once.
void AppendSpeech(const std::vector<Codec>& more, std::vector<Codec>* codecs) {
  for (const Codec codec : more) {
    if (!IsSpeech(codec) || Contains(*codecs, codec)) continue;
    codecs->insert(std::find_if_not(codecs->begin(), codecs->end(), IsSpeech), codec);
  }
}

bool Offers(const OfferAnswer& near, const std::vector<Codec>& codecs) {
  return std::any_of(near.offered_formats().begin(), near.offered_formats().end(),
                     [&codecs](const Format& format) {
                       return IsSpeech(format.codec) && Contains(codecs, format.codec);
                     });
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
  if (MayTranscode(near.policy(), far)) AppendSpeech(far.codecs, &local.codecs);
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
  if (MayTranscode(near, far)) AppendSpeech(far.codecs, &local.codecs);
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

void AllowTranscoding(const OfferAnswer& near, const MediaPolicy& far, LocalMedia* local) {
  if (!MayTranscode(near.policy(), far)) return;
  const bool answers = near.state() == OfferAnswer::State::kRemoteOffer;
  if (answers && Offers(near, local->codecs)) return;
  AppendSpeech(near.policy().codecs, &local->codecs);
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
