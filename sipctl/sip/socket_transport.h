// The transport on kernel sockets (RFC 3261 section 18): listeners, connections and what is
// between bytes and messages.
//
//   datagram / accepted connection -> access check -> [framing] -> Parse -> Via received -> user
//   Send(flow) -> the flow's connection, else one to the same remote, else a new one
//
// A malformed request is answered here, without state, when it can be answered at all; its
// connection stays.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "sipctl/loop.h"
#include "sipctl/sip/access.h"
#include "sipctl/sip/connection.h"
#include "sipctl/sip/packet_filter.h"
#include "sipctl/sip/tcp_listener.h"
#include "sipctl/sip/tls.h"
#include "sipctl/sip/transport.h"
#include "sipctl/sip/transport_counters.h"
#include "sipctl/sip/udp_listener.h"

namespace sipctl::sip {

enum class Direction : uint8_t { kIn, kOut };
// Every message byte for byte: as it came, before it is parsed; as it goes, when it is queued.
using Trace = std::function<void(Direction direction, const Flow& flow, std::string_view message)>;

struct ListenerOptions {
  Protocol protocol = Protocol::kUdp;
  SocketAddress bind;  // port 0: any
  // What peers are told. Host empty: the bound address; port 0: the bound port.
  std::string advertised_host;
  uint16_t advertised_port = 0;
  TlsServerOptions tls;  // of a TLS listener
  // For peers without a fixed address: the kernel keeps nobody away, what is malformed gets no
  // answer, and connections are accepted only, never opened.
  bool access = false;
};

// 1 + an index of SocketTransportOptions::peers: whom an accepted connection is from; 0 = nobody
// whom we would call.
using PeerOf = std::function<uint16_t(const SocketAddress& source)>;
// The host name that stands for flow.remote, if one is known; else the peer's own name is expected.
using NameOf = std::function<std::string(const Flow& flow)>;

struct SocketTransportOptions {
  std::vector<ListenerOptions> listeners;  // a flow's `listener` is an index into it
  // For whom TLS connections are opened; nothing where a peer has no TLS.
  std::vector<std::optional<TlsClientOptions>> peers;
  PeerOf peer_of;      // none: 0
  NameOf name_of;      // none: the peers' own
  AccessCheck access;  // none: everybody
  Trace trace;         // none: no trace
  ConnectionOptions connection;
  size_t accepted_max = 4096;  // by access listeners half of it at most
  // From one source address those of which nobody has vouched for its peer (Trust); with the others
  // a quarter of accepted_max, if that is more. Behind one NAT there may be an office.
  size_t accepted_per_source_max = 64;
  size_t datagram_queue_bytes_max = 4 << 20;
  // A connection to an access listener that nobody has vouched for by then (Trust) is closed.
  TimeMs stranger_ms = 30 * kSecondMs;
  // And so is one that has sent more than so many messages before, of whatever kind, unread and
  // without an answer. A telephone needs two REGISTERs, and some begin with others.
  uint32_t stranger_messages_max = 16;
  // A connection that was made by rules which hold no more is closed when nothing was heard on it
  // for so long that belongs to what began before: longer than anything rings.
  TimeMs retired_idle_ms = 660 * kSecondMs;
  // And so long after the first request on it that would begin something new, whatever else is
  // said: its peer must come by another one. No transaction but one that rings takes longer
  // (64*T1); what is still there then goes on by the next connection, as if this one had broken.
  TimeMs retired_end_ms = 32 * kSecondMs;
};

class SocketTransport : public Transport, private ConnectionUser {
 public:
  // `loop` must outlive the transport; `user` may be set later, before the first turn.
  static absl::StatusOr<std::unique_ptr<SocketTransport>> Create(Loop* loop,
                                                                 SocketTransportOptions options,
                                                                 TransportUser* user = nullptr);
  ~SocketTransport() override;

  void set_user(TransportUser* user) { user_ = user; }

  absl::StatusOr<Flow> Send(const Flow& flow, std::string_view bytes) override;
  const Advertised& advertised(uint16_t listener) const override;
  bool IsOpen(const Flow& flow) const override;
  Backlog backlog() const override;

  // Who speaks on this connection has said who it is.
  void Trust(const Flow& flow);
  SocketAddress bound(uint16_t listener) const;
  // Reads all certificates, keys and roots again. On an error everything stays as it was.
  // Connections that are open go on with the old ones, but only for the dialogs that are on them:
  // where a peer's rules or files have changed, what is new is sent on a new connection, and
  // refused (503) on the old one.
  absl::Status ReloadTls();
  // The same with other peers; on an error the old ones stay.
  absl::Status SetPeers(std::vector<std::optional<TlsClientOptions>> peers);
  // From now on the kernel keeps from our listeners what comes from anywhere else, so that `access`
  // is not even asked. Connections that are open stay. On an error some listener is left to
  // `access` alone.
  absl::Status Permit(std::span<const Network> networks);

