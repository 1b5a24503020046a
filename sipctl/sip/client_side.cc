#include "sipctl/sip/client_side.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace sipctl::sip {
namespace {

using Do = ClientAction;

// How long, and of how many peers, it is remembered that they take no stream.
constexpr TimeMs kDeafMs = 600 * kSecondMs;
constexpr size_t kDeafMax = 4096;

ClientEvent EventOf(int status) {
  if (status < 200) return ClientEvent::kProvisional;
  return status < 300 ? ClientEvent::kSuccess : ClientEvent::kFailure;
}

// Nobody else will say it if we give up at once, when there is no route for a moment. Of all others
// the TU learns soon that it must look for another way.
bool MustArrive(Method method) {
  return method == Method::kBye || method == Method::kCancel || method == Method::kPrack;
}

uint16_t PortOf(const Via& via) {
  if (via.port != 0) return via.port;
  return via.transport == "TLS" ? 5061 : 5060;
}

}  // namespace

ClientSide::~ClientSide() {
  transactions_.ForEach([this](TransactionId, Transaction& transaction) {
    context_.timers->Cancel(&transaction.repeat);
    context_.timers->Cancel(&transaction.end);
  });
}

Via ClientSide::MakeVia(const Flow& flow, std::string branch) const {
  const Advertised& ours = context_.transport->advertised(flow.listener);
  Via via;
  via.transport = ProtocolName(flow.protocol);
  via.host = ours.host;
  via.port = ours.port;
  via.parameters.push_back({.name = "branch", .value = std::move(branch), .has_value = true});
  via.parameters.push_back({.name = "rport"});  // RFC 3581: always
  return via;
}

// RFC 3261 section 18.1.2: a response whose sent-by is not ours is not for us.
bool ClientSide::IsOurs(const Via& via, const Flow& sent_by) const {
  const Advertised& ours = context_.transport->advertised(sent_by.listener);
  Via expected;
  expected.transport = ProtocolName(sent_by.protocol);
  expected.port = ours.port;
  return absl::EqualsIgnoreCase(via.host, ours.host) && PortOf(via) == PortOf(expected);
}

TransactionId ClientSide::Send(Message request, const Sending& sending) {
  auto [id, transaction] = transactions_.Insert();
  transaction->method = request.method;
  transaction->in_dialog = !request.to.tag().empty();
  transaction->flow = sending.flow;
  if (!request.max_forwards) request.max_forwards = 70;
  request.via.insert(request.via.begin(), MakeVia(sending.flow, context_.branches.Of(id)));
  transaction->bytes = Encode(request);
  if (sending.stream && !IsReliable(sending.flow.protocol) &&
      transaction->bytes.size() > kUdpRequestBytesMax && IsWorthTrying(*sending.stream)) {
    transaction->extra = std::make_unique<Extra>(Extra{.datagram_flow = sending.flow,
                                                       .may_fall_back = true,
                                                       .cancel_reason = {},
                                                       .credentials = {}});
    transaction->flow = *sending.stream;
    request.via.front() = MakeVia(*sending.stream, context_.branches.Of(id));
    transaction->bytes = Encode(request);
  }
  transaction->bytes.shrink_to_fit();
  if (transactions_.size() > context_.options.transactions_max) {
    ++context_.counters.refused;
    FailLater(id);
    return id;
  }
  ++context_.counters.requests_out;
  Begin(id, *transaction);
  return id;
}

// The first sending on the transaction's flow, and the timers that belong to it.
void ClientSide::Begin(TransactionId id, Transaction& transaction) {
  context_.timers->Cancel(&transaction.end);
  transaction.end = context_.timers->After(context_.timer_values().timeout(), [this, id] {
    Step(id, ClientEvent::kTimeout, nullptr, nullptr);
  });
  StartRepeat(id, transaction);
  Transmit(id, transaction);
}

