#include "bench/callgen/wire.h"

#include <utility>

#include "absl/status/status.h"
#include "sipctl/sip/socket.h"

namespace bench::callgen {

using sipctl::sip::Connection;
using sipctl::sip::Flow;
using sipctl::sip::Protocol;
using sipctl::sip::SocketAddress;

namespace {

// Behind the kernel's own: what is measured may stand still for a while without a failed call.
constexpr size_t kQueueBytesMax = 16 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<Wire>> Wire::Make(sipctl::Loop* loop, const WireOptions& options,
                                                 Heard heard, Lost lost) {
  std::unique_ptr<Wire> wire(new Wire(loop, options.protocol, std::move(heard), std::move(lost)));
  if (options.protocol != Protocol::kTls) return wire;
  auto client = sipctl::sip::MakeTlsClient({.name = options.tls_name,
                                            .trust = options.trust,
                                            .identity = {},
                                            .verify = !options.trust.empty()});
  if (!client.ok()) return client.status();
  wire->tls_client_ = *std::move(client);
  auto server = sipctl::sip::MakeTlsServer(
      {.identity = {.certificate = options.certificate, .key = {}}, .client_trust = {}});
  if (!server.ok()) return server.status();
  wire->tls_server_ = *std::move(server);
  return wire;
}

Wire::Wire(sipctl::Loop* loop, Protocol protocol, Heard heard, Lost lost)
    : loop_(loop), protocol_(protocol), heard_(std::move(heard)), lost_(std::move(lost)) {
  connection_options_.queue_bytes_max = kQueueBytesMax;
}

Wire::~Wire() = default;

uint32_t Wire::NewLine(const SocketAddress& local) {
  locals_.push_back(local);
  return static_cast<uint32_t>(locals_.size() - 1);
}

absl::StatusOr<uint32_t> Wire::OpenSocket(const SocketAddress& at) {
  const auto line = static_cast<uint32_t>(locals_.size());
  auto socket = sipctl::sip::UdpListener::Open(
      loop_, at, kQueueBytesMax, &counters_,
      [this, line](std::string_view bytes, const SocketAddress& source) {
        heard_({.line = line, .remote = source}, bytes);
      });
  if (!socket.ok()) return socket.status();
  NewLine((*socket)->bound());
  sockets_[line] = *std::move(socket);
  return line;
}

absl::StatusOr<Wire::Road> Wire::Call(const SocketAddress& from, const SocketAddress& to) {
  if (protocol_ == Protocol::kUdp) {
    auto line = OpenSocket({.address = from.address, .port = 0});
    if (!line.ok()) return line.status();
    return Road{.line = *line, .remote = to};
  }
  auto socket = sipctl::sip::OpenConnection(from, to);
  if (!socket.ok()) return socket.status();
  const uint32_t line = NewLine(sipctl::sip::LocalAddressOf(socket->fd()));
  Add(line, *std::move(socket), to, Connection::Phase::kConnecting);
  return Road{.line = line, .remote = to};
}

absl::Status Wire::Listen(const SocketAddress& at) {
  if (protocol_ == Protocol::kUdp) return OpenSocket(at).status();
  auto listener = sipctl::sip::TcpListener::Open(
      loop_, at, &counters_, [this](sipctl::sip::Socket socket, const SocketAddress& source) {
        const uint32_t line = NewLine(sipctl::sip::LocalAddressOf(socket.fd()));
        Add(line, std::move(socket), source, Connection::Phase::kShakingHands);
      });
  if (!listener.ok()) return listener.status();
  listeners_.push_back(*std::move(listener));
  return absl::OkStatus();
}

void Wire::Add(uint32_t line, sipctl::sip::Socket socket, const SocketAddress& remote,
               Connection::Phase begins) {
  const bool calling = begins == Connection::Phase::kConnecting;
  std::unique_ptr<sipctl::sip::Stream> stream;
  if (protocol_ == Protocol::kTls) {
    stream = (calling ? tls_client_ : tls_server_)->MakeStream(socket.fd(), {}, ToString(remote));
  } else {
    stream = sipctl::sip::MakePlainStream(socket.fd());
  }
  const Flow flow{.protocol = protocol_, .listener = 0, .connection = line, .remote = remote};
  connections_[line] = std::make_unique<Connection>(
      loop_, std::move(socket), std::move(stream), flow, begins, &connection_options_, &counters_,
      static_cast<sipctl::sip::ConnectionUser*>(this));
}

bool Wire::Send(const Road& road, std::string_view bytes) {
  if (protocol_ == Protocol::kUdp) return sockets_.at(road.line)->Send(road.remote, bytes).ok();
  const auto found = connections_.find(road.line);
  return found != connections_.end() && found->second->Send(bytes).ok();
}

bool Wire::IsReady() const {
  return protocol_ != Protocol::kTls || counters_.handshakes >= connections_.size();
}

void Wire::OnStreamMessage(Connection* connection, std::string_view bytes) {
  const Flow& flow = connection->flow();
  heard_({.line = static_cast<uint32_t>(flow.connection), .remote = flow.remote}, bytes);
}

void Wire::OnStreamClosed(Connection* connection, const absl::Status& why, bool) {
  const auto found = connections_.find(static_cast<uint32_t>(connection->flow().connection));
  const uint32_t line = found->first;
  closed_.push_back(std::move(found->second));
  connections_.erase(found);
  loop_->Defer([this] { closed_.clear(); });
  lost_(line, why);
}

}  // namespace bench::callgen
