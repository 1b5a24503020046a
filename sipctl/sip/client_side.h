// The client transactions of a layer: records, matching of responses, and the actions of
// client_transaction.h. Private to TransactionLayer.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "sipctl/sip/client_transaction.h"
#include "sipctl/sip/invite_record.h"
#include "sipctl/sip/transaction.h"
#include "sipctl/sip/transaction_context.h"
#include "sipctl/slab.h"

namespace sipctl::sip {

class ClientSide {
 public:
  explicit ClientSide(TransactionContext* context) : context_(*context) {}
  ~ClientSide();

  TransactionId Send(Message request, const Sending& sending);
  void Cancel(TransactionId invite, std::string_view reason);
  void Acknowledge(TransactionId invite, Message ack, const Flow& flow);

  std::optional<InviteRecord> Remember(TransactionId invite);
  TransactionId Adopt(const InviteRecord& record);

  TransactionId IdOf(const Via& via) const;
  void OnResponse(Message response, const Flow& flow);
  void OnFlowBroken(const Flow& flow);

  size_t size() const { return transactions_.size(); }
  size_t memory_bytes();

 private:
  // A 2xx to an INVITE, by its To tag, and the ACK that was sent for it.
  struct Acceptance {
    std::string to_tag;
    std::string ack;  // empty until Acknowledge
    Flow flow;
  };

  // What only few transactions need.
  struct Extra {
    Flow datagram_flow;  // to fall back to when the stream did not work (18.1.1)
    bool may_fall_back = false;
    std::string cancel_reason;
    std::vector<HeaderField> credentials;  // of an INVITE that was answered, for its ACKs
  };

  struct Transaction {
    Flow flow;
    std::string bytes;  // the request; in Completed the ACK of a failed INVITE
    std::vector<Acceptance> acceptances;
    std::unique_ptr<Extra> extra;
    Timers::Id repeat = 0;
    Timers::Id end = 0;  // timeout, later linger
    TimeMs interval = 0;
    TransactionId cancels = 0;  // of a CANCEL: the INVITE
    Method method = Method::kUnknown;
    ClientState state = ClientState::kCalling;
    bool cancel_wanted = false;
    bool cancel_sent = false;
    bool reconnected = false;
    bool in_dialog = false;

    bool invite() const { return method == Method::kInvite; }
  };

  void Step(TransactionId id, ClientEvent event, Message* response, const Flow* flow);
  void Act(TransactionId id, Transaction& transaction, uint8_t actions, const Message* response);
  void Begin(TransactionId id, Transaction& transaction);
  void Transmit(TransactionId id, Transaction& transaction);
  void StartTimerC(TransactionId id, Transaction& transaction);
  void StartRepeat(TransactionId id, Transaction& transaction);
  void FailLater(TransactionId id);
  void KeepCredentials(Transaction& transaction);
  void AcknowledgeFailure(Transaction& transaction, const Message& response);
  void OnSuccess(TransactionId id, Transaction& transaction, Message response, const Flow& flow);
  void OnBroken(TransactionId id);
  void FallBack(TransactionId id, Transaction& transaction);
  bool IsWorthTrying(const Flow& stream);
  void SendCancel(TransactionId id, Transaction& transaction);
  void Report(TransactionId id, const std::string& request, Method method, const Flow& flow,
              ResponseOrigin origin);
  void Erase(TransactionId id, Transaction& transaction);

  Via MakeVia(const Flow& flow, std::string branch) const;
  bool IsOurs(const Via& via, const Flow& sent_by) const;

  TransactionContext& context_;
  Slab<Transaction, 0> transactions_;
  absl::flat_hash_map<TransactionId, TransactionId> cancels_;  // INVITE -> its CANCEL
  // Who did not take a long request by a stream, and until when that is remembered.
  absl::flat_hash_map<std::pair<std::array<uint8_t, 16>, uint16_t>, TimeMs> deaf_;
  // Branches of another process, for the few INVITEs that it left to us.
  absl::flat_hash_map<std::string, TransactionId> adopted_;
};

}  // namespace sipctl::sip
