// One side of the load - all callers, or all who are called - on the network: sockets of datagrams,
// or connections over TCP or TLS, opened or accepted. What framing, queues and hand-shakes are is
// sipctl's own code; the messages and what is believed of them are not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "sipctl/loop.h"
#include "sipctl/sip/connection.h"
#include "sipctl/sip/tcp_listener.h"
#include "sipctl/sip/tls.h"
#include "sipctl/sip/transport.h"
#include "sipctl/sip/transport_counters.h"
#include "sipctl/sip/udp_listener.h"

namespace bench::callgen {

struct WireOptions {
  sipctl::sip::Protocol protocol = sipctl::sip::Protocol::kUdp;
  std::string certificate;  // PEM file; of who listens over TLS
  std::string trust;        // PEM file of roots; empty: who calls over TLS believes anybody
  std::string tls_name;     // what the certificate of who is called must carry
};

class Wire : private sipctl::sip::ConnectionUser {
 public:
  // A way for messages: a socket and who is at the other end, or a connection.
  struct Road {
    uint32_t line = 0;
    sipctl::sip::SocketAddress remote;
  };
  using Heard = std::function<void(const Road& road, std::string_view message)>;
  // A connection has ended; its line is never used again.
  using Lost = std::function<void(uint32_t line, const absl::Status& why)>;

  static absl::StatusOr<std::unique_ptr<Wire>> Make(sipctl::Loop* loop, const WireOptions& options,
                                                    Heard heard, Lost lost);
  ~Wire() override;

  // A way from any port of this address. A connection may be sent on at once.
  absl::StatusOr<Road> Call(const sipctl::sip::SocketAddress& from,
                            const sipctl::sip::SocketAddress& to);
  absl::Status Listen(const sipctl::sip::SocketAddress& at);
  // False: the message is not on its way and will not be.
  bool Send(const Road& road, std::string_view bytes);
  // Whether messages can leave at once: a connection that is not set up yet keeps them.
  bool IsReady() const;

  // Our own address on this road.
  sipctl::sip::SocketAddress Local(const Road& road) const { return locals_[road.line]; }
  const sipctl::sip::TransportCounters& counters() const { return counters_; }
  size_t connections() const { return connections_.size(); }

 private:
  Wire(sipctl::Loop* loop, sipctl::sip::Protocol protocol, Heard heard, Lost lost);

  absl::StatusOr<uint32_t> OpenSocket(const sipctl::sip::SocketAddress& at);
  uint32_t NewLine(const sipctl::sip::SocketAddress& local);
  void Add(uint32_t line, sipctl::sip::Socket socket, const sipctl::sip::SocketAddress& remote,
           sipctl::sip::Connection::Phase begins);
  void OnStreamMessage(sipctl::sip::Connection* connection, std::string_view bytes) override;
  void OnStreamClosed(sipctl::sip::Connection* connection, const absl::Status& why,
                      bool lost) override;

  sipctl::Loop* const loop_;
  const sipctl::sip::Protocol protocol_;
  const Heard heard_;
  const Lost lost_;
  sipctl::sip::ConnectionOptions connection_options_;
  sipctl::sip::TransportCounters counters_;
  std::shared_ptr<sipctl::sip::TlsContext> tls_client_, tls_server_;  // null without TLS
  std::vector<sipctl::sip::SocketAddress> locals_;                    // by line
  absl::flat_hash_map<uint32_t, std::unique_ptr<sipctl::sip::UdpListener>> sockets_;
  std::vector<std::unique_ptr<sipctl::sip::TcpListener>> listeners_;
  absl::flat_hash_map<uint32_t, std::unique_ptr<sipctl::sip::Connection>> connections_;
  // Closed ones live until the end of the turn: their own code may be running.
  std::vector<std::unique_ptr<sipctl::sip::Connection>> closed_;
};

}  // namespace bench::callgen
