// One side of a call: one dialog (before the answer: the early ones of all forks), one offer/answer
// machine and one local port pair. A leg knows how to speak; what to say is the call's decision.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/call/context.h"
#include "sipctl/call/outgoing.h"
#include "sipctl/call/reliable_progress.h"
#include "sipctl/call/session_keeper.h"
#include "sipctl/sdp/offer_answer.h"
#include "sipctl/sip/dialog.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/transaction.h"

namespace sipctl::call {

// An INVITE of the peer that is not over: no final answer yet, or a 2xx without its ACK. Or an
// UPDATE with an offer, which has no ACK.
struct ReceivedInvite {
  sip::TransactionId id = 0;
  sip::Message request;        // what a response needs of it
  sip::SessionTerms session;   // that it asked for
  bool delayed_offer = false;  // it had no body
  bool answered = false;       // 2xx sent
  bool offer_in_2xx = false;   // the ACK must bring the answer
  // Where its 18x must be acknowledged (Require: 100rel); else null.
  std::unique_ptr<ReliableProgress> progress;
  std::optional<sip::Message> held_2xx;  // until a PRACK comes
};

// An answer that one early dialog gave to our offer.
struct Preview {
  std::string tag;  // of the peer
  sdp::OfferAnswer offer_answer;
  sdp::Description answer;
  bool reliable = false;  // it is the answer; what stands in the 2xx is ignored (RFC 3261 13.2.1)
};

// A first INVITE that is on its way to one address after the other, until something rings.
struct Trial {
  FirstInvite first;
  std::vector<Attempt> left;  // the next one at the back
  Attempt now;
  bool rang = false;  // a provisional answer above 100: from here on it is the callee's word
};

// An INVITE of ours without a final answer.
struct SentInvite {
  sip::TransactionId id = 0;
  uint32_t cseq = 0;
  // As it was sent, where the trunk may ask who we are.
  std::unique_ptr<sip::Message> invite;
  // The first INVITE of the dialog only:
  std::unique_ptr<Trial> trial;
  std::unique_ptr<sip::Forks> forks;
  std::vector<Preview> previews;  // the newest at the end
  std::string offer;              // its body, to be sent again: elsewhere, or after a 422
};

// What a leg's timers have to say to its call.
struct LegAlarms {
  std::function<void()> refresh;   // the session is to be refreshed
  std::function<void()> expired;   // and was not
  std::function<void()> no_prack;  // a reliable 18x was never acknowledged
};

class Leg {
 public:
  Leg(Context* context, Owner owner, size_t trunk);
  ~Leg();
  Leg(const Leg&) = delete;
  Leg& operator=(const Leg&) = delete;

  uint8_t number() const { return owner_.leg; }
  void Watch(LegAlarms alarms);
  size_t trunk_index() const { return trunk_; }
  const trunk::Trunk& trunk() const { return context_->trunk(trunk_); }

  // ---- as the called side ----

  // The first INVITE. Fails when no dialog can be made of it.
  absl::Status Receive(sip::TransactionId id, const sip::Message& invite, const sip::Flow& flow);
  // A later one, already accepted by the dialog.
  void ReceiveAgain(sip::TransactionId id, const sip::Message& invite);
  void Progress(int status, const sdp::Description* body);
  // 200 with our answer, or with our offer when the INVITE had none.
  void Answer(const sdp::Description& body, bool is_offer);
  // The open INVITE gets a final answer of 300-699.
  void Refuse(int status, std::string_view reason, uint32_t retry_after_s = 0);
  // The PRACK of an 18x: true when it was one, and has to be answered with 2xx.
  bool AcceptPrack(const sip::Message& prack);
  // The 200 that had to wait for it; whether there is one, and it waits no more.
  bool SendHeld2xx();
  // An UPDATE without an offer: the 200.
  void AnswerRefresh(sip::TransactionId id, const sip::Message& update);
  // The 200 of a request other than INVITE whose offer, if it has one, is answered here, at once.
  void AnswerAside(sip::TransactionId id, const sip::Message& request,
                   const sdp::Description* answer);
  // Its ACK came, or never will.
  void Acknowledged() { DropReceived(); }

  // ---- as the calling side ----

