// One UDP socket of ours: datagrams in by batches, datagrams out with a bounded queue behind the
// kernel's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sipctl/loop.h"
#include "sipctl/sip/arrival.h"
#include "sipctl/sip/socket.h"
#include "sipctl/sip/transport_counters.h"

namespace sipctl::sip {

class UdpListener {
 public:
  // Must not destroy the listener.
  using Received = std::function<void(std::string_view bytes, const SocketAddress& source)>;

  static absl::StatusOr<std::unique_ptr<UdpListener>> Open(Loop* loop, const SocketAddress& bind_to,
                                                           size_t queue_bytes_max,
                                                           TransportCounters* counters,
                                                           Received received);
  ~UdpListener();
  UdpListener(const UdpListener&) = delete;
  UdpListener& operator=(const UdpListener&) = delete;

  // OK also for a datagram that is lost here and might not be next time: the transaction sends it
  // again, as it does for what is lost further on. An error means that there is no way to `to`.
  absl::Status Send(const SocketAddress& to, std::string_view bytes);
  // Of the datagram that is handed up.
  const Backlog& backlog() const { return backlog_; }
  SocketAddress bound() const { return LocalAddressOf(socket_.fd()); }
  int fd() const { return socket_.fd(); }

 private:
  struct Batch;

  UdpListener(Loop* loop, Socket socket, size_t queue_bytes_max, TransportCounters* counters,
              Received received);
  void OnReady(uint32_t events);
  void Receive();
  void Flush();
  // 0 or the error.
  int SendNow(const SocketAddress& to, std::string_view bytes);

  struct Waiting {
    SocketAddress to;
    std::string bytes;
  };

  Loop* const loop_;
  Socket socket_;
  const size_t queue_bytes_max_;
  TransportCounters* const counters_;
  const Received received_;
  const std::unique_ptr<Batch> batch_;
  ArrivalClock arrival_;
  Backlog backlog_;
  std::deque<Waiting> queue_;
  size_t queue_bytes_ = 0;
};

}  // namespace sipctl::sip
