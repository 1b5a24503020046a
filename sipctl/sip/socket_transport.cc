#include "sipctl/sip/socket_transport.h"

#include <algorithm>
#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sipctl/sip/message.h"

namespace sipctl::sip {
namespace {

// The To tag of a stateless answer: the same for the repetition of a request (RFC 3261 section
// 8.2.7), without keeping anything. FNV-1a.
std::string StatelessTag(const Message& request) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (std::string_view part :
       {std::string_view(request.call_id), request.via.front().branch(), request.from.tag()}) {
    for (char c : part) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  }
  return absl::StrFormat("sl%016x", hash);
}

}  // namespace

bool SocketTransport::Road::operator<(const Road& other) const {
  return std::tie(listener, peer, remote.port, remote.address.bytes) <
         std::tie(other.listener, other.peer, other.remote.port, other.remote.address.bytes);
}

SocketTransport::Road SocketTransport::RoadOf(const Flow& flow) {
  const bool tls = flow.protocol == Protocol::kTls;
  return {flow.listener, flow.remote, tls ? flow.peer : uint16_t{0}};
}

absl::StatusOr<std::unique_ptr<SocketTransport>> SocketTransport::Create(
    Loop* loop, SocketTransportOptions options, TransportUser* user) {
  const std::vector<ListenerOptions> listeners = options.listeners;
  std::unique_ptr<SocketTransport> transport(new SocketTransport(loop, std::move(options), user));
  for (const ListenerOptions& listener : listeners) {
    if (absl::Status status = transport->AddListener(listener); !status.ok()) return status;
  }
  if (absl::Status status = transport->ReloadTls(); !status.ok()) return status;
  return transport;
}

SocketTransport::SocketTransport(Loop* loop, SocketTransportOptions options, TransportUser* user)
    : loop_(loop), options_(std::move(options)), user_(user) {}

SocketTransport::~SocketTransport() {
  for (auto& [connection, stranger] : strangers_) loop_->timers().Cancel(&stranger.end);
  for (auto& [connection, retired] : retired_) loop_->timers().Cancel(&retired.end);
}

absl::Status SocketTransport::AddListener(const ListenerOptions& options) {
  const auto index = static_cast<uint16_t>(listeners_.size());
  Listener listener{options.protocol, options.access, {}, {}, nullptr, nullptr, nullptr};
  if (options.protocol == Protocol::kUdp) {
    auto udp =
        UdpListener::Open(loop_, options.bind, options_.datagram_queue_bytes_max, &counters_,
                          [this, index](std::string_view bytes, const SocketAddress& source) {
                            OnDatagram(index, bytes, source);
                          });
    if (!udp.ok()) return udp.status();
    listener.udp = *std::move(udp);
    listener.bound = listener.udp->bound();
  } else {
    auto tcp = TcpListener::Open(loop_, options.bind, &counters_,
                                 [this, index](Socket socket, const SocketAddress& source) {
                                   OnAccepted(index, std::move(socket), source);
                                 });
    if (!tcp.ok()) return tcp.status();
    listener.tcp = *std::move(tcp);
    listener.bound = listener.tcp->bound();
  }
  listener.advertised = {options.protocol, options.advertised_host, options.advertised_port};
  if (listener.advertised.host.empty()) {
    listener.advertised.host = AddressText(listener.bound.address);
  }
  if (listener.advertised.port == 0) listener.advertised.port = listener.bound.port;
  listeners_.push_back(std::move(listener));
  return absl::OkStatus();
}

absl::Status SocketTransport::Permit(std::span<const Network> networks) {
  absl::Status all;
  for (const Listener& listener : listeners_) {
    if (listener.access) continue;
    const Family family = listener.bound.address.IsIpv4() ? Family::kIpv4 : Family::kIpv6;
    all.Update(AttachFilter(listener.udp ? listener.udp->fd() : listener.tcp->fd(),
                            PacketFilter(networks, family)));
  }
  return all;
}

const Advertised& SocketTransport::advertised(uint16_t listener) const {
  return listeners_.at(listener).advertised;
}

