// Offer/answer (RFC 3264) of one leg. It does not know which message carries a description
// (INVITE, 18x, 200, ACK, PRACK, UPDATE): the call layer says what came and asks what to send.
//
//             MakeOffer                     ReceiveOffer
//     none/stable ----> local offer     none/stable ----> remote offer
//     local offer ----> stable          remote offer ----> stable
//           ReceiveAnswer(kFinal)               MakeAnswer
//     local or remote offer ----> what was before, with the old session untouched
//                           Reject
//
// An OfferAnswer is a value: a forked INVITE copies it once for each early dialog while the local
// offer is open, and each copy receives its own answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/sdp/address.h"
#include "sipctl/sdp/crypto.h"
#include "sipctl/sdp/description.h"
#include "sipctl/sdp/format.h"

namespace sipctl::sdp {

// Whether media is encrypted (SRTP with keys in SDP, RFC 4568).
enum class Srtp : uint8_t {
  kOff,       // RTP/AVP; an offer of RTP/SAVP is refused
  kOptional,  // RTP/AVP with keys (RFC 8643): encrypted with those who answer with one
  kRequired,  // RTP/SAVP; without a key there is no call
};

// What a trunk allows, the same for all its calls.
struct MediaPolicy {
  // In order of preference; kTelephoneEvent and kComfortNoise stand behind the speech codecs.
  std::vector<Codec> codecs = {Codec::kPcma, Codec::kPcmu, Codec::kTelephoneEvent};
  uint8_t telephone_event_payload_type = 101;  // in our offers; 96-127
  uint16_t ptime_ms = 20;                      // of our offers when the far leg says nothing
  bool rtcp_mux_offer = false;                 // an offered rtcp-mux is always accepted
  bool transcode = false;  // G.711 of the other law may stand in where none is shared
  Srtp srtp = Srtp::kOff;
  std::vector<Suite> suites_offered = {Suite::kAesCm128HmacSha1_80};  // best first
  std::vector<Suite> suites_accepted{std::begin(kAllSuites), std::end(kAllSuites)};
  RandomBytes random = KernelRandom;  // of our keys
  bool allow_loopback = false;        // true when the trunk's own addresses are loopback
  // Where the far side's media may lie; empty = anywhere. With `learn_remote` an address outside
  // is not refused but left unknown, for the relay to learn (peer behind NAT).
  std::vector<IpNetwork> networks;
  bool learn_remote = false;
  // A relay that sends to itself has a loop: refused, unless one of `networks` is that very address
  // (a PBX on this machine).
  std::vector<IpAddress> own;
  // Without `networks`, private addresses (RFC 1918, RFC 4193, RFC 6598) are believed inside these
  // alone.
  std::vector<IpNetwork> private_networks;
  // A carrier's private address outside `networks` is a mistake of its or an attempt at our
  // network, and is not learned either.
  bool refuse_private = false;

  bool operator==(const MediaPolicy&) const = default;
};

// What one offer or answer shall say.
struct LocalMedia {
  IpEndpoint endpoint;        // as advertised: the address the far side sends RTP to
  std::vector<Codec> codecs;  // a choice of the policy's codecs, in the order to write them
  Direction direction = Direction::kSendRecv;  // seen from us
  Events events = DefaultEvents();
  uint16_t ptime_ms = 0;     // 0 = the policy's
  uint16_t maxptime_ms = 0;  // 0 = not said
};

// A format both sides know. The peer may choose another payload type for its direction than we did
// (RFC 3264 section 6.1), though well-behaved ones do not.
struct PlannedFormat {
  Codec codec = Codec::kPcma;
  uint8_t payload_type_in = 8;   // what we shall receive
  uint8_t payload_type_out = 8;  // what the far side wants to receive
  uint32_t clock_rate_hz = 8000;
  Events events;  // kTelephoneEvent only: what both sides know

  bool operator==(const PlannedFormat&) const = default;
};

// What the media of this leg shall be, in plain numbers.
struct MediaPlan {
  IpEndpoint local;        // as advertised
  IpEndpoint remote_rtp;   // port 0 = not known or on hold: nothing may be sent
  IpEndpoint remote_rtcp;  // port 0 likewise; equal to remote_rtp under rtcp_mux
  Direction direction = Direction::kSendRecv;  // seen from us
  std::vector<PlannedFormat> formats;          // in the order of the answer
  uint16_t ptime_ms = 20;                      // what the far side wants to receive
  uint16_t maxptime_ms = 0;                    // 0 = no limit said
  bool rtcp_mux = false;
  std::optional<MediaCrypto> crypto;  // nothing = plain RTP

