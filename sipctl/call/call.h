// A call: its legs, the bridge between them, and what an event on one side means to the other.
//
//   kPreparing    the relay takes the ports; nothing has left for the far side yet
//   kInviting     the far side has our INVITE
//   kEstablished  answered to the caller; the ACK may be outstanding
//   kEnded        everything that ends it was sent; the relay's totals may be outstanding
//
//   caller (leg 0)                              callee (leg 1)
//     INVITE ------> kPreparing
//                    kInviting  ----------------> INVITE
//        18x <------------------------------------- 18x
//        200 <-----  kEstablished <----------------- 200
//        ACK ------>                 ACK ---------->  (at once: each leg is its own dialog)
//        BYE ------> kEnded     ----------------> BYE
//
// The rules are in docs/call.md. Files: call.cc (beginning, end, media), call_setup.cc (INVITE to
// ACK), call_reoffer.cc (re-INVITE, hold), call_session.cc (PRACK, UPDATE, session timers),
// call_digits.cc (DTMF).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "sipctl/call/bridge.h"
#include "sipctl/call/cdr.h"
#include "sipctl/call/context.h"
#include "sipctl/call/leg.h"

namespace sipctl::call {

enum class Phase : uint8_t { kPreparing, kInviting, kEstablished, kEnded };

// Why and how a call ends.
struct End {
  int status = 500;           // to an INVITE that has no final answer
  std::string by = "sipctl";  // "caller", "callee", "sipctl"
  std::string text;           // a sentence for the call record
  std::string reason;         // value of the Reason header; empty = none
  uint32_t retry_after_s = 0;
};

// What is asked of a new call.
struct Plan {
  size_t source = 0;       // trunk
  size_t destination = 0;  // trunk
  FirstInvite first;       // towards the destination
  std::string caller;
  std::string called;
};

class Call {
 public:
  // The port pairs of session `number` are taken already.
  Call(Context* context, CallNumber number, Plan plan);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  CallNumber number() const { return number_; }
  // Where it goes, and as whom.
  const Plan& plan() const { return plan_; }
  // Journals the dialogs as they are now; the journal may be another one than before.
  void RecordAgain();
  Phase phase() const { return phase_; }
  // Nothing more can come of it: it may be forgotten.
  bool done() const;

  // The INVITE that asks for it; its body is `offer`, if it had one.
  void Start(sip::TransactionId id, const sip::Message& invite,
             const std::optional<sdp::Description>& offer, const sip::Flow& flow);

  // ---- events of a leg's transactions ----
  void OnRequest(Leg* leg, sip::TransactionId id, const sip::Message& request,
                 const sip::Flow& flow);
  void OnCancel(Leg* leg, const sip::Message& cancel);
  void OnAck(Leg* leg, const sip::Message& ack);
  void OnNoAck(Leg* leg);
  void OnResponse(Leg* leg, const sip::Message& response, const sip::Flow& flow,
                  sip::ResponseOrigin origin);

  // ---- events of the media ----
  void OnSettled(relay::abi::Refusal refusal);
  // The relay is dead, and its keys with it; another one is there.
  void OnRelayLost();
  void OfferNewKeys();
  void OnMediaTimeout(uint8_t leg);
  // The party of a leg pressed a key.
  void OnDigit(uint8_t leg, uint8_t event, uint32_t duration_ms);
  void OnLegTotals(uint8_t leg, const relay::abi::LegStatistics& totals);
  void OnSessionEnded(relay::abi::EndReason reason);

  // Ends the call from here, whatever its phase; later ones do nothing.
  void Finish(const End& end);

  Leg* leg(uint8_t number) { return number == 0 ? &near_ : &far_; }
  // For `sipctl calls`.
  struct View {
    CallNumber number;
    std::string from, to, source, destination;
    Phase phase;
    bool answered;
    int64_t age_ms;       // since the INVITE
    int64_t duration_ms;  // since the answer
    std::string codec;
    std::string digits[2];  // pressed by the caller, by the callee
  };
  View Look() const;

