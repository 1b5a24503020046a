// Offer/answer as a program of events: each four bytes are one - an offer of ours, an answer of the
// peer to it, early or final, an offer of the peer, our answer, a refusal, a repetition, a fork, a
// key that is spent. What the peer says is composed of three of them, or is the honest word of
// another OfferAnswer. Whatever the program, nothing moves where an event is refused, nothing is
// agreed that was not offered, and no media goes where none may.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "sipctl/sdp/offer_answer.h"
#include "tests/fuzz/require.h"

namespace sipctl::sdp {
namespace {

using State = OfferAnswer::State;

constexpr const char* kHosts[] = {"192.0.2.9", "192.0.2.9",   "0.0.0.0",
                                  "127.0.0.1", "224.0.0.1",   "10.1.2.3",
                                  "192.0.2.1", "2001:db8::9", "peer.example"};
constexpr const char* kFormats[] = {"8",    "0 8", "8 0 101", "96 101", "18",
                                    "13 8", "97",  "8 8",     "0",      "101"};
constexpr const char* kDirections[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
constexpr const char* kKeys[] = {
    "", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n",
    "a=crypto:1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==\r\n",
    "a=crypto:2 NONSENSE inline:AA==\r\n"};

// Each key is another one.
uint32_t keys_made = 0;

void Count(std::span<uint8_t> bytes) {
  ++keys_made;
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i < 4 ? keys_made >> (8 * i) : i);
  }
}

MediaPolicy PolicyOf(uint8_t byte) {
  MediaPolicy policy;
  policy.srtp = static_cast<Srtp>(byte % 3);
  policy.random = Count;
  policy.own = {*ParseIpAddress("192.0.2.1")};
  policy.learn_remote = (byte & 4) != 0;
  policy.refuse_private = (byte & 8) != 0;
  policy.rtcp_mux_offer = (byte & 16) != 0;
  policy.transcode = (byte & 32) != 0;
  if ((byte & 64) != 0) policy.codecs = {Codec::kPcma, Codec::kTelephoneEvent};
  return policy;
}

LocalMedia MediaOf(const MediaPolicy& policy, uint8_t byte) {
  LocalMedia media;
  media.endpoint = {*ParseIpAddress("192.0.2.1"), static_cast<uint16_t>(10000 + 2 * (byte >> 4))};
  media.codecs = policy.codecs;
  if ((byte & 4) != 0) std::reverse(media.codecs.begin(), media.codecs.end());
  if ((byte & 8) != 0) media.codecs.pop_back();
  media.direction = static_cast<Direction>(byte & 3);
  return media;
}

std::string Section(uint8_t a, uint8_t b) {
  std::string text = a % 16 == 15 ? "m=video " : "m=audio ";
  text += std::to_string(a % 16 == 14 ? 0 : 4000 + 2 * (a >> 4));
  text += (b & 3) == 0 ? " RTP/AVP " : (b & 3) == 1 ? " RTP/SAVP " : " RTP/AVP ";
  text.append(kFormats[a % std::size(kFormats)]).append("\r\n");
  text +=
      "a=rtpmap:96 PCMA/8000\r\na=rtpmap:97 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n";
  text.append(kKeys[b & 3]);
  if ((b & 4) != 0) text += "a=rtcp-mux\r\n";
  if ((b & 8) != 0) text += "a=rtcp:4100 IN IP4 127.0.0.1\r\n";
  return text.append("a=").append(kDirections[b >> 4 & 3]).append("\r\n");
}

std::string Composed(uint8_t a, uint8_t b, uint8_t c) {
  const char* host = kHosts[c % std::size(kHosts)];
  const bool six = std::string(host).find(':') != std::string::npos;
  std::string text =
      "v=0\r\no=peer 1 " + std::to_string(c >> 4) + " IN IP4 192.0.2.9\r\ns=-\r\nc=IN ";
  text.append(six ? "IP6 " : "IP4 ").append(host).append("\r\nt=0 0\r\n");
  for (int i = 0; i <= (b >> 6 & 1); ++i) text += Section(static_cast<uint8_t>(a + i), b);
  return text;
}

class Program {
 public:
  explicit Program(uint8_t policy, uint8_t peer)
      : ours_(PolicyOf(policy), 7), peer_(PolicyOf(peer), 9) {}