void ClientSide::StartRepeat(TransactionId id, Transaction& transaction) {
  context_.timers->Cancel(&transaction.repeat);
  if (IsReliable(transaction.flow.protocol)) return;
  transaction.interval = ClientRepeatInterval(transaction.invite(), transaction.state,
                                              transaction.interval, context_.timer_values());
  transaction.repeat = context_.timers->After(transaction.interval, [this, id] {
    ++context_.counters.retransmissions_out;
    Step(id, ClientEvent::kRepeat, nullptr, nullptr);
  });
}

void ClientSide::Transmit(TransactionId id, Transaction& transaction) {
  auto used = context_.transport->Send(transaction.flow, transaction.bytes);
  if (used.ok()) {
    transaction.flow.connection = used->connection;
  } else if (transaction.extra && transaction.extra->may_fall_back) {
    FallBack(id, transaction);
  } else if (!IsReliable(transaction.flow.protocol) && MustArrive(transaction.method)) {
    ++context_.counters.transport_failures;  // as if it were lost on the way
  } else {
    FailLater(id);
  }
}

// No callback may come from inside the TU's own call.
void ClientSide::FailLater(TransactionId id) {
  Transaction* transaction = transactions_.Find(id);
  context_.timers->Cancel(&transaction->repeat);
  context_.timers->Cancel(&transaction->end);
  transaction->end = context_.timers->After(
      0, [this, id] { Step(id, ClientEvent::kTransportError, nullptr, nullptr); });
}

// A peer that speaks no TCP, or whose firewall swallows it, must not cost each call the time of a
// connection that is not made.
bool ClientSide::IsWorthTrying(const Flow& stream) {
  if (deaf_.empty()) return true;
  const auto found = deaf_.find({stream.remote.address.bytes, stream.remote.port});
  if (found == deaf_.end()) return true;
  if (context_.timers->now() < found->second) return false;
  deaf_.erase(found);
  return true;
}

void ClientSide::FallBack(TransactionId id, Transaction& transaction) {
  if (deaf_.size() < kDeafMax) {
    const SocketAddress& remote = transaction.flow.remote;
    deaf_[{remote.address.bytes, remote.port}] = context_.timers->now() + kDeafMs;
  }
  transaction.flow = transaction.extra->datagram_flow;
  transaction.extra->may_fall_back = false;
  ParseFailure failure;
  std::optional<Message> request = Parse(transaction.bytes, &failure);
  if (!request) return FailLater(id);
  request->via.front() = MakeVia(transaction.flow, context_.branches.Of(id));
  transaction.bytes = Encode(*request);
  transaction.interval = 0;
  Begin(id, transaction);
}

TransactionId ClientSide::IdOf(const Via& via) const {
  if (!adopted_.empty()) {
    const auto found = adopted_.find(std::string(via.branch()));
    if (found != adopted_.end()) return found->second;
  }
  return context_.branches.IdOf(via.branch());
}

void ClientSide::OnResponse(Message response, const Flow& flow) {
  // More than one Via: it was not meant for us (8.1.3.3).
  const TransactionId named = response.via.size() == 1 ? IdOf(response.via.front()) : 0;
  TransactionId id = named;
  if (response.cseq.method == Method::kCancel) {
    const auto found = cancels_.find(named);
    id = found == cancels_.end() ? 0 : found->second;
  }
  Transaction* transaction = transactions_.Find(id);
  if (transaction == nullptr || transaction->method != response.cseq.method ||
      response.status < 100 || response.status > 699) {
    ++context_.counters.stray_responses;
    return;
  }
  if (!IsOurs(response.via.front(), transaction->flow)) {
    ++context_.counters.stray_responses;
    ++context_.counters.rewritten_responses;
    context_.user->OnRewritten(response.via.front(), flow);
    return;
  }
  const ClientEvent event = EventOf(response.status);
  if (transaction->invite() && event == ClientEvent::kSuccess) {
    OnSuccess(id, *transaction, std::move(response), flow);
  } else {
    Step(id, event, &response, &flow);
  }
}

