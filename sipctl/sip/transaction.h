// Transactions (RFC 3261 section 17, RFC 6026): what repeats, absorbs and times out between the
// transport below and the transaction user (TU: calls, health probes) above.
//
//   TU      Send  Cancel  Acknowledge            Respond
//            |      ^ OnResponse                    |  ^ OnRequest OnAck OnCancel OnServerFailure
//   layer  client transactions                   server transactions
//            |      ^                               |  ^
//   transport   Send / OnMessage / OnFlowBroken
//
// What the layer does by itself, so that no TU has to:
// - 100 Trying to a new INVITE, before the TU sees it (trap T-37);
// - ACK to a non-2xx final answer; the first ACK again for each repeated 2xx;
// - a provisional answer above 100 repeated each minute (13.3.1.1), where it is not a reliable one;
// - 2xx to INVITE repeated at T1..T2 until its ACK comes, on TCP too (13.3.1.4);
// - the answer to CANCEL (200, 481), a CANCEL held back until a provisional answer came (9.1);
// - 482 to a merged request (8.2.2.2), answers to repeated requests;
// - 408 and 503 made up when nothing came or nothing could be sent;
// - one new attempt to the same target when a connection broke under a request.
//
// The state machines are pure functions (client_transaction.h, server_transaction.h); this file
// keeps the records, matches messages to them and carries the actions out. One thread, no clock:
// time is Timers'. What lingers after a call keeps only the bytes it may have to send again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sipctl/clock.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/token.h"
#include "sipctl/sip/transaction_counters.h"
#include "sipctl/sip/transport.h"
#include "sipctl/timers.h"

namespace sipctl::sip {

// Names a transaction; 0 names none. Never used again in the life of the layer, so an id that is
// kept too long finds nothing instead of somebody else.
using TransactionId = uint64_t;

// Where a response that the TU sees was made.
enum class ResponseOrigin : uint8_t {
  kNetwork,    // by the peer
  kTimeout,    // here: Timer B or F, or no end after CANCEL (status 408)
  kTransport,  // here: nothing could be sent, or the connection broke twice (status 503)
};

enum class ServerFailure : uint8_t {
  kNoAck,      // a 2xx was repeated for 64*T1 without an ACK: end the call with BYE (13.3.1.4)
  kTransport,  // a response could not be sent, and no other way to the peer was found
};

// Callbacks come from OnMessage, OnFlowBroken and timers, never from inside a call of the TU into
// the layer. A callback may call the layer at will.
class TransactionUser {
 public:
  virtual ~TransactionUser() = default;

  // A new request, any method but ACK and CANCEL; answer it with Respond(id). An INVITE has had
  // its 100.
  virtual void OnRequest(TransactionId id, Message request, const Flow& flow) = 0;

  // The ACK of a 2xx that Respond(invite) sent; once, however often it arrives. Its body may be
  // the answer of a delayed offer.
  virtual void OnAck(TransactionId invite, Message ack, const Flow& flow) = 0;

  // The peer gave up an INVITE that has no final answer yet. The CANCEL has been answered; the TU
  // must now Respond(invite) with 487 (or a 2xx already under way). `cancel` may carry a Reason.
  // At most once per INVITE.
  virtual void OnCancel(TransactionId invite, Message cancel) = 0;

  // Each provisional answer, and the final one. To an INVITE several 2xx may come, one for each
  // To tag (forks, RFC 3261 section 13.2.2.4): each must be given to Acknowledge. 100 is passed
  // too.
  virtual void OnResponse(TransactionId id, Message response, const Flow& flow,
                          ResponseOrigin origin) = 0;

  virtual void OnServerFailure(TransactionId id, ServerFailure failure) = 0;

  // A response to a request of ours came with another sent-by than we wrote: something on the way
  // rewrites SIP, and not well (trap T-09). It is dropped (RFC 3261 section 18.1.2). To be told.
  virtual void OnRewritten(const Via& /*theirs*/, const Flow& /*flow*/) {}
};

inline constexpr TimeMs kTimerCMs = 660 * kSecondMs;
inline constexpr TimeMs kTimerCInDialogMs = 240 * kSecondMs;

struct TransactionOptions {
  // Part of each branch: the shard's id, so that a front can see whose response this is.
  // [0-9a-z], at most 8 characters.
  std::string branch_prefix = "t0";
  TokenKey key;  // of branches and To tags; random in production

  TimeMs t1 = 500;   // estimate of a round trip (RFC 3261 table 4)
  TimeMs t2 = 4000;  // longest interval between two sendings
  TimeMs t4 = 5000;  // how long a message may live in the network

