// One TCP connection, opened or accepted: bytes to messages, messages to bytes, and every way in
// which it can end.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sipctl/loop.h"
#include "sipctl/sip/socket.h"
#include "sipctl/sip/stream_framing.h"
#include "sipctl/sip/transport.h"
#include "sipctl/sip/transport_counters.h"

namespace sipctl::sip {

struct ConnectionOptions {
  TimeMs connect_timeout_ms = 4 * kSecondMs;
  TimeMs message_timeout_ms = 4 * kSecondMs;  // from the first byte of a message to its last
  // An idle connection gets CR LF CR LF that often (RFC 5626 section 3.5.1; shorter than the 120 s
  // after which common proxies close, trap T-06). 0: never.
  TimeMs keep_alive_ms = 30 * kSecondMs;
  TimeMs unacknowledged_ms = 10 * kSecondMs;  // TCP_USER_TIMEOUT
  size_t queue_bytes_max = 256 * 1024;        // behind the kernel's own
};

class Connection;

class ConnectionUser {
 public:
  virtual ~ConnectionUser() = default;
  // Neither may destroy the connection; it may be closed or sent on.
  virtual void OnStreamMessage(Connection* connection, std::string_view bytes) = 0;
  // The last call. `lost`: bytes that were sent may not have arrived.
  virtual void OnStreamClosed(Connection* connection, const absl::Status& why, bool lost) = 0;
};

class Connection {
 public:
  // `connecting`: the socket's connect is under way.
  Connection(Loop* loop, Socket socket, const Flow& flow, bool connecting,
             const ConnectionOptions* options, TransportCounters* counters, ConnectionUser* user);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Flow& flow() const { return flow_; }
  bool closed() const { return closed_; }

  // All or nothing. kResourceExhausted: the queue is full, the connection lives on. Any other
  // error: the connection was found dead and is closed now.
  absl::Status Send(std::string_view bytes);
  void Close(const absl::Status& why, bool lost);

 private:
  void OnReady(uint32_t events);
  void OnConnected();
  void Read();
  void Cut();
  void WatchUnfinished(bool any_finished);
  bool Flush();  // false: closed
  void KeepAlive();
  void WatchEvents();
  absl::Status SocketError() const;

  Loop* const loop_;
  Socket socket_;
  const Flow flow_;
  const ConnectionOptions* const options_;
  TransportCounters* const counters_;
  ConnectionUser* const user_;
  StreamFraming framing_;
  std::string queue_;
  size_t queue_sent_ = 0;  // of queue_
  TimeMs last_activity_;
  Timers::Id unfinished_ = 0;  // connecting, then: a message not finished
  Timers::Id keep_alive_ = 0;
  bool connecting_;
  bool closed_ = false;
};

}  // namespace sipctl::sip
