// A small phone on the transaction layer and dialogs: places, answers, cancels, holds and ends
// calls by the dice. Two of them and a SipNetwork make the simulation; what each of them believed
// about each call can be compared at the end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "sipctl/sip/dialog.h"
#include "sipctl/sip/digest_server.h"
#include "sipctl/sip/session_timer.h"
#include "sipctl/sip/transaction.h"
#include "tests/support/sip_network.h"

namespace sipctl::sip {

struct SipHabits {
  uint32_t cancel_percent = 25;
  uint32_t busy_percent = 15;
  uint32_t ring_percent = 70;
  uint32_t reinvite_percent = 30;
  TimeMs answer_ms_max = 3000;  // also the time after which a caller may give up: they cross
  TimeMs hold_ms_max = 20000;
  TimeMs ring_ms_max = 60000;    // then the caller cancels
  TimeMs ack_delay_ms_max = 50;  // between a 2xx and its ACK
  // Real session descriptions, for a peer that reads them; else any body will do.
  bool speaks_sdp = false;
  uint32_t delayed_offer_percent = 20;  // of INVITEs, first ones and later ones
  uint32_t early_media_percent = 50;    // of those that ring: a 183 with the answer
  uint32_t fork_percent = 20;           // of those: another telephone answers than rang
  // 18x that must be acknowledged: required as caller, sent as callee whether asked for or not.
  uint32_t reliable_percent = 0;
  // Offers in a dialog, and refreshes, go by UPDATE, and it is allowed.
  uint32_t update_percent = 0;
  // Of calls to it: who calls has to log in, as `user`, in `realm`, with `password`.
  uint32_t challenge_percent = 0;
  std::string user = "tandem", password = "secret", realm = "phone";
  // Calls that ask for a session of 90 s, and of all calls those that last long enough for it.
  uint32_t timer_percent = 0;
  uint32_t long_percent = 0;
  uint32_t unavailable_percent = 0;  // of calls to it: 503
};

class SipPhone : public TransactionUser {
 public:
  struct Call {
    bool caller = false;
    bool answered = false;   // a 2xx was sent or received
    bool confirmed = false;  // its ACK was sent or received
    bool cancelled = false;
    bool ended = false;
    bool no_ack = false;
    bool expired = false;  // the session was not refreshed
    bool talked = false;   // confirmed, and not ended at once
    TimeMs ended_at = 0;
    std::string number;    // that was called
    bool offered = false;  // their INVITE had an offer
    std::string fork;      // the To tag of the telephone that rang, if not ours
    int status = 0;        // the final one of the first INVITE
    int reinvites = 0;
    int glares = 0;
    int pracks = 0;     // of ours that were answered 2xx
    int updates = 0;    // the same
    int refreshes = 0;  // by us

    std::optional<Dialog> dialog;
    std::unique_ptr<Forks> forks;
    Message invite;                  // the first, without body
    TransactionId transaction = 0;   // of the first INVITE
    TransactionId reinvite_out = 0;  // pending
    TransactionId reinvite_in = 0;   // pending
    bool reinvite_delayed = false;   // ours has no offer: its ACK brings the answer
    bool bye_sent = false;

    bool asks = false;             // each request is challenged
    bool reliable = false;         // our 18x
    bool by_update = false;        // offers and refreshes of ours
    uint32_t rings_unheard = 0;    // RSeq of the 18x that waits for its PRACK; 0 = none
    bool answer_in_ring = false;   // it was there: the 2xx needs none
    bool answered_early = false;   // a reliable 18x brought theirs
    TransactionId update_out = 0;  // pending
    bool update_offers = false;    // it has an offer
    SessionPolicy session{.interval_s = 0, .min_s = kMinSeDefaultS};
    SessionTerms asked;  // of their INVITE
    std::optional<SessionTimer> timer;
    int timer_round = 0;
  };