  // Silence after a provisional answer to INVITE, after which the layer cancels it (a proxy's Timer
  // C, section 16.8): longer than any TU's own limit for ringing, it only catches a peer that died.
  TimeMs timer_c = kTimerCMs;
  TimeMs timer_c_in_dialog = kTimerCInDialogMs;  // where nobody's telephone rings

  // Above it new requests are answered with a stateless 503 and Send refuses with 503.
  size_t transactions_max = 1u << 20;
};

// How a request leaves.
struct Sending {
  Flow flow;
  // Taken instead of a UDP `flow` when the request is over kUdpRequestBytesMax (18.1.1): usually
  // the same address by a TCP listener. If it fails before anything was heard, `flow` is used
  // after all.
  std::optional<Flow> stream = std::nullopt;
};
inline constexpr size_t kUdpRequestBytesMax = 1300;
inline constexpr size_t kInviteRecordBytesMax = 1152;

class TransactionLayer : public TransportUser {
 public:
  // None of the pointers is owned; all must outlive the layer. `user` may be null until
  // set_user, before the first message.
  TransactionLayer(Timers* timers, Transport* transport, TransactionUser* user,
                   TransactionOptions options);
  ~TransactionLayer() override;
  TransactionLayer(const TransactionLayer&) = delete;
  TransactionLayer& operator=(const TransactionLayer&) = delete;

  void set_user(TransactionUser* user);

  // As client -------------------------------------------------------------------------------

  // Sends `request` (any method but ACK and CANCEL) in a new transaction. The layer puts its Via
  // on top (sent-by of the flow's listener, branch, rport) and Max-Forwards 70 if there is none;
  // everything else is the TU's. What goes wrong is told later by OnResponse.
  TransactionId Send(Message request, const Sending& sending);
  TransactionId Send(Message request, const Flow& flow) {
    return Send(std::move(request), Sending{.flow = flow});
  }

  // Gives up an INVITE: its CANCEL leaves as soon as a provisional answer has come. The INVITE
  // still ends by OnResponse: 487, a 2xx that crossed (Acknowledge it and send BYE), or a 408 of
  // our own after 64*T1. `reason`: the value of a Reason header (RFC 3326), if not empty. Does
  // nothing after a final answer.
  void Cancel(TransactionId invite, std::string_view reason = {});

  // Sends the ACK of a 2xx (from Dialog::MakeAck; Via and the INVITE's credentials are added here)
  // and keeps its bytes for repetitions of that 2xx, which the TU does not see. When `invite` is no
  // more, it is sent once.
  void Acknowledge(TransactionId invite, Message ack, const Flow& flow);

  // Which request of ours had this Via on top; 0: none. It may be over.
  TransactionId SentWith(const Via& via) const;

  // As server -------------------------------------------------------------------------------

  // Sends `response` (from MakeResponse) the way that the request's Via says. After a final
  // response only a 2xx to an INVITE may follow a 2xx (same call, other dialog); others are
  // dropped. A To without a tag gets ToTag(id), except in a 100.
  void Respond(TransactionId id, Message response);

  // The local tag that belongs to this transaction: always the same for an id. For requests that
  // make a dialog, take it as the dialog's local tag: then 200 to CANCEL and 487 agree (9.2).
  std::string ToTag(TransactionId id) const;

  // Whether this request belongs to a transaction: it repeats one that came before, or cancels or
  // acknowledges it.
  bool Knows(const Message& request) const;

  // For another process ---------------------------------------------------------------------

  // What AdoptInvite needs to end an INVITE of either side that has no final answer yet, or
  // nothing: it has one, or is too long (kInviteRecordBytesMax).
  std::optional<std::string> RememberInvite(TransactionId invite) const;
  // Goes on with an INVITE that a layer of another process, which is no more, remembered. One that
  // was received can be answered, one that was sent can be cancelled; its peer meets them as the
  // same transactions as before. `peer` is the flow's (Flow::peer), which has no meaning over a
  // restart. Nothing when the record is damaged: any bytes are safe to give.
  struct Adopted {
    TransactionId id = 0;
    bool sent = false;  // by us: Cancel it; else Respond to it
    Message invite;     // what MakeResponse needs of it
  };
  std::optional<Adopted> AdoptInvite(std::string_view record, uint16_t peer = 0);

  // From below ------------------------------------------------------------------------------

  void OnMessage(Message message, const Flow& flow) override;
  void OnFlowBroken(const Flow& flow, const absl::Status& why) override;

  // For people and tests --------------------------------------------------------------------

  const TransactionCounters& counters() const;
  size_t size() const;  // transactions alive, lingering ones included
  // What they hold, in bytes: records, kept messages, index entries; without the timers.
  size_t memory_bytes() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace sipctl::sip
