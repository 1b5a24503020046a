// One connection over TCP, with TLS or without, opened or accepted: bytes to messages, messages to
// bytes, and every way in which it can end.
//
//   opened: connecting -> shaking hands -> open      accepted: shaking hands -> open
//
// Over plain TCP the hand-shake is done at once.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sipctl/loop.h"
#include "sipctl/sip/socket.h"
#include "sipctl/sip/stream.h"
#include "sipctl/sip/stream_framing.h"
#include "sipctl/sip/transport.h"
#include "sipctl/sip/transport_counters.h"

namespace sipctl::sip {

struct ConnectionOptions {
  TimeMs connect_timeout_ms = 4 * kSecondMs;
  TimeMs handshake_timeout_ms = 5 * kSecondMs;
  TimeMs message_timeout_ms = 4 * kSecondMs;  // from the first byte of a message to its last
  // An idle connection gets CR LF CR LF after so long, or up to a fifth sooner, so that not all of
  // them speak at once (RFC 5626 sections 3.5.1 and 4.4.1; shorter than the 120 s after which
  // common proxies close, trap T-06). 0: never.
  TimeMs keep_alive_ms = 30 * kSecondMs;
  // From a ping to its pong (section 4.4.1), where the peer has shown that it sends them.
  TimeMs pong_ms = 10 * kSecondMs;
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
  enum class Phase : uint8_t { kConnecting, kShakingHands, kOpen };

  // `stream` reads and writes `socket`. `begins`: kConnecting when the socket's connect is under
  // way, kShakingHands when the peer has connected.
  Connection(Loop* loop, Socket socket, std::unique_ptr<Stream> stream, const Flow& flow,
             Phase begins, const ConnectionOptions* options, TransportCounters* counters,
             ConnectionUser* user);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Flow& flow() const { return flow_; }
  bool closed() const { return closed_; }
  // How long the bytes that are read now have waited for that, at most.
  TimeMs age() const { return loop_->ClockNow() - unread_since_; }

  // All or nothing. kResourceExhausted: the queue is full, the connection lives on. Any other
  // error: the connection was found dead and is closed now.
  absl::Status Send(std::string_view bytes);
  void Close(const absl::Status& why, bool lost);

 private:
  void OnReady(uint32_t events);
  void OnConnected();
  void ShakeHands();
  // After `limit` the connection is closed with this, unless the phase is over by then.
  void Limit(TimeMs limit, uint64_t* counter, std::string_view what);
  bool idle() const { return phase_ == Phase::kOpen && queue_.empty(); }
  void Read();
  void SeeWhatIsLeft();
  void Cut();
  void WatchUnfinished(bool any_finished);
  bool Flush();  // false: closed
  TimeMs NextPing();
  void KeepAlive();
  void OnPong();
  void MissPong();
  void WatchEvents();
  absl::Status Failure(std::string_view what) const;

  Loop* const loop_;
  Socket socket_;
  const std::unique_ptr<Stream> stream_;
  const Flow flow_;
  const ConnectionOptions* const options_;
  TransportCounters* const counters_;
  ConnectionUser* const user_;
  StreamFraming framing_;
  std::string queue_;
  size_t queue_sent_ = 0;  // of queue_
  TimeMs last_activity_;
  TimeMs drained_at_ = 0;      // when the last byte that was there was read
  TimeMs unread_since_ = 0;    // what is read now has come later
  bool drained_ = true;        // nothing was left unread
  Timers::Id unfinished_ = 0;  // connecting, shaking hands, then: a message not finished
  Timers::Id keep_alive_ = 0;
  Timers::Id pong_ = 0;  // a ping of ours waits for a sign of life
  int pongs_ = 0;        // pings in a row that had a pong
  uint64_t pings_ = 0;
  Phase phase_;
  bool want_write_ = false;  // the stream must write before it can go on
  bool closed_ = false;
};

}  // namespace sipctl::sip