  SipPhone(SipNetwork* network, SipHost* host, uint8_t number, const SipHabits& habits);

  // `number`: user part of the request's URI.
  void Place(uint8_t to, Protocol protocol, const std::string& number = {});
  // Forgets everything and begins anew with other identifiers, as a process does after kill -9.
  void Restart();

  const std::map<std::string, Call>& calls() const { return calls_; }
  int challenges() const { return challenges_; }  // sent
  int logins() const { return logins_; }          // answers that were right
  int wrong_logins() const { return wrong_logins_; }
  TransactionLayer& layer() { return *layer_; }

  void OnRequest(TransactionId id, Message request, const Flow& flow) override;
  void OnAck(TransactionId invite, Message ack, const Flow& flow) override;
  void OnCancel(TransactionId invite, Message cancel) override;
  void OnResponse(TransactionId id, Message response, const Flow& flow,
                  ResponseOrigin origin) override;
  void OnServerFailure(TransactionId id, ServerFailure failure) override;

 private:
  Call* Find(const std::string& call_id);
  Call* FindByTransaction(TransactionId id, std::string* call_id);
  TimeMs Until(TimeMs most) { return static_cast<TimeMs>(network_->dice()->Below(most + 1)); }
  void After(TimeMs delay, const std::string& call_id, void (SipPhone::*act)(Call&));

  void OnInvite(TransactionId id, Message request, const Flow& flow);
  void OnReinvite(Call& call, TransactionId id, const Message& request);
  void OnInviteResponse(Call& call, TransactionId id, const Message& response, const Flow& flow);
  void OnReinviteResponse(Call& call, TransactionId id, const Message& response);
  void Acknowledge(const std::string& call_id, TransactionId id, uint32_t cseq,
                   std::string remote_tag, Flow flow);

  std::string Sdp(const std::string& direction);
  void AddSdp(Message* message, const std::string& direction);
  void Ring(Call& call);
  void Answer(Call& call);
  void GiveUp(Call& call);
  void HangUp(Call& call);
  void Reinvite(Call& call);
  void PlanTalk(Call& call, const std::string& call_id);
  void End(Call& call);

  // sip_phone_session.cc
  static std::string Mirrored(const std::string& offer);
  bool LetsIn(TransactionId id, const Message& request, const Flow& flow);
  void OnProvisional(Call& call, const Message& response, Dialog* dialog);
  void OnPrack(Call& call, TransactionId id, const Message& request);
  void OnUpdate(Call& call, TransactionId id, const Message& request);
  void OnAside(Call& call, TransactionId id, const Message& response);
  void RingReliably(Call& call, Message response);
  void RepeatRing(const std::string& call_id, const Message& response, TimeMs interval);
  void Update(Call& call);
  void SendUpdate(Call& call, Dialog* dialog, bool offers);
  void Dress(Call& call, Message* message) const;
  void AskForSession(Call& call, Message* request);
  void AgreeOnSession(Call& call, const SessionTerms& asked, Message* response);
  void StartTimer(Call& call, const std::optional<SessionTimer>& timer);
  void Refresh(Call& call);
  void Expire(Call& call);
  Flow FlowOf(const Dialog& dialog) const;
  NameAddr Contact(Protocol protocol) const;
  void Bye(Dialog* dialog);

  SipNetwork* network_;
  SipHost* host_;
  uint8_t number_;
  SipHabits habits_;
  int life_ = 0;
  int next_call_ = 0;
  int next_sdp_ = 0;
  DigestServer digest_;
  std::map<std::string, bool> asks_;  // by Call-ID, from the first INVITE on
  int challenges_ = 0, logins_ = 0, wrong_logins_ = 0;
  std::unique_ptr<TransactionLayer> layer_;
  std::map<std::string, Call> calls_;
  std::map<TransactionId, std::string>
      transactions_;  // INVITEs and BYEs of ours, INVITEs of theirs
};

}  // namespace sipctl::sip
