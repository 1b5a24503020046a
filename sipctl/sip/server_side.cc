#include "sipctl/sip/server_side.h"

#include <utility>
#include <vector>

#include "sipctl/sip/stateless.h"
#include "sipctl/text.h"

namespace sipctl::sip {
namespace {

using Do = ServerAction;

ServerEvent EventOf(const Message& response) {
  if (response.status >= 300) return ServerEvent::kFailure;
  if (response.status >= 200) return ServerEvent::kSuccess;
  // One that is sent reliably is repeated as it should be by who made it (RFC 3262).
  const bool passing = response.status == 100 || response.rseq;
  return passing ? ServerEvent::kPassing : ServerEvent::kProvisional;
}

}  // namespace

ServerSide::~ServerSide() {
  transactions_.ForEach(
      [this](TransactionId, Transaction& transaction) { CancelTimers(transaction); });
}

ServerSide::Key ServerSide::HashOf(std::string_view text) const {
  const TokenKey& key = context_.options.key;
  return {SipHash({key.low, ~key.high}, text), SipHash({~key.low, key.high}, text)};
}

ServerSide::Key ServerSide::BranchKey(const Message& request) const {
  return HashOf(BranchText(request));
}

ServerSide::Key ServerSide::CallKey(const Message& request, std::string_view method) const {
  return HashOf(Concat("c", request.call_id, "\n", request.from.tag(), "\n", request.cseq.number,
                       "\n", method));
}

bool ServerSide::Knows(const Message& request) const {
  return by_branch_.contains(BranchKey(request));
}

void ServerSide::OnRequest(Message request, const Flow& flow) {
  if (request.via.empty()) return;
  const Key key = BranchKey(request);
  if (request.method == Method::kAck) return OnAck(key, std::move(request), flow);
  if (request.method == Method::kCancel) return OnCancel(key, std::move(request), flow);
  const auto known = by_branch_.find(key);
  if (known == by_branch_.end()) return OnNew(key, std::move(request), flow);
  ++context_.counters.retransmissions_in;
  const TransactionId id = known->second;
  // Heard again by another connection: the old one is of no use to the peer any more.
  Transaction* transaction = transactions_.Find(id);
  if (IsReliable(flow.protocol)) transaction->flow = ResponseFlow(request, flow);
  Step(id, ServerEvent::kRequest, nullptr, nullptr);
}

void ServerSide::OnNew(const Key& key, Message request, const Flow& flow) {
  if (transactions_.size() >= context_.options.transactions_max) {
    ++context_.counters.refused;
    return RespondStateless(request, flow, 503, {});
  }
  const bool in_dialog = !request.to.tag().empty();
  const bool invite = request.method == Method::kInvite;
  Key call;
  if (!in_dialog || invite) {
    call = CallKey(request, MethodNameOf(request));
    if (!in_dialog && by_call_.contains(call)) {
      ++context_.counters.merged;
      return RespondStateless(request, flow, 482, {});
    }
  }
  ++context_.counters.requests_in;
  auto [id, transaction] = transactions_.Insert();
  transaction->flow = ResponseFlow(request, flow);
  transaction->method = request.method;
  transaction->key = key;
  transaction->call = call;
  by_branch_[key] = id;
  if (!call.none()) by_call_[call] = id;
  if (invite) {
    transaction->state = ServerState::kProceeding;
    Respond(id, MakeResponse(request, 100));
  }
  context_.user->OnRequest(id, std::move(request), flow);
}

// The last response repeats all that the INVITE is known by, but its URI, which nothing needs.
std::optional<InviteRecord> ServerSide::Remember(TransactionId invite) {
  const Transaction* transaction = transactions_.Find(invite);
  if (transaction == nullptr || !transaction->invite()) return std::nullopt;
  if (transaction->state != ServerState::kProceeding) return std::nullopt;
  ParseFailure failure;
  std::optional<Message> response = Parse(transaction->bytes, &failure);
  if (!response) return std::nullopt;  // it is ours: this cannot be
  InviteRecord record{.sent = false, .flow = transaction->flow, .invite = *std::move(response)};
  record.invite.request_uri = record.invite.to.uri;
  return record;
}

TransactionId ServerSide::Adopt(const InviteRecord& record) {
  const Key key = BranchKey(record.invite);
  if (by_branch_.contains(key)) return 0;
  auto [id, transaction] = transactions_.Insert();
  transaction->flow = record.flow;
  transaction->flow.connection = 0;  // it ended with the other process
  transaction->method = Method::kInvite;
  transaction->state = ServerState::kProceeding;
  transaction->key = key;
  transaction->call = CallKey(record.invite, MethodName(Method::kInvite));
  by_branch_[key] = id;
  by_call_[transaction->call] = id;
  return id;
}

void ServerSide::OnAck(const Key& key, Message ack, const Flow& flow) {
  // The ACK of a failure has its INVITE's branch, that of a 2xx one of its own.
  auto found = by_branch_.find(key);
  if (found == by_branch_.end()) {
    found = by_call_.find(CallKey(ack, MethodName(Method::kInvite)));
    if (found == by_call_.end()) {
      ++context_.counters.stray_acks;
      return;
    }
  }
  const TransactionId id = found->second;
  const Transaction* transaction = transactions_.Find(id);
  const bool success = transaction->state == ServerState::kAccepted ||
                       transaction->state == ServerState::kAcknowledged;
  const bool by_call = !(transaction->key == key);
  if ((by_call && !success) || (success && HashOf(ack.to.tag()).low != transaction->to_tag)) {
    ++context_.counters.stray_acks;
    return;
  }
  Step(id, ServerEvent::kAck, &ack, &flow);
}

// RFC 3261 section 9.2. Answered without a transaction: as long as the INVITE's lives, a repeated
// CANCEL gets the same answer from it.
void ServerSide::OnCancel(const Key& key, Message cancel, const Flow& flow) {
  const auto found = by_branch_.find(key);
  if (found == by_branch_.end()) {
    ++context_.counters.stray_cancels;
    return RespondStateless(cancel, flow, 481, {});
  }
  const TransactionId id = found->second;
  Transaction* transaction = transactions_.Find(id);
  RespondStateless(cancel, flow, 200, context_.branches.Tag(id));
  if (transaction->cancelled || transaction->state != ServerState::kProceeding) return;
  transaction->cancelled = true;
  context_.user->OnCancel(id, std::move(cancel));
}

void ServerSide::RespondStateless(const Message& request, const Flow& flow, int status,
                                  std::string_view to_tag) {
  Message response = MakeResponse(request, status, to_tag);
  if (status == 503) response.retry_after = 5;
  if (!sip::RespondStateless(context_.transport, context_.options.key, request, flow,
                             std::move(response))
           .ok()) {
    ++context_.counters.transport_failures;
  }
}

void ServerSide::Respond(TransactionId id, Message response) {
  const Transaction* transaction = transactions_.Find(id);
  if (transaction == nullptr || response.status < 100 || response.status > 699) return;
  if (response.status != 100 && response.to.tag().empty()) {
    response.to.set_tag(context_.branches.Tag(id));
  }
  Step(id, EventOf(response), &response, nullptr);
}

void ServerSide::Step(TransactionId id, ServerEvent event, Message* message, const Flow* flow) {
  Transaction* transaction = transactions_.Find(id);
  if (transaction == nullptr) return;
  const ServerStep step = transaction->invite() ? StepInviteServer(transaction->state, event)
                                                : StepNonInviteServer(transaction->state, event);
  if (transaction->state != step.next) transaction->interval = 0;
  transaction->state = step.next;
  Act(id, *transaction, step.actions, message);

  bool over = step.next == ServerState::kTerminated;
  if ((step.actions & Do::kStartLinger) != 0) {
    const TimeMs linger =
        ServerLinger(step.next, IsReliable(transaction->flow.protocol), context_.timer_values());
    context_.timers->Cancel(&transaction->end);
    // Even when nothing is to linger for: what was just sent may be refused before the next turn.
    transaction->end = context_.timers->After(
        linger, [this, id] { Step(id, ServerEvent::kLingered, nullptr, nullptr); });
  }
  if (over) Erase(id, *transaction);

  // Last, since the TU may call back into the layer.
  if ((step.actions & Do::kPassAck) != 0) {
    context_.user->OnAck(id, std::move(*message), *flow);
  } else if (event == ServerEvent::kAck && step.actions == 0) {
    ++context_.counters.retransmissions_in;
  } else if ((step.actions & Do::kReportNoAck) != 0) {
    context_.user->OnServerFailure(id, ServerFailure::kNoAck);
  } else if ((step.actions & Do::kReportTransport) != 0) {
    ++context_.counters.transport_failures;
    context_.user->OnServerFailure(id, ServerFailure::kTransport);
  }
}

void ServerSide::Act(TransactionId id, Transaction& transaction, uint16_t actions,
                     const Message* message) {
  if ((actions & Do::kStopRepeat) != 0) context_.timers->Cancel(&transaction.repeat);
  if ((actions & Do::kStartTimeout) != 0) {
    context_.timers->Cancel(&transaction.end);
    transaction.end = context_.timers->After(context_.timer_values().timeout(), [this, id] {
      Step(id, ServerEvent::kTimeout, nullptr, nullptr);
    });
  }
  if ((actions & (Do::kReportNoAck | Do::kCountNoAck)) != 0) ++context_.counters.no_ack;
  if ((actions & Do::kForgetResponse) != 0) std::string().swap(transaction.bytes);
  if ((actions & Do::kSend) != 0) {
    transaction.bytes = Encode(*message);
    transaction.bytes.shrink_to_fit();
    if (transaction.state == ServerState::kAccepted) {
      transaction.to_tag = HashOf(message->to.tag()).low;
    }
    Transmit(id, transaction);
  }
  if ((actions & Do::kResend) != 0 && !transaction.bytes.empty()) {
    ++context_.counters.retransmissions_out;
    Transmit(id, transaction);
  }
  if ((actions & Do::kStartRepeat) != 0) StartRepeat(id, transaction);
}

void ServerSide::StartRepeat(TransactionId id, Transaction& transaction) {
  context_.timers->Cancel(&transaction.repeat);
  if (!ServerRepeats(transaction.state, IsReliable(transaction.flow.protocol))) return;
  transaction.interval =
      ServerRepeatInterval(transaction.state, transaction.interval, context_.timer_values());
  transaction.repeat = context_.timers->After(
      transaction.interval, [this, id] { Step(id, ServerEvent::kRepeat, nullptr, nullptr); });
}

void ServerSide::Transmit(TransactionId id, Transaction& transaction) {
  auto used = context_.transport->Send(transaction.flow, transaction.bytes);
  if (used.ok()) {
    // Only that: the remote end of a connection that the peer opened is no way back to it.
    transaction.flow.connection = used->connection;
    return;
  }
  if (!IsReliable(transaction.flow.protocol)) {
    // No route for a moment, perhaps: as if it were lost on the way. What is repeated is repeated,
    // and the peer repeats its request.
    ++context_.counters.transport_failures;
    return;
  }
  // Told later: no callback may come from inside the TU's own call.
  context_.timers->Cancel(&transaction.failure);
  transaction.failure = context_.timers->After(
      0, [this, id] { Step(id, ServerEvent::kTransportError, nullptr, nullptr); });
}

void ServerSide::OnFlowBroken(const Flow& flow) {
  std::vector<TransactionId> touched;
  transactions_.ForEach([&](TransactionId id, Transaction& transaction) {
    if (SameRoad(transaction.flow, flow)) touched.push_back(id);
  });
  for (TransactionId id : touched) {
    Transaction* transaction = transactions_.Find(id);
    if (transaction == nullptr) continue;
    transaction->flow.connection = 0;  // the next response opens one to Via's sent-by (18.2.2)
    const bool unheard = !transaction->bytes.empty();
    if (!unheard) continue;
    if (IsReliable(transaction->flow.protocol) && !transaction->reconnected) {
      transaction->reconnected = true;
      ++context_.counters.reconnects;
      Transmit(id, *transaction);
    } else {
      Step(id, ServerEvent::kTransportError, nullptr, nullptr);
    }
  }
}

void ServerSide::CancelTimers(Transaction& transaction) {
  context_.timers->Cancel(&transaction.repeat);
  context_.timers->Cancel(&transaction.end);
  context_.timers->Cancel(&transaction.failure);
}

void ServerSide::Erase(TransactionId id, Transaction& transaction) {
  CancelTimers(transaction);
  by_branch_.erase(transaction.key);
  const auto call = by_call_.find(transaction.call);
  if (call != by_call_.end() && call->second == id) by_call_.erase(call);
  transactions_.Erase(id);
}

size_t ServerSide::memory_bytes() {
  size_t bytes = (by_branch_.size() + by_call_.size()) * (sizeof(Key) + sizeof(TransactionId) + 1);
  transactions_.ForEach([&](TransactionId, Transaction& transaction) {
    bytes += transactions_.place_bytes() + transaction.bytes.capacity();
  });
  return bytes;
}

}  // namespace sipctl::sip