 private:
  // call_setup.cc
  void InviteFar();
  void WatchForResponse();
  void OnProvisional(const sip::Message& response, const sip::Flow& flow);
  void OnAnswer(const sip::Message& response, const sip::Flow& flow);
  absl::Status AnswerNear();
  void OnRefused(const sip::Message& response, sip::ResponseOrigin origin);
  std::optional<sdp::Description> EarlyAnswer(const Preview& preview);

  // call_reoffer.cc
  void OnReinvite(Leg* leg, sip::TransactionId id, const sip::Message& request);
  void OfferToReinvite(Leg* leg);
  void AnswerReinvite(Leg* leg, const sip::Message& request);
  void AnswerHere(Leg* leg, bool unchanged);
  void Forward(Leg* leg);
  bool MustForward(const Leg& leg, const Leg& other) const;
  void OnReinviteAnswered(Leg* leg, const sip::Message& response, const sip::Flow& flow);
  void OnReinviteRefused(Leg* leg, const sip::Message& response);
  void RetryLater(Leg* leg);
  void Agree(Leg* leg);

  // call_session.cc
  void Watch(Leg* leg);
  void OnPrack(Leg* leg, sip::TransactionId id, const sip::Message& request);
  void OnUpdate(Leg* leg, sip::TransactionId id, const sip::Message& request);
  void OnEarlyRequest(Leg* leg, sip::TransactionId id, const sip::Message& request,
                      const sip::Flow& flow);
  void AnswerAside(Leg* leg, sdp::OfferAnswer* offer_answer, sip::TransactionId id,
                   const sip::Message& request);
  bool RefuseTooShort(Leg* leg, sip::TransactionId id, const sip::Message& request);
  void Refresh(Leg* leg);
  void OnUpdated(Leg* leg, const sip::Message& response, const sip::Flow& flow);
  void OnRefreshRefused(Leg* leg, bool again);
  TimeMs GlareDelay(const Leg& leg);

  // call.cc
  // What `leg` can be told of what the other one agreed to.
  sdp::LocalMedia MediaFor(Leg* leg);
  bool may_transcode() const { return sdp::MayTranscode(near_.trunk().media, far_.trunk().media); }
  Leg* Other(const Leg* leg) { return leg == &near_ ? &far_ : &near_; }
  const char* NameOf(const Leg* leg) const { return leg == &near_ ? "caller" : "callee"; }
  void OnInfo(Leg* leg, sip::TransactionId id, const sip::Message& request);
  void OnBye(Leg* leg, sip::TransactionId id, const sip::Message& request);
  void Reply(sip::TransactionId id, const sip::Message& request, int status,
             uint32_t retry_after_s = 0);
  void Record();
  std::string Remember(sip::TransactionId invite);
  void FindLocals();
  bool StepAroundTakenPorts(relay::abi::Refusal refusal);
  void SetTimer(TimeMs delay, std::function<void()> fire);
  void WriteCdr(bool counted);
  void KeepHeaders(const Leg& leg, const sip::Message& message);

  Context* context_;
  CallNumber number_;
  Plan plan_;
  Phase phase_ = Phase::kPreparing;
  Leg near_;
  Leg far_;
  Bridge bridge_;
  int other_ports_ = 0;         // how often it was moved to other ports
  bool delayed_offer_ = false;  // the caller's INVITE had no offer

  // A re-INVITE of one side that the other one must agree to.
  struct Reoffer {
    Leg* from = nullptr;  // waits for its answer; null: nobody waits, we bring the other in line
    int attempts = 0;
    bool key = false;  // it must have the new key that is offered
  };
  std::optional<Reoffer> reoffer_;

  Timers::Id timer_ = 0;           // of the phase: preparing, ringing, retrying
  Timers::Id response_timer_ = 0;  // until the far side says anything at all
  Timers::Id end_timer_ = 0;       // for totals that never come
  std::optional<uint32_t> journal_slot_;
  TimeMs started_;
  TimeMs answered_ = -1;
  bool session_over_ = false;
  Cdr cdr_;
};

}  // namespace sipctl::call