  // False when there is no way to the trunk, or to that user, any more: nothing was sent.
  bool Invite(const FirstInvite& first, const sdp::Description& offer);
  // After a 422: the same INVITE, asking for a longer session. False when that would not help.
  bool InviteAgain(const sip::Message& refusal);
  // Any provisional answer of the first INVITE, 100 too.
  void Heard(int status);
  // Whether the trunk has an address that this INVITE has not been sent to.
  bool HasNextAddress() const;
  // The address in use has said nothing for too long.
  void GiveUpAddress();
  // A refusal of our INVITE, or none in time: goes on with the trunk's next address, or says who we
  // are. False: that was the answer.
  bool TryAgain(const sip::Message& response, sip::ResponseOrigin origin);
  void Reinvite(const sdp::Description& offer);
  // A refresh of the session that leaves the media alone; answered by OnUpdated.
  void Update();
  void OnUpdated(const sip::Message& response, const sip::Flow& flow);
  // After a 401 or 407: the same UPDATE again, with who we are. False: that was the answer.
  bool UpdateAgain(const sip::Message& refusal);
  // A provisional answer of the first INVITE. Returns the early dialog's preview when it carried
  // an answer of use.
  // The newest of early dialog `tag`; null: none brought an answer.
  Preview* PreviewOf(std::string_view tag);
  const Preview* OnProvisional(const sip::Message& response, const sip::Flow& flow);
  // A 2xx: sends the ACK and settles the dialog and the media. An error means that the call cannot
  // go on; it has been acknowledged then too, if it could be.
  absl::Status OnAnswered(const sip::Message& response, const sip::Flow& flow);
  // Our INVITE was refused or timed out: offer and session are what they were.
  void OnRefused();
  // Gives up an INVITE that has no final answer.
  void Cancel(std::string_view reason);
  // The call is over, and with it the wait for that answer: a first INVITE is cancelled, and hung
  // up should it be answered all the same; a later one is left to OnLateAnswer.
  void Abandon(std::string_view reason);

  // ---- both ----

  // What was sent under our SRTP keys is not known any more; see OfferAnswer::SpendKey.
  void SpendKeys();
  // Nothing can be sent to it before it has been told another key.
  bool NeedsKey() const;

  // Once; later ones do nothing. Waits for the ACK when our 2xx has none yet (RFC 3261 section 15).
  void Bye(std::string_view reason);
  // The peer said BYE, or does not know the dialog any more.
  void Forget();
  // The ACK came or never will: a BYE that waited can go.
  void SendWaitingBye();
  bool bye_waits() const { return bye_waits_; }

  bool confirmed() const {
    return dialog && dialog->state == sip::DialogState::kConfirmed && !over_;
  }
  // Its 2xx waits for a PRACK.
  bool holds_answer() const { return received != nullptr && received->held_2xx.has_value(); }
  bool busy() const { return received != nullptr || sent != nullptr; }
  // The peer's half of the media as last heard, seen from the peer.
  sdp::Direction wish = sdp::Direction::kSendRecv;
  // What the relay shall do for this leg now: agreed, or previewed by the newest fork.
  const sdp::MediaPlan* plan() const;
  // The peer's tag in the dialog that `plan` was agreed in; empty: no dialog yet.
  std::string_view media_tag() const;

  sdp::OfferAnswer offer_answer;
  sdp::IpEndpoint local;  // as SDP shows it
  std::optional<sip::Dialog> dialog;
  std::unique_ptr<ReceivedInvite> received;
  std::unique_ptr<SentInvite> sent;
  sip::TransactionId sent_update = 0;  // without a final answer
  SessionKeeper session;
  bool peer_takes_update = false;  // its Allow says so

 private:
  sip::Message MakeResponse(int status);
  void Dress(sip::Message* response) const;
  void Send2xx(sip::Message response);
  void SendInvite(sip::Message invite, const sip::Flow& flow);
  void TryNext();
  bool Authenticate(const sip::Message& response);
  void Authorize(sip::Message* request);
  void NotePeer(const sip::Message& message);
  void DropUpdate();
  void DropReceived();
  void DropSent();
  void Own(const std::string& local_tag);
  sip::TransactionId Send(sip::Message request, const sip::Flow& flow);
  absl::Status SettleMedia(const sip::Message& response, std::string_view tag);

  Context* context_;
  Owner owner_;
  size_t trunk_;
  std::string local_tag_;
  LegAlarms alarms_;
  // Who we are, where we called; null elsewhere: who calls us has no business asking.
  std::shared_ptr<const sip::Credentials> credentials_;
  sip::DigestClient digest_;
  bool over_ = false;  // BYE sent or received
  bool bye_waits_ = false;
  std::string bye_reason_;
};

// Acknowledges a 2xx that no call waits for (a second fork, an answer that crossed our CANCEL) and
// hangs that dialog up. With `credentials`, of the trunk that was called, it may ask who we are.
void HangUpStray(Context* context, sip::TransactionId invite, const sip::Message& response,
                 const sip::Flow& flow, std::shared_ptr<const sip::Credentials> credentials);

// Sends a BYE; with `credentials` the trunk may ask who we are, even after the call is forgotten.
void SendBye(Context* context, sip::Message bye, const sip::Flow& flow,
             std::shared_ptr<const sip::Credentials> credentials, const sip::DigestClient& digest);
// Whether the transaction was such a BYE.
bool OnFarewellAnswered(Context* context, sip::TransactionId id, const sip::Message& response);

// Whether the transaction was a re-INVITE whose call has ended; a 2xx is acknowledged.
bool OnLateAnswer(Context* context, sip::TransactionId id, const sip::Message& response);

// The BYE of a dialog. `flow` is where it goes.
sip::Message MakeBye(const Context& context, sip::Dialog* dialog, std::string_view reason);

}  // namespace sipctl::call