  void Step(uint8_t op, uint8_t a, uint8_t b, uint8_t c) {
    const State before = ours_.state();
    const std::optional<MediaPlan> plan = ours_.plan();
    switch (op % 11) {
      case 0:
      case 1:
        Offer(before, MediaOf(ours_.policy(), a));
        break;
      case 2:
        Answered(before, Composed(a, b, c), Binding::kFinal);
        break;
      case 3:
        Answered(before, Composed(a, b, c), Binding::kPreview);
        break;
      case 4:
        HonestlyAnswered(before, a, c % 2 == 0 ? Binding::kFinal : Binding::kPreview);
        break;
      case 5:
        Offered(before, plan, Composed(a, b, c));
        break;
      case 6:
        if (const auto offer = peer_.MakeOffer(MediaOf(peer_.policy(), a)); offer.ok()) {
          Offered(before, plan, Write(*offer));
        }
        break;
      case 7:
        Answer(before, plan, MediaOf(ours_.policy(), a), c % 4 == 0);
        break;
      case 8:
        Reject(before);
        break;
      case 9:
        Spend();
        break;
      case 10:
        Fork(Composed(a, b, c));
        break;
    }
    CheckPlan();
  }

 private:
  static bool IsOpen(State state) {
    return state == State::kLocalOffer || state == State::kRemoteOffer;
  }

  // It can be read, it is ours, and what it says comes back.
  void CheckWritten(const Description& description) {
    const auto again = Parse(Write(description));
    REQUIRE(again.ok());
    REQUIRE(again->media.size() == description.media.size());
    const auto origin = again->origin();
    REQUIRE(origin.has_value());
    REQUIRE(session_.empty() || origin->session_id == session_);
    session_ = origin->session_id;
    const uint64_t version = std::stoull(origin->version);
    REQUIRE(version >= version_);
    version_ = version;
    const bool encrypted = std::any_of(again->media.begin(), again->media.end(),
                                       [](const Media& m) { return !m.crypto().empty(); });
    REQUIRE(!encrypted || ours_.policy().srtp != Srtp::kOff);
  }

  void Offer(State before, const LocalMedia& media) {
    const auto plan = ours_.plan();
    const auto offer = ours_.MakeOffer(media);
    REQUIRE(!IsOpen(before) || !offer.ok());
    REQUIRE(ours_.state() == (offer.ok() ? State::kLocalOffer : before));
    if (!offer.ok()) return;
    before_offer_ = plan;
    offer_ = *offer;
    CheckWritten(*offer);
  }

  void Answered(State before, const std::string& text, Binding binding) {
    const auto answer = Parse(text);
    if (!answer.ok()) return;
    const auto plan = ours_.plan();
    const Result result = ours_.ReceiveAnswer(*answer, binding);
    REQUIRE(result.ok() || !result.detail.empty());
    REQUIRE(before == State::kLocalOffer || result.outcome == Outcome::kUnexpected);
    if (!result.ok()) {
      REQUIRE(ours_.state() == before && ours_.plan() == plan);
      return;
    }
    REQUIRE(ours_.state() == (binding == Binding::kFinal ? State::kStable : State::kLocalOffer));
    for (const PlannedFormat& format : ours_.plan()->formats) {
      const auto& codecs = ours_.policy().codecs;
      REQUIRE(std::find(codecs.begin(), codecs.end(), format.codec) != codecs.end());
    }
  }

  // What another one of us says to our offer fits, whatever was before.
  void HonestlyAnswered(State before, uint8_t a, Binding binding) {
    if (before != State::kLocalOffer) return;
    const auto offer = Parse(Write(offer_));
    REQUIRE(offer.ok());
    OfferAnswer called(peer_.policy(), 11);
    if (!called.ReceiveOffer(*offer).ok()) return;
    const auto answer = called.MakeAnswer(MediaOf(called.policy(), a));
    if (!answer.ok()) return;
    REQUIRE(answer->media.size() == offer_.media.size());
    Answered(before, Write(*answer), binding);
  }

  void Offered(State before, const std::optional<MediaPlan>& plan, const std::string& text) {
    const auto offer = Parse(text);
    if (!offer.ok()) return peer_.Reject();
    const Result result = ours_.ReceiveOffer(*offer);
    REQUIRE(before != State::kLocalOffer || !result.ok());
    REQUIRE(before != State::kRemoteOffer || !result.ok());
    REQUIRE(ours_.plan() == plan);  // the old session goes on until the answer
    REQUIRE(ours_.state() == (result.ok() ? State::kRemoteOffer : before));
    REQUIRE(!result.ok() || !ours_.offered_formats().empty());
    if (result.ok()) {
      theirs_ = *offer;
    } else {
      peer_.Reject();
    }
  }

