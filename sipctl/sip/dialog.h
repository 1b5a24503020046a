// Dialogs (RFC 3261 section 12) as plain records: nothing but data, so that they can be compared,
// written to a journal and carried on by another process. No transport and no timers here: the
// record says what the next request looks like and where it goes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sipctl/sip/message.h"
#include "sipctl/sip/transport.h"

namespace sipctl::sip {

enum class DialogRole : uint8_t { kUac, kUas };  // of the request that made the dialog
enum class DialogState : uint8_t { kEarly, kConfirmed, kTerminated };

// What became of a request that arrived inside a dialog.
enum class DialogVerdict : uint8_t {
  kAccept,    // in order; the record has taken its CSeq
  kOldCSeq,   // answer 500 (12.2.2), with Retry-After if an INVITE is pending (14.2)
  kMismatch,  // not of this dialog: 481
};

// What a reliable provisional answer is (RFC 3262 section 4).
enum class ReliableVerdict : uint8_t {
  kNew,         // the next one: send MakePrack
  kRepeated,    // seen already: its PRACK repeats by itself
  kOutOfOrder,  // one before it is missing: ignore, it will come again
  kUnreliable,  // no Require: 100rel or no RSeq
};

struct Dialog {
  std::string call_id;
  NameAddr local;           // our From or To with its tag, as written in the first request
  NameAddr remote;          // the peer's; without tag where it is older than RFC 3261
  uint32_t local_cseq = 0;  // of our last request; 0 = none yet
  std::optional<uint32_t> remote_cseq;  // of the peer's last request
  uint32_t local_rseq = 0;              // of our last reliable provisional answer
  std::optional<uint32_t> remote_rseq;  // of the peer's

  std::vector<NameAddr> route_set;  // in order of use; frozen at creation (trap T-03)
  Uri remote_target;                // the peer's Contact
  NameAddr local_contact;           // ours, of the listener in `flow` (trap T-02)

  Flow flow;            // the road by which the peer was last heard: its connection is preferred
  bool secure = false;  // sips: (12.1.1)
  DialogRole role = DialogRole::kUac;
  DialogState state = DialogState::kEarly;

  bool operator==(const Dialog&) const = default;

  // As UAC, from a 101-199 with a To tag or a 2xx to `request` (12.1.2); any other response makes
  // no dialog. `flow`: by which the response came.
  static absl::StatusOr<Dialog> FromResponse(const Message& request, const Message& response,
                                             const Flow& flow);

  // As UAS, from a request that arrived by `flow` (12.1.1). `local_tag` is the one in our
  // responses, `contact` ours. Early until Confirm().
  static absl::StatusOr<Dialog> FromRequest(const Message& request, std::string_view local_tag,
                                            const NameAddr& contact, const Flow& flow);

  // Whether `message`, a request or response from the peer, belongs here (Call-ID and both tags).
  bool Matches(const Message& message) const;

  // The next request inside the dialog: request URI, Route, From, To, Call-ID, CSeq + 1, Contact
  // (in target refresh requests), Max-Forwards. For ACK and CANCEL see below and
  // TransactionLayer::Cancel. An old strict router first in the route set is honoured (12.2.1.1).
  Message MakeRequest(Method method);

  // The ACK of a 2xx to the INVITE numbered `cseq` (13.2.2.4). Leaves the record as it is.
  Message MakeAck(uint32_t cseq) const;

  // The PRACK of a reliable provisional answer that AcceptReliable called kNew.
  Message MakePrack(const Message& provisional);

  // Where requests of this dialog are to be sent: the first Route, else the remote target (trap
  // T-01: never the Contact while there is a route set).
  const Uri& NextHop() const;

  // A request from the peer inside this dialog; not for ACK and CANCEL, which have their INVITE's
  // CSeq.
  DialogVerdict AcceptRequest(const Message& request, const Flow& came_by);

  // Our 2xx to such a request goes out: its Contact is the peer's now, if it is a target refresh
  // (INVITE, UPDATE; RFC 6141 section 5: a refused one moves nothing). Never the route set.
  void MoveTarget(const Message& request);

  // A response to one of our requests in this dialog: confirms on 2xx to INVITE, refreshes the
  // target on 2xx to INVITE and UPDATE (and on each 1xx with a Contact while early).
  void AcceptResponse(const Message& response, const Flow& came_by);

  ReliableVerdict AcceptReliable(const Message& provisional);

  void Confirm() { state = DialogState::kConfirmed; }

  // A compact form of bounded length for the journal; one line of history per version: 1 = this.
  // RESOURCE_EXHAUSTED when it would be longer than kDialogBytesMax (a hostile route set): such a
  // dialog lives, but does not outlive the process.
  absl::StatusOr<std::string> Serialize() const;
  static absl::StatusOr<Dialog> Parse(std::string_view bytes);
};
inline constexpr size_t kDialogBytesMax = 1536;

// Whether a request or its 2xx may move the peer's Contact (RFC 3261 section 6, RFC 3311).
constexpr bool IsTargetRefresh(Method method) {
  return method == Method::kInvite || method == Method::kUpdate || method == Method::kSubscribe ||
         method == Method::kNotify || method == Method::kRefer;
}

// The dialogs that the answers to one INVITE of ours make: one for each To tag (trap T-11, forking
// proxies). At most kForksMax early ones; of a peer that makes more only an answer counts.
inline constexpr size_t kForksMax = 16;
class Forks {
 public:
  explicit Forks(Message invite);  // as given to Send; the body may be empty

  struct Update {
    Dialog* dialog = nullptr;  // null: the response makes or meets no dialog; stable until Clear
    bool created = false;
  };
  // For each 1xx and 2xx to the INVITE.
  Update OnResponse(const Message& response, const Flow& came_by);

  // What the dialogs come from, without body.
  const Message& invite() const { return invite_; }
  Dialog* Find(std::string_view remote_tag);
  size_t size() const { return dialogs_.size(); }
  // The dialog that the call goes on with; the others are dropped.
  Dialog Take(std::string_view remote_tag);

 private:
  Message invite_;
  std::vector<std::unique_ptr<Dialog>> dialogs_;
};

}  // namespace sipctl::sip
