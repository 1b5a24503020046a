// The server transactions of a layer: records, matching of requests, and the actions of
// server_transaction.h. Private to TransactionLayer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "sipctl/sip/invite_record.h"
#include "sipctl/sip/server_transaction.h"
#include "sipctl/sip/transaction.h"
#include "sipctl/sip/transaction_context.h"
#include "sipctl/slab.h"

namespace sipctl::sip {

class ServerSide {
 public:
  explicit ServerSide(TransactionContext* context) : context_(*context) {}
  ~ServerSide();

  void Respond(TransactionId id, Message response);

  std::optional<InviteRecord> Remember(TransactionId invite);
  TransactionId Adopt(const InviteRecord& record);

  bool Knows(const Message& request) const;
  void OnRequest(Message request, const Flow& flow);
  void OnFlowBroken(const Flow& flow);

  size_t size() const { return transactions_.size(); }
  size_t memory_bytes();

 private:
  // 128 bits of keyed hash stand for the text they were made of: nobody without the key can find
  // two texts that meet.
  struct Key {
    uint64_t low = 0;
    uint64_t high = 0;
    bool operator==(const Key&) const = default;
    bool none() const { return low == 0 && high == 0; }
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.low);
    }
  };
  using Index = absl::flat_hash_map<Key, TransactionId>;

  struct Transaction {
    Flow flow;            // where responses go (RFC 3261 section 18.2.2, RFC 3581)
    std::string bytes;    // the last response, while it may have to be sent again
    Key key;              // in by_branch_
    Key call;             // in by_call_, if not none
    uint64_t to_tag = 0;  // hash of that in the 2xx, which its ACK must carry
    Timers::Id repeat = 0;
    Timers::Id end = 0;      // timeout, later linger
    Timers::Id failure = 0;  // a transport error that is to be told
    TimeMs interval = 0;
    Method method = Method::kUnknown;
    ServerState state = ServerState::kTrying;
    bool cancelled = false;
    bool reconnected = false;

    bool invite() const { return method == Method::kInvite; }
  };

  Key HashOf(std::string_view text) const;
  Key BranchKey(const Message& request) const;
  Key CallKey(const Message& request, std::string_view method) const;

  void OnNew(const Key& key, Message request, const Flow& flow);
  void OnAck(const Key& key, Message ack, const Flow& flow);
  void OnCancel(const Key& key, Message cancel, const Flow& flow);
  void RespondStateless(const Message& request, const Flow& flow, int status,
                        std::string_view to_tag);
  // `message`: the response to send, or the ACK.
  void Step(TransactionId id, ServerEvent event, Message* message, const Flow* flow);
  void Act(TransactionId id, Transaction& transaction, uint16_t actions, const Message* message);
  void Transmit(TransactionId id, Transaction& transaction);
  void StartRepeat(TransactionId id, Transaction& transaction);
  void CancelTimers(Transaction& transaction);
  void Erase(TransactionId id, Transaction& transaction);

  TransactionContext& context_;
  Slab<Transaction, 1> transactions_;
  Index by_branch_;  // branch, sent-by, method (17.2.3)
  Index by_call_;    // Call-ID, From tag, CSeq: merged requests (8.2.2.2), ACK of a 2xx
};

}  // namespace sipctl::sip