// A 2xx to an INVITE: each To tag is an answer of its own, its repetitions get its ACK again
// (13.2.2.4, RFC 6026 section 8.4).
void ClientSide::OnSuccess(TransactionId id, Transaction& transaction, Message response,
                           const Flow& flow) {
  constexpr size_t kAcceptancesMax = 16;  // a peer that forks wider is not answered
  for (Acceptance& known : transaction.acceptances) {
    if (known.to_tag != response.to.tag()) continue;
    ++context_.counters.retransmissions_in;
    // Without ACK yet: the TU has the 2xx and will come to it.
    if (!known.ack.empty()) (void)context_.transport->Send(known.flow, known.ack);
    return;
  }
  const bool may_accept = transaction.state == ClientState::kCalling ||
                          transaction.state == ClientState::kProceeding ||
                          transaction.state == ClientState::kAccepted;
  if (may_accept) {
    if (transaction.acceptances.size() >= kAcceptancesMax) return;
    if (transaction.acceptances.empty()) KeepCredentials(transaction);
    transaction.acceptances.push_back({std::string(response.to.tag()), {}, flow});
  }
  Step(id, ClientEvent::kSuccess, &response, &flow);
}

void ClientSide::Step(TransactionId id, ClientEvent event, Message* response, const Flow* flow) {
  Transaction* transaction = transactions_.Find(id);
  if (transaction == nullptr) return;
  const bool reliable = IsReliable(transaction->flow.protocol);
  const ClientState before = transaction->state;
  const ClientStep step =
      transaction->invite() ? StepInviteClient(before, event) : StepNonInviteClient(before, event);
  transaction->state = step.next;
  Act(id, *transaction, step.actions, response);

  const bool internal = transaction->method == Method::kCancel;
  const bool report =
      (step.actions & (Do::kReportTimeout | Do::kReportTransport)) != 0 && !internal;
  std::string request;
  if (report) request = std::move(transaction->bytes);
  const Method method = transaction->method;
  const Flow used = transaction->flow;

  bool over = step.next == ClientState::kTerminated;
  if ((step.actions & Do::kStartLinger) != 0) {
    const TimeMs linger =
        ClientLinger(transaction->invite(), step.next, reliable, context_.timer_values());
    over = linger == 0;
    if (!over) {
      transaction->end = context_.timers->After(
          linger, [this, id] { Step(id, ClientEvent::kLingered, nullptr, nullptr); });
    }
  }
  if (over) Erase(id, *transaction);

  // Last, since the TU may call back into the layer.
  if (report) {
    Report(id, request, method, used,
           (step.actions & Do::kReportTimeout) != 0 ? ResponseOrigin::kTimeout
                                                    : ResponseOrigin::kTransport);
  } else if ((step.actions & Do::kPass) != 0 && !internal) {
    context_.user->OnResponse(id, std::move(*response), *flow, ResponseOrigin::kNetwork);
  } else if (response != nullptr && (step.actions & Do::kPass) == 0) {
    ++context_.counters.retransmissions_in;
  }
}

void ClientSide::Act(TransactionId id, Transaction& transaction, uint8_t actions,
                     const Message* response) {
  if ((actions & Do::kStopTimers) != 0) {
    context_.timers->Cancel(&transaction.repeat);
    context_.timers->Cancel(&transaction.end);
  }
  if ((actions & Do::kAcknowledge) != 0) AcknowledgeFailure(transaction, *response);
  if ((actions & Do::kStartLinger) != 0) {
    // From here on only an ACK may have to be sent again.
    if ((actions & Do::kAcknowledge) == 0) std::string().swap(transaction.bytes);
    if (transaction.extra && transaction.extra->credentials.empty()) transaction.extra.reset();
  }
  if ((actions & Do::kRetransmit) != 0) {
    StartRepeat(id, transaction);
    Transmit(id, transaction);
  }
  if (transaction.state != ClientState::kProceeding || (actions & Do::kPass) == 0) return;
  if (transaction.invite() && !transaction.cancel_sent) StartTimerC(id, transaction);
  if (transaction.cancel_wanted && !transaction.cancel_sent) SendCancel(id, transaction);
}