  bool operator==(const MediaPlan&) const = default;
};

enum class Outcome : uint8_t {
  kAccepted,
  kUnchanged,       // a refresh: the same session again; answer it without touching the far leg
  kNothingShared,   // no audio in a format both sides know: 488
  kAddressRefused,  // the media points where we never send: 488
  kMalformed,       // not usable as offer or answer: 488 (offer), end of the call (answer)
  kGlare,           // our own offer is open (RFC 3261 section 14.2): 491
  kOverlap,         // the peer's earlier offer is open: 500 with Retry-After
  kUnexpected,      // an answer to no offer of ours: ignore
};
std::string_view OutcomeName(Outcome outcome);

struct Result {
  Outcome outcome = Outcome::kAccepted;
  std::string detail;  // a sentence for the log and the Reason header; empty when fine

  bool ok() const { return outcome == Outcome::kAccepted || outcome == Outcome::kUnchanged; }
};

// The answer in an unreliable 18x is a preview of the one in the 2xx (RFC 3261 section 13.2.1):
// media follows it, but the offer stays open and the next answer replaces it.
enum class Binding : uint8_t { kPreview, kFinal };

class OfferAnswer {
 public:
  enum class State : uint8_t { kNone, kLocalOffer, kRemoteOffer, kStable };

  // `session_id` is the number of our o= line: unique, best random below 2^62 (RFC 8866 section
  // 5.2); it says nothing about the other leg.
  OfferAnswer(MediaPolicy policy, uint64_t session_id);

  // Fails with FailedPrecondition while an offer is open, with InvalidArgument when `local` names
  // no speech codec of the policy.
  absl::StatusOr<Description> MakeOffer(const LocalMedia& local);
  Result ReceiveOffer(const Description& offer);

  // FailedPrecondition when no offer of the peer is open; InvalidArgument when nothing of
  // `local.codecs` was offered: Reject() and answer 488. After kUnchanged use RepeatAnswer.
  absl::StatusOr<Description> MakeAnswer(const LocalMedia& local);
  // The answer to a refresh: the agreed session again; the version in o= moves only if the text
  // has to.
  absl::StatusOr<Description> RepeatAnswer();
  Result ReceiveAnswer(const Description& answer, Binding binding);

  // The open offer was refused or withdrawn; the session is what it was before it.
  void Reject();

  // The keys that were sent under must not be used again: none is in the plan until an exchange
  // that begins after this has brought the peer a new one (MakeOffer(*local_media()) does). Nothing
  // happens to plain media.
  void SpendKey();

  State state() const { return state_; }
  const MediaPolicy& policy() const { return policy_; }
  // What is agreed, or previewed; nothing before the first answer.
  const std::optional<MediaPlan>& plan() const { return plan_; }
  // Our half of the agreed session, to be repeated in the 200 after a 183.
  const std::optional<Description>& local() const { return local_; }
  // What it was made from: MakeOffer(*local_media()) is a session refresh.
  const std::optional<LocalMedia>& local_media() const { return local_media_; }

  // Of the peer's open offer, empty in other states.
  const std::vector<Format>& offered_formats() const { return offered_.formats; }
  Direction offered_direction() const { return offered_.direction; }
  uint16_t offered_ptime_ms() const { return offered_.ptime_ms; }
  uint16_t offered_maxptime_ms() const { return offered_.maxptime_ms; }

 private:
  // The peer's half of an exchange, understood.
  struct Remote {
    Description description;
    size_t index = 0;  // of the m= line in use
    std::vector<Format> formats;
    Direction direction = Direction::kSendRecv;  // seen from the peer, old-style hold resolved
    IpEndpoint rtp;
    IpEndpoint rtcp;
    uint16_t ptime_ms = 0;
    uint16_t maxptime_ms = 0;
    bool rtcp_mux = false;
    std::optional<CryptoLine> crypto;  // the line that we take
  };