SocketAddress SocketTransport::bound(uint16_t listener) const {
  return listeners_.at(listener).bound;
}

bool SocketTransport::IsPermitted(const SocketAddress& source, uint16_t listener) const {
  return !options_.access || options_.access(source, listener);
}

// In -------------------------------------------------------------------------------------------

void SocketTransport::OnDatagram(uint16_t listener, std::string_view bytes,
                                 const SocketAddress& source) {
  if (!IsPermitted(source, listener)) {
    ++counters_.stranger_datagrams;
    return;
  }
  counters_.bytes_in += bytes.size();
  if (bytes.find_first_not_of(std::string_view("\r\n\0", 3)) == bytes.npos) {
    ++counters_.pings_in;  // some phones keep their NAT open so; UDP has no pong
    return;
  }
  from_socket_ = listeners_[listener].udp.get();
  Deliver(bytes, Flow{Protocol::kUdp, listener, 0, source});
  from_socket_ = nullptr;
}

void SocketTransport::OnAccepted(uint16_t listener, Socket socket, const SocketAddress& source) {
  if (!IsPermitted(source, listener)) {
    ++counters_.stranger_connections;
    return socket.Reset();
  }
  const Listener& at = listeners_[listener];
  // Strangers may not take all the room.
  if (accepted_.size() >= options_.accepted_max ||
      (at.access && accepted_by_access_ >= options_.accepted_max / 2)) {
    ++counters_.connection_limit;
    return socket.Reset();
  }
  Accepted& from_source = accepted_from_[source.address.bytes];
  if (from_source.untrusted >= options_.accepted_per_source_max ||
      (at.access &&
       from_source.all >= std::max(options_.accepted_per_source_max, options_.accepted_max / 4))) {
    ++counters_.source_limit;
    return socket.Reset();
  }
  ++from_source.untrusted;
  ++from_source.all;
  ++counters_.accepted;
  const bool known = options_.peer_of && !at.access;
  const Flow flow{at.protocol, listener, ++last_connection_, source,
                  known ? options_.peer_of(source) : uint16_t{0}};
  accepted_.insert(flow.connection);
  if (at.access) WatchStranger(flow.connection);
  auto stream = at.protocol == Protocol::kTls ? at.tls->MakeStream(socket.fd(), {}, {})
                                              : MakePlainStream(socket.fd());
  AddConnection(std::move(socket), std::move(stream), flow, Connection::Phase::kShakingHands);
}

void SocketTransport::WatchStranger(uint64_t connection) {
  ++accepted_by_access_;
  strangers_[connection].end = loop_->timers().After(options_.stranger_ms, [this, connection] {
    strangers_.at(connection).end = 0;
    ++counters_.strangers_closed;
    connections_.at(connection)
        ->Close(absl::DeadlineExceededError("nobody has logged in"),
                /*lost=*/false);
  });
}

void SocketTransport::Trust(const Flow& flow) {
  const auto stranger = strangers_.find(flow.connection);
  if (stranger == strangers_.end()) return;
  loop_->timers().Cancel(&stranger->second.end);
  strangers_.erase(stranger);
  --accepted_from_.at(flow.remote.address.bytes).untrusted;
}

bool SocketTransport::MaySpeak(uint64_t connection) {
  const auto stranger = strangers_.find(connection);
  return stranger == strangers_.end() ||
         ++stranger->second.messages <= options_.stranger_messages_max;
}

void SocketTransport::OnStreamMessage(Connection* connection, std::string_view bytes) {
  if (MaySpeak(connection->flow().connection)) {
    from_connection_ = connection;
    Deliver(bytes, connection->flow());
    from_connection_ = nullptr;
    return;
  }
  ++counters_.strangers_cut;
  connection->Close(absl::ResourceExhaustedError("too many messages, and nobody has logged in"),
                    /*lost=*/false);
}

Backlog SocketTransport::backlog() const {
  if (from_socket_ != nullptr) return from_socket_->backlog();
  if (from_connection_ != nullptr) return {.age = from_connection_->age()};
  return {};
}