  const TransportCounters& counters() const { return counters_; }
  size_t connections() const { return connections_.size(); }

 private:
  struct Listener {
    Protocol protocol;
    bool access;
    SocketAddress bound;
    Advertised advertised;
    std::unique_ptr<UdpListener> udp;
    std::unique_ptr<TcpListener> tcp;
    std::shared_ptr<TlsContext> tls;
  };
  // Which connection reaches whom from where; the newest if there are several. Over TLS connections
  // of one peer are not another's: they were made with its name and certificate.
  struct Road {
    uint16_t listener;
    SocketAddress remote;
    uint16_t peer;
    bool operator<(const Road& other) const;
  };

  SocketTransport(Loop* loop, SocketTransportOptions options, TransportUser* user);
  absl::Status AddListener(const ListenerOptions& options);

  void OnDatagram(uint16_t listener, std::string_view bytes, const SocketAddress& source);
  void OnAccepted(uint16_t listener, Socket socket, const SocketAddress& source);
  void WatchStranger(uint64_t connection);
  bool MaySpeak(uint64_t connection);
  void Retire(const std::vector<std::string>& server_rules_before,
              const std::vector<std::string>& peer_rules_before);
  bool RefusesNew(const Message& message, const Flow& flow);
  void CloseRetired(uint64_t connection, TimeMs delay);
  void OnStreamMessage(Connection* connection, std::string_view bytes) override;
  void OnStreamClosed(Connection* connection, const absl::Status& why, bool lost) override;

  void Deliver(std::string_view bytes, const Flow& flow);
  void Refuse(ParseFailure failure, const Flow& flow);
  void Answer(const Message& request, const Flow& flow, int status);
  bool IsPermitted(const SocketAddress& source, uint16_t listener) const;

  absl::StatusOr<Flow> SendDatagram(const Flow& flow, std::string_view bytes);
  absl::StatusOr<Flow> SendStream(const Flow& flow, std::string_view bytes);
  bool LeadsTo(const Connection& connection, const SocketAddress& remote) const;
  Connection* FindConnection(const Flow& flow) const;
  absl::StatusOr<Connection*> OpenConnectionFor(const Flow& flow);
  Connection* AddConnection(Socket socket, std::unique_ptr<Stream> stream, const Flow& flow,
                            Connection::Phase begins);
  absl::StatusOr<std::unique_ptr<Stream>> OpenStream(int fd, const Flow& flow);
  static Road RoadOf(const Flow& flow);
  void TellBroken();

  Loop* const loop_;
  SocketTransportOptions options_;
  TransportUser* user_;
  TransportCounters counters_;
  std::vector<Listener> listeners_;
  std::vector<std::shared_ptr<TlsContext>> peers_;  // by Flow::peer - 1; null without TLS
  // What the contexts were made of: the options, and which files they named.
  std::vector<std::string> server_rules_;  // by listener
  std::vector<std::string> peer_rules_;
  uint64_t last_connection_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::map<Road, uint64_t> roads_;
  // By source address; accepted connections only.
  struct Accepted {
    size_t untrusted = 0;
    size_t all = 0;
  };
  std::map<std::array<uint8_t, 16>, Accepted> accepted_from_;
  absl::flat_hash_set<uint64_t> accepted_;  // the ids of accepted connections
  size_t accepted_by_access_ = 0;
  struct Stranger {
    Timers::Id end = 0;
    uint32_t messages = 0;
  };
  absl::flat_hash_map<uint64_t, Stranger> strangers_;  // by connection
  // Connections on which nothing new is begun, and when they are closed.
  struct Retired {
    Timers::Id end = 0;
    bool refused = false;  // something new: nothing puts its end off any more
  };
  absl::flat_hash_map<uint64_t, Retired> retired_;
  // Closed ones live until the end of the turn: their own code may be running.
  std::vector<std::unique_ptr<Connection>> closed_;
  std::vector<std::pair<Flow, absl::Status>> broken_;
  // By which the message came that is handed up; one of them, or none.
  const UdpListener* from_socket_ = nullptr;
  const Connection* from_connection_ = nullptr;
  bool telling_ = false;  // TellBroken is deferred already
  // What the loop still holds of us when we are gone must do nothing.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sipctl::sip