  Result Understand(const Description& description, Remote* remote) const;
  Result Choose(const Description& description, Remote* remote) const;
  Result Locate(const Description& description, const Media& media, Remote* remote) const;
  Result CheckAddress(const IpAddress& address, uint16_t line) const;
  // Named by the policy's networks.
  bool IsNamed(const IpAddress& address) const;
  bool IsNamedAlone(const IpAddress& address) const;
  // Packets may be sent there before any came from there.
  bool IsBelieved(const IpAddress& address) const;

  // offer_answer_crypto.cc
  std::string ChooseCrypto(const Media& media, std::optional<CryptoLine>* chosen) const;
  std::string WhyNot(const CryptoLine& line) const;
  bool IsAgreed(const CryptoLine& line) const;
  std::vector<CryptoLine> CryptoToOffer() const;
  std::vector<CryptoLine> CryptoToAnswer() const;
  Keying OwnKey(Suite suite) const;
  std::optional<CryptoLine> OwnCrypto(const Remote& remote, MediaPlan* plan) const;
  static std::optional<MediaCrypto> Agreed(const std::vector<CryptoLine>& ours,
                                           const std::optional<CryptoLine>& theirs);

  std::vector<Format> FormatsToOffer(const LocalMedia& local) const;
  std::vector<Format> FormatsToAnswer(const LocalMedia& local) const;
  Description Compose(const LocalMedia& local, std::vector<Media> media);
  MediaPlan Plan(const LocalMedia& local, const Remote& remote, bool rtcp_mux) const;
  void Settle(Description local, LocalMedia local_media, Remote remote, MediaPlan plan);

  MediaPolicy policy_;
  uint64_t session_id_;
  uint64_t version_;  // highest sent in an o= line; 0 = none yet
  State state_ = State::kNone;

  // The agreed session.
  std::optional<Description> local_;
  std::optional<LocalMedia> local_media_;
  std::optional<Remote> remote_;
  std::optional<MediaPlan> plan_;
  std::optional<CryptoLine> own_crypto_;  // our key, the same until the suite changes

  // The open exchange: in kRemoteOffer what the peer offered, in kLocalOffer what we did.
  Remote offered_;
  Description offer_;
  LocalMedia offer_media_;
  std::vector<Format> offer_formats_;
  std::vector<CryptoLine> offer_crypto_;
  bool offer_spent_ = false;  // its keys may have been sent under, and must not be again
  std::optional<MediaPlan> plan_before_;  // to go back to when a previewed offer is rejected
};

// ---- between the legs of a call ---------------------------------------------------------------
//
// An offer from A goes to B with what A offered and B's trunk allows; A is answered with what B
// chose. The first leg is answered once: `Fits` says whether a later fork of B can be bridged to
// it.

// What to offer to the far leg, in its policy's order. `near` holds the peer's open offer. Empty
// `codecs` when nothing is shared: 488 to the near leg. Where both trunks transcode, what only the
// far one speaks stands behind what both do: the peer takes it when it must.
LocalMedia OfferToward(const OfferAnswer& near, const MediaPolicy& far, IpEndpoint endpoint);

// What to offer when the near leg made none (delayed offer): all that both trunks allow.
LocalMedia FirstOffer(const MediaPolicy& near, const MediaPolicy& far, IpEndpoint endpoint);

// What to answer (or, after a delayed offer, to offer) to the near leg, given what was agreed with
// the far one.
LocalMedia AnswerToward(const MediaPlan& far, IpEndpoint endpoint);

// Whether the relay may turn G.711 of the one law into the other between two such legs.
inline bool MayTranscode(const MediaPolicy& a, const MediaPolicy& b) {
  return a.transcode && b.transcode;
}

// Completes what AnswerToward made for `near`, if both trunks transcode: with the other law where
// an answer would name none that was offered, and behind the shared one in an offer.
void AllowTranscoding(const OfferAnswer& near, const MediaPolicy& far, LocalMedia* local);

// Whether the two legs can be bridged without transcoding.
enum class Fit : uint8_t {
  kWhole,    // each may send exactly what the other can receive
  kPartly,   // some speech codec is shared, but one side may also send what the other cannot take:
             // offer the shared ones again when it can be done
  kNothing,  // no speech codec is shared
};
Fit Fits(const MediaPlan& a, const MediaPlan& b);

}  // namespace sipctl::sdp
