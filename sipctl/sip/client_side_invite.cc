// What only an INVITE has: ACKs, CANCEL, and a life after its process.
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "sipctl/sip/client_side.h"
#include "sipctl/sip/derived_request.h"

namespace sipctl::sip {

// RFC 3261 section 17.1.1.3: the request's own URI, top Via, Route, From, Call-ID and CSeq number,
// the response's To.
void ClientSide::AcknowledgeFailure(Transaction& transaction, const Message& response) {
  if (!transaction.bytes.starts_with("ACK ")) {
    ParseFailure failure;
    std::optional<Message> request = Parse(transaction.bytes, &failure);
    if (!request) return;  // it is ours: this cannot be
    transaction.bytes = Encode(MakeFailureAck(*request, response));
    transaction.bytes.shrink_to_fit();
  }
  if (!context_.transport->Send(transaction.flow, transaction.bytes).ok()) {
    // Nothing is lost: a peer that wants its ACK sends its answer again.
    ++context_.counters.transport_failures;
  }
}

void ClientSide::Cancel(TransactionId invite, std::string_view reason) {
  Transaction* transaction = transactions_.Find(invite);
  if (transaction == nullptr || !transaction->invite() || transaction->cancel_wanted) return;
  if (transaction->state != ClientState::kCalling &&
      transaction->state != ClientState::kProceeding) {
    return;
  }
  transaction->cancel_wanted = true;
  if (!reason.empty()) {
    if (!transaction->extra) transaction->extra = std::make_unique<Extra>();
    transaction->extra->cancel_reason = reason;
  }
  if (transaction->state == ClientState::kProceeding) SendCancel(invite, *transaction);
}

// RFC 3261 section 9.1. A transaction of its own, whose answers interest nobody.
void ClientSide::SendCancel(TransactionId invite, Transaction& transaction) {
  transaction.cancel_sent = true;
  context_.timers->Cancel(&transaction.end);
  transaction.end = context_.timers->After(context_.timer_values().timeout(), [this, invite] {
    Step(invite, ClientEvent::kTimeout, nullptr, nullptr);
  });
  ParseFailure failure;
  std::optional<Message> request = Parse(transaction.bytes, &failure);
  if (!request) return;
  auto [id, record] = transactions_.Insert();
  record->method = Method::kCancel;
  record->flow = transaction.flow;
  record->cancels = invite;
  record->bytes = Encode(MakeCancel(
      *request, transaction.extra ? std::string_view(transaction.extra->cancel_reason) : ""));
  record->bytes.shrink_to_fit();
  cancels_[invite] = id;
  ++context_.counters.requests_out;
  Begin(id, *record);
}

// RFC 3261 section 13.2.2.4: the ACK of a 2xx carries the same credentials as the INVITE, whose
// bytes are given up with the first 2xx.
void ClientSide::KeepCredentials(Transaction& transaction) {
  if (transaction.bytes.find("Authorization: ") == std::string::npos) return;
  ParseFailure failure;
  std::optional<Message> request = Parse(transaction.bytes, &failure);
  if (!request) return;  // it is ours: this cannot be
  if (!transaction.extra) transaction.extra = std::make_unique<Extra>();
  for (HeaderField& field : request->others) {
    if (!absl::EqualsIgnoreCase(field.name, "Authorization") &&
        !absl::EqualsIgnoreCase(field.name, "Proxy-Authorization")) {
      continue;
    }
    transaction.extra->credentials.push_back(std::move(field));
  }
}

void ClientSide::Acknowledge(TransactionId invite, Message ack, const Flow& flow) {
  Transaction* transaction = transactions_.Find(invite);
  if (transaction != nullptr && transaction->extra) {
    const auto& credentials = transaction->extra->credentials;
    ack.others.insert(ack.others.end(), credentials.begin(), credentials.end());
  }
  // A transaction of its own as far as the branch goes (13.2.2.4), but nothing answers it.
  ack.via.insert(ack.via.begin(), MakeVia(flow, context_.branches.Fresh()));
  if (!ack.max_forwards) ack.max_forwards = 70;
  std::string bytes = Encode(ack);
  bytes.shrink_to_fit();
  const auto used = context_.transport->Send(flow, bytes);
  if (!used.ok()) ++context_.counters.transport_failures;

  if (transaction == nullptr) return;
  for (Acceptance& acceptance : transaction->acceptances) {
    if (acceptance.to_tag != ack.to.tag()) continue;
    acceptance.ack = std::move(bytes);
    acceptance.flow = used.ok() ? *used : flow;
    return;
  }
}

std::optional<InviteRecord> ClientSide::Remember(TransactionId invite) {
  const Transaction* transaction = transactions_.Find(invite);
  if (transaction == nullptr || !transaction->invite()) return std::nullopt;
  if (transaction->state != ClientState::kCalling &&
      transaction->state != ClientState::kProceeding) {
    return std::nullopt;
  }
  ParseFailure failure;
  std::optional<Message> request = Parse(transaction->bytes, &failure);
  if (!request) return std::nullopt;  // it is ours: this cannot be
  return InviteRecord{.sent = true, .flow = transaction->flow, .invite = *std::move(request)};
}

// Taken for one that was answered provisionally, so that its CANCEL goes out at once: when the peer
// has never heard of the INVITE after all, it says 481 and no harm is done.
TransactionId ClientSide::Adopt(const InviteRecord& record) {
  auto [id, transaction] = transactions_.Insert();
  transaction->method = Method::kInvite;
  transaction->state = ClientState::kProceeding;
  transaction->flow = record.flow;
  transaction->flow.connection = 0;  // it ended with the other process
  transaction->bytes = Encode(record.invite);
  adopted_[std::string(record.invite.via.front().branch())] = id;
  StartTimerC(id, *transaction);
  return id;
}

}  // namespace sipctl::sip