void SocketTransport::Deliver(std::string_view bytes, const Flow& flow) {
  if (options_.trace) options_.trace(Direction::kIn, flow, bytes);
  ParseFailure failure;
  std::optional<Message> message = Parse(bytes, &failure);
  if (!message) return Refuse(std::move(failure), flow);
  ++counters_.messages_in;
  if (message->is_request) FillReceived(flow.remote, &message->via.front());
  if (RefusesNew(*message, flow)) return;
  user_->OnMessage(*std::move(message), flow);
}

void SocketTransport::Refuse(ParseFailure failure, const Flow& flow) {
  if (!failure.answerable || listeners_[flow.listener].access) {
    ++counters_.malformed_dropped;
    return;
  }
  ++counters_.malformed_answered;
  Message& request = *failure.answerable;
  FillReceived(flow.remote, &request.via.front());
  const Flow back = flow.protocol == Protocol::kUdp ? ResponseFlow(request, flow) : flow;
  const std::string tag = StatelessTag(request);
  Message answer = MakeResponse(request, failure.status, tag);
  std::optional<std::string>& to = failure.raw.to;
  if (to && !to->empty() && to->find("tag=") == to->npos) absl::StrAppend(&*to, ";tag=", tag);
  // Tells the people at the other end what to mend (RFC 3261 section 20.43).
  std::replace(failure.sentence.begin(), failure.sentence.end(), '"', '\'');
  answer.others.push_back({"Warning", absl::StrCat("399 tandem \"", failure.sentence, "\"")});
  Send(back, EncodeRefusal(answer, failure.raw)).IgnoreError();  // the peer will repeat the request
}

// Without state; nothing is lost when it is: the peer repeats what was not answered.
void SocketTransport::Answer(const Message& request, const Flow& flow, int status) {
  const Message answer = MakeResponse(request, status, StatelessTag(request));
  Send(flow, Encode(answer)).IgnoreError();
}

// Out ------------------------------------------------------------------------------------------

absl::StatusOr<Flow> SocketTransport::Send(const Flow& flow, std::string_view bytes) {
  if (flow.listener >= listeners_.size() || listeners_[flow.listener].protocol != flow.protocol) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no ", std::string(ProtocolName(flow.protocol)), " listener ", flow.listener));
  }
  absl::StatusOr<Flow> used =
      flow.protocol == Protocol::kUdp ? SendDatagram(flow, bytes) : SendStream(flow, bytes);
  if (!used.ok()) return used;
  ++counters_.messages_out;
  counters_.bytes_out += bytes.size();
  if (options_.trace) options_.trace(Direction::kOut, *used, bytes);
  return used;
}

absl::StatusOr<Flow> SocketTransport::SendDatagram(const Flow& flow, std::string_view bytes) {
  if (absl::Status status = listeners_[flow.listener].udp->Send(flow.remote, bytes); !status.ok()) {
    return status;
  }
  return flow;
}

// A connection that turns out dead at this write is replaced at once: nothing of these bytes has
// left (trap T-05). What had been sent on it before is reported as broken.
absl::StatusOr<Flow> SocketTransport::SendStream(const Flow& flow, std::string_view bytes) {
  if (Connection* connection = FindConnection(flow)) {
    const absl::Status status = connection->Send(bytes);
    if (status.ok()) return connection->flow();
    if (absl::IsResourceExhausted(status)) return status;
  }
  // Behind an access listener there is mostly a NAT, and no port that could be called.
  if (listeners_[flow.listener].access) {
    return absl::UnavailableError(
        absl::StrCat("the connection from ", ToString(flow.remote), " is gone"));
  }
  absl::StatusOr<Connection*> opened = OpenConnectionFor(flow);
  if (!opened.ok()) return opened.status();
  if (absl::Status status = (*opened)->Send(bytes); !status.ok()) return status;
  return (*opened)->flow();
}

bool SocketTransport::IsOpen(const Flow& flow) const {
  return flow.protocol == Protocol::kUdp || !listeners_[flow.listener].access ||
         FindConnection(flow) != nullptr;
}

