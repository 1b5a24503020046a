// One side of a call: one dialog (before the answer: the early ones of all forks), one offer/answer
// machine and one local port pair. A leg knows how to speak; what to say is the call's decision.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sipctl/call/context.h"
#include "sipctl/call/outgoing.h"
#include "sipctl/sdp/offer_answer.h"
#include "sipctl/sip/dialog.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/transaction.h"

namespace sipctl::call {

// An INVITE of the peer that is not over: no final answer yet, or a 2xx without its ACK.
struct ReceivedInvite {
  sip::TransactionId id = 0;
  sip::Message request;       // what a response needs of it
  bool answered = false;      // 2xx sent
  bool offer_in_2xx = false;  // the ACK must bring the answer
};

// An answer that one early dialog gave to our offer.
struct Preview {
  std::string tag;  // of the peer
  sdp::OfferAnswer offer_answer;
  sdp::Description answer;
};

// An INVITE of ours without a final answer.
struct SentInvite {
  sip::TransactionId id = 0;
  uint32_t cseq = 0;
  // The first INVITE of the dialog only:
  std::unique_ptr<sip::Forks> forks;
  std::vector<Preview> previews;  // the newest at the end
};

class Leg {
 public:
  Leg(Context* context, Owner owner, size_t trunk);
  ~Leg();
  Leg(const Leg&) = delete;
  Leg& operator=(const Leg&) = delete;

  uint8_t number() const { return owner_.leg; }
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
  // Its ACK came, or never will.
  void Acknowledged() { DropReceived(); }

  // ---- as the calling side ----

  void Invite(const FirstInvite& first, const sdp::Description& offer);
  void Reinvite(const sdp::Description& offer);
  // A provisional answer of the first INVITE. Returns the early dialog's preview when it carried
  // an answer of use.
  const Preview* OnProvisional(const sip::Message& response, const sip::Flow& flow);
  // A 2xx: sends the ACK and settles the dialog and the media. An error means that the call cannot
  // go on; it has been acknowledged then too, if it could be.
  absl::Status OnAnswered(const sip::Message& response, const sip::Flow& flow);
  // Our INVITE was refused or timed out: offer and session are what they were.
  void OnRefused();
  // Gives up an INVITE that has no final answer.
  void Cancel(std::string_view reason);

  // ---- both ----

  // Once; later ones do nothing. Waits for the ACK when our 2xx has none yet (RFC 3261 section 15).
  void Bye(std::string_view reason);
  // The peer said BYE, or does not know the dialog any more.
  void Forget() { over_ = true; }
  // The ACK came or never will: a BYE that waited can go.
  void SendWaitingBye();
  bool bye_waits() const { return bye_waits_; }

  bool confirmed() const {
    return dialog && dialog->state == sip::DialogState::kConfirmed && !over_;
  }
  bool busy() const { return received != nullptr || sent != nullptr; }
  // The peer's half of the media as last heard, seen from the peer.
  sdp::Direction wish = sdp::Direction::kSendRecv;
  // What the relay shall do for this leg now: agreed, or previewed by the newest fork.
  const sdp::MediaPlan* plan() const;

  sdp::OfferAnswer offer_answer;
  sdp::IpEndpoint local;  // as SDP shows it
  std::optional<sip::Dialog> dialog;
  std::unique_ptr<ReceivedInvite> received;
  std::unique_ptr<SentInvite> sent;

 private:
  sip::Message MakeResponse(int status);
  void DropReceived();
  void DropSent();
  void Own(const std::string& local_tag);
  sip::TransactionId Send(sip::Message request, const sip::Flow& flow);
  absl::Status SettleMedia(const sip::Message& response, std::string_view tag);

  Context* context_;
  Owner owner_;
  size_t trunk_;
  std::string local_tag_;
  bool over_ = false;  // BYE sent or received
  bool bye_waits_ = false;
  std::string bye_reason_;
};

// Acknowledges a 2xx that no call waits for (a second fork, an answer that crossed our CANCEL) and
// hangs that dialog up.
void HangUpStray(Context* context, sip::TransactionId invite, const sip::Message& response,
                 const sip::Flow& flow);

// The BYE of a dialog. `flow` is where it goes.
sip::Message MakeBye(const Context& context, sip::Dialog* dialog, std::string_view reason);

}  // namespace sipctl::call
