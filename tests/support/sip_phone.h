// A small phone on the transaction layer and dialogs: places, answers, cancels, holds and ends
// calls by the dice. Two of them and a SipNetwork make the simulation; what each of them believed
// about each call can be compared at the end.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "sipctl/sip/dialog.h"
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
    bool offered = false;  // their INVITE had an offer
    std::string fork;      // the To tag of the telephone that rang, if not ours
    int status = 0;        // the final one of the first INVITE
    int reinvites = 0;
    int glares = 0;

    std::optional<Dialog> dialog;
    std::unique_ptr<Forks> forks;
    Message invite;                  // the first, without body
    TransactionId transaction = 0;   // of the first INVITE
    TransactionId reinvite_out = 0;  // pending
    TransactionId reinvite_in = 0;   // pending
    bool reinvite_delayed = false;   // ours has no offer: its ACK brings the answer
    bool bye_sent = false;
  };

  SipPhone(SipNetwork* network, SipHost* host, uint8_t number, const SipHabits& habits);

  // `number`: user part of the request's URI.
  void Place(uint8_t to, Protocol protocol, const std::string& number = {});
  // Forgets everything and begins anew with other identifiers, as a process does after kill -9.
  void Restart();

  const std::map<std::string, Call>& calls() const { return calls_; }
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
  std::unique_ptr<TransactionLayer> layer_;
  std::map<std::string, Call> calls_;
  std::map<TransactionId, std::string>
      transactions_;  // INVITEs and BYEs of ours, INVITEs of theirs
};

}  // namespace sipctl::sip