// Whether this connection's peer is whom the flow is for. One that we opened leads to a port; the
// peer of one that we accepted called from any, so that its address must do.
bool SocketTransport::LeadsTo(const Connection& connection, const SocketAddress& remote) const {
  const Flow& own = connection.flow();
  if (accepted_.contains(own.connection)) return own.remote.address == remote.address;
  return own.remote == remote;
}

// The flow's own connection if it leads where the flow goes, then any connection to that target.
Connection* SocketTransport::FindConnection(const Flow& flow) const {
  auto found = connections_.find(flow.connection);
  if (found == connections_.end() || !LeadsTo(*found->second, flow.remote)) {
    const auto road = roads_.find(RoadOf(flow));
    if (road == roads_.end()) return nullptr;
    found = connections_.find(road->second);
  }
  return found == connections_.end() ? nullptr : found->second.get();
}

absl::StatusOr<std::unique_ptr<Stream>> SocketTransport::OpenStream(int fd, const Flow& flow) {
  if (flow.protocol != Protocol::kTls) return MakePlainStream(fd);
  const size_t peer = size_t{flow.peer} - 1;  // 0 wraps round and is out of range
  if (peer >= peers_.size() || peers_[peer] == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no TLS connection to ", ToString(flow.remote), ": it is not known whose it would be"));
  }
  const std::string name = options_.name_of ? options_.name_of(flow) : std::string();
  return peers_[peer]->MakeStream(fd, name, ToString(flow.remote));
}

absl::StatusOr<Connection*> SocketTransport::OpenConnectionFor(const Flow& flow) {
  absl::StatusOr<Socket> socket = OpenConnection(listeners_[flow.listener].bound, flow.remote);
  if (!socket.ok()) {
    ++counters_.connect_failures;
    return socket.status();
  }
  auto stream = OpenStream(socket->fd(), flow);
  if (!stream.ok()) return stream.status();
  ++counters_.opened;
  Flow opened = flow;
  opened.connection = ++last_connection_;
  return AddConnection(*std::move(socket), *std::move(stream), opened,
                       Connection::Phase::kConnecting);
}

Connection* SocketTransport::AddConnection(Socket socket, std::unique_ptr<Stream> stream,
                                           const Flow& flow, Connection::Phase begins) {
  auto connection = std::make_unique<Connection>(loop_, std::move(socket), std::move(stream), flow,
                                                 begins, &options_.connection, &counters_,
                                                 static_cast<ConnectionUser*>(this));
  roads_[RoadOf(flow)] = flow.connection;
  return (connections_[flow.connection] = std::move(connection)).get();
}

void SocketTransport::OnStreamClosed(Connection* connection, const absl::Status& why, bool lost) {
  const Flow flow = connection->flow();
  const auto found = connections_.find(flow.connection);
  closed_.push_back(std::move(found->second));
  connections_.erase(found);
  const auto road = roads_.find(RoadOf(flow));
  if (road != roads_.end() && road->second == flow.connection) roads_.erase(road);
  if (const auto retired = retired_.find(flow.connection); retired != retired_.end()) {
    loop_->timers().Cancel(&retired->second.end);
    retired_.erase(retired);
  }
  if (accepted_.erase(flow.connection) > 0) {
    const auto source = accepted_from_.find(flow.remote.address.bytes);
    if (listeners_[flow.listener].access) {
      --accepted_by_access_;
      Trust(flow);  // no more to be watched
    } else {
      --source->second.untrusted;
    }
    if (--source->second.all == 0) accepted_from_.erase(source);
  }
  if (lost) {
    ++counters_.broken_flows;
    broken_.emplace_back(flow, why);
  }
  if (std::exchange(telling_, true)) return;
  loop_->Defer([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) TellBroken();
  });
}

void SocketTransport::TellBroken() {
  telling_ = false;
  closed_.clear();
  for (const auto& [flow, why] : std::exchange(broken_, {})) user_->OnFlowBroken(flow, why);
}

}  // namespace sipctl::sip