// A peer that has answered provisionally and is gone must not keep the transaction for ever.
void ClientSide::StartTimerC(TransactionId id, Transaction& transaction) {
  context_.timers->Cancel(&transaction.end);
  const TransactionOptions& options = context_.options;
  transaction.end =
      context_.timers->After(transaction.in_dialog ? options.timer_c_in_dialog : options.timer_c,
                             [this, id] { Cancel(id, {}); });
}

void ClientSide::OnFlowBroken(const Flow& flow) {
  std::vector<TransactionId> touched;
  transactions_.ForEach([&](TransactionId id, Transaction& transaction) {
    if (SameRoad(transaction.flow, flow)) touched.push_back(id);
  });
  for (TransactionId id : touched) OnBroken(id);
}

void ClientSide::OnBroken(TransactionId id) {
  Transaction* transaction = transactions_.Find(id);
  if (transaction == nullptr) return;
  transaction->flow.connection = 0;
  const bool waiting = transaction->state == ClientState::kCalling ||
                       (transaction->state == ClientState::kProceeding && !transaction->invite());
  if (!waiting) return;
  if (transaction->extra && transaction->extra->may_fall_back) {
    FallBack(id, *transaction);
  } else if (IsReliable(transaction->flow.protocol) && !transaction->reconnected) {
    transaction->reconnected = true;  // trap T-05: once, to the same target
    ++context_.counters.reconnects;
    Transmit(id, *transaction);
  } else {
    Step(id, ClientEvent::kTransportError, nullptr, nullptr);
  }
}

// A final answer of our own to a request that will get no other.
void ClientSide::Report(TransactionId id, const std::string& request, Method method,
                        const Flow& flow, ResponseOrigin origin) {
  const bool timeout = origin == ResponseOrigin::kTimeout;
  ++(timeout ? context_.counters.timeouts : context_.counters.transport_failures);
  const int status = timeout ? 408 : 503;
  ParseFailure failure;
  std::optional<Message> parsed = Parse(request, &failure);
  Message response;
  if (parsed) {
    response = MakeResponse(*parsed, status);
  } else {
    response.is_request = false;
    response.status = status;
    response.reason = DefaultReason(status);
    response.method = method;
    response.cseq.method = method;
  }
  context_.user->OnResponse(id, std::move(response), flow, origin);
}

void ClientSide::Erase(TransactionId id, Transaction& transaction) {
  context_.timers->Cancel(&transaction.repeat);
  context_.timers->Cancel(&transaction.end);
  if (transaction.cancels != 0) cancels_.erase(transaction.cancels);
  if (!adopted_.empty()) {
    absl::erase_if(adopted_, [id](const auto& entry) { return entry.second == id; });
  }
  transactions_.Erase(id);
}

size_t ClientSide::memory_bytes() {
  size_t bytes = cancels_.size() * sizeof(std::pair<TransactionId, TransactionId>);
  transactions_.ForEach([&](TransactionId, Transaction& transaction) {
    bytes += transactions_.place_bytes() + transaction.bytes.capacity();
    for (const Acceptance& acceptance : transaction.acceptances) {
      bytes += sizeof acceptance + acceptance.ack.capacity() + acceptance.to_tag.capacity();
    }
    if (!transaction.extra) return;
    bytes += sizeof(Extra) + transaction.extra->cancel_reason.capacity();
    for (const HeaderField& field : transaction.extra->credentials) {
      bytes += sizeof field + field.name.capacity() + field.value.capacity();
    }
  });
  return bytes;
}

}  // namespace sipctl::sip
