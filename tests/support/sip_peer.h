// A SIP party that does what a script says: one call at a time, every message kept for the test to
// look at. It acknowledges 2xx and answers BYE by itself unless told otherwise.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sipctl/sip/dialog.h"
#include "sipctl/sip/transaction.h"
#include "tests/support/sip_network.h"

namespace support {

class SipPeer : public sipctl::sip::TransactionUser {
 public:
  using Message = sipctl::sip::Message;
  using Method = sipctl::sip::Method;
  using TransactionId = sipctl::sip::TransactionId;

  struct Request {
    TransactionId id;
    Message message;
    sipctl::sip::Flow flow;
  };

  SipPeer(sipctl::sip::SipNetwork* network, sipctl::sip::SipHost* host, uint8_t number,
          sipctl::sip::Protocol protocol = sipctl::sip::Protocol::kUdp);

  // ---- as caller ----
  // Sends an INVITE to host `to`; `edit` may change it.
  void Invite(uint8_t to, const std::string& number, const std::string& sdp,
              const std::function<void(Message*)>& edit = {});
  void Cancel(const std::string& reason = {});
  // Any other request outside a dialog.
  void Ask(uint8_t to, Method method, const std::function<void(Message*)>& edit = {});

  // ---- as callee ----
  // To the INVITE at hand, the newest one. `tag`: of a fork; empty = our own.
  void Respond(int status, const std::string& sdp = {}, const std::string& tag = {},
               const std::function<void(Message*)>& edit = {});

  // ---- in the dialog ----
  void Reinvite(const std::string& sdp);
  void Bye(const std::string& reason = {});
  void Send(Method method, const std::function<void(Message*)>& edit = {});
  // For a 2xx that was not acknowledged by itself.
  void Acknowledge(const std::string& sdp = {});

  // ---- what was heard ----
  int status() const { return responses.empty() ? 0 : responses.back().status; }
  const Message& last() const { return responses.back(); }
  // The newest request of this method; null: none.
  const Message* Got(Method method) const;
  size_t Count(Method method) const;
  size_t CountStatus(int status) const;
  const Message* WithStatus(int status) const;
  void Clear();

  std::vector<Request> requests;
  std::vector<Message> responses;
  std::vector<Message> acks;
  std::vector<Message> cancels;
  std::optional<sipctl::sip::Dialog> dialog;

  bool acknowledge = true;              // each 2xx at once
  std::string ack_body;                 // the answer to a delayed offer
  bool answer_bye = true;               // 200
  bool busy_with_reinvites = false;     // true: the test answers them itself
  std::string reinvite_answer;          // else the SDP of the 200; empty = 488
  int reinvite_status = 0;              // else this, while not 0
  int update_status = 200;              // to UPDATE
  bool early_dialogs = false;           // `dialog` is made by a 18x already
  std::function<void(Message*)> dress;  // changes what is answered by itself
  sipctl::sip::TransactionLayer& layer() { return *layer_; }

  void OnRequest(TransactionId id, Message request, const sipctl::sip::Flow& flow) override;
  void OnAck(TransactionId invite, Message ack, const sipctl::sip::Flow& flow) override;
  void OnCancel(TransactionId invite, Message cancel) override;
  void OnResponse(TransactionId id, Message response, const sipctl::sip::Flow& flow,
                  sipctl::sip::ResponseOrigin origin) override;
  void OnServerFailure(TransactionId id, sipctl::sip::ServerFailure failure) override;

 private:
  sipctl::sip::NameAddr Contact() const;
  uint16_t listener() const;

  uint8_t number_;
  sipctl::sip::Protocol protocol_;
  std::unique_ptr<sipctl::sip::TransactionLayer> layer_;
  Message invite_;  // ours, the newest
  TransactionId sent_invite_ = 0;
  TransactionId received_invite_ = 0;
  Message received_;  // theirs, the newest
  Message answered_;  // 2xx that waits for Acknowledge
  sipctl::sip::Flow answered_flow_;
  int next_call_ = 1;
};

// A session description of a simple phone.
struct SdpText {
  std::string host = "192.0.2.2";
  int port = 4000;
  std::string direction = "sendrecv";
  int version = 1;
  std::string formats = "8 0 101";
  std::string ToString() const;
};

}  // namespace support