  void Answer(State before, const std::optional<MediaPlan>& plan, const LocalMedia& media,
              bool repeat) {
    const auto answer = repeat ? ours_.RepeatAnswer() : ours_.MakeAnswer(media);
    REQUIRE(before == State::kRemoteOffer || !answer.ok());
    if (!answer.ok()) {
      REQUIRE(ours_.state() == before && ours_.plan() == plan);
      return;
    }
    REQUIRE(ours_.state() == State::kStable);
    CheckWritten(*answer);
    // RFC 3264 section 6: as many streams, of the same kinds, in nothing that was not offered.
    REQUIRE(answer->media.size() == theirs_.media.size());
    for (size_t i = 0; i < answer->media.size(); ++i) {
      const Media& said = answer->media[i];
      const Media& asked = theirs_.media[i];
      REQUIRE(said.kind == asked.kind && said.protocol == asked.protocol);
      REQUIRE(said.port == 0 || asked.port != 0);
      for (const std::string& format : said.formats) {
        REQUIRE(std::find(asked.formats.begin(), asked.formats.end(), format) !=
                asked.formats.end());
      }
    }
    peer_.ReceiveAnswer(*Parse(Write(*answer)), Binding::kFinal);
    peer_.Reject();
  }

  void Reject(State before) {
    const auto plan = ours_.plan();
    ours_.Reject();
    REQUIRE(!IsOpen(ours_.state()));
    REQUIRE(ours_.plan() == (before == State::kLocalOffer ? before_offer_ : plan));
    peer_.Reject();
  }

  void Spend() {
    if (ours_.plan() && ours_.plan()->crypto && ours_.plan()->crypto->send.length != 0) {
      const Keying& key = ours_.plan()->crypto->send;
      spent_.emplace(key.bytes.begin(), key.bytes.begin() + key.length);
    }
    ours_.SpendKey();
    REQUIRE(!ours_.plan() || !ours_.plan()->crypto || ours_.plan()->crypto->send.length == 0);
    if (before_offer_ && before_offer_->crypto) before_offer_->crypto->send = Keying{};
  }

  // An early dialog of a fork has its own answer; ours does not feel it.
  void Fork(const std::string& text) {
    const auto answer = Parse(text);
    if (!answer.ok()) return;
    const auto plan = ours_.plan();
    OfferAnswer fork = ours_;
    fork.ReceiveAnswer(*answer, Binding::kPreview);
    fork.Reject();
    REQUIRE(ours_.plan() == plan && !IsOpen(fork.state()));
  }

  void CheckPlan() {
    REQUIRE(ours_.state() != State::kStable || (ours_.plan() && ours_.local()));
    if (!ours_.plan()) return;
    const MediaPlan& plan = *ours_.plan();
    std::set<int> payload_types;
    bool speech = false;
    for (const PlannedFormat& format : plan.formats) {
      REQUIRE(format.payload_type_in < 128 && format.payload_type_out < 128);
      REQUIRE(payload_types.insert(format.payload_type_in).second);
      speech = speech || IsSpeech(format.codec);
    }
    REQUIRE(speech);
    for (const IpEndpoint& remote : {plan.remote_rtp, plan.remote_rtcp}) {
      if (remote.port == 0) continue;
      REQUIRE(!remote.address.IsLoopback() && !remote.address.IsMulticast());
      REQUIRE(!remote.address.IsUnspecified());
      REQUIRE(!(remote.address == ours_.policy().own[0]));
      REQUIRE(!ours_.policy().refuse_private || !remote.address.IsPrivate());
    }
    if (!plan.crypto) return;
    REQUIRE(ours_.policy().srtp != Srtp::kOff);
    const Keying& key = plan.crypto->send;
    REQUIRE(!spent_.contains(std::string(key.bytes.begin(), key.bytes.begin() + key.length)));
  }

  OfferAnswer ours_;
  OfferAnswer peer_;
  Description offer_;   // ours, the open one
  Description theirs_;  // the same of the peer
  std::optional<MediaPlan> before_offer_;
  std::set<std::string> spent_;  // keys of ours
  std::string session_;
  uint64_t version_ = 0;
};

}  // namespace
}  // namespace sipctl::sdp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 6 || size > 256) return 0;
  sipctl::sdp::Program program(data[0], data[1]);
  for (size_t i = 2; i + 4 <= size; i += 4) {
    program.Step(data[i], data[i + 1], data[i + 2], data[i + 3]);
  }
  return 0;
}
