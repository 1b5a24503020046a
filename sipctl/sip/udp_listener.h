// One UDP socket of ours: datagrams in by batches, datagrams out with a bounded queue behind the
// kernel's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sipctl/loop.h"
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

  absl::Status Send(const SocketAddress& to, std::string_view bytes);
  SocketAddress bound() const { return LocalAddressOf(socket_.fd()); }

 private:
  struct Batch;

  UdpListener(Loop* loop, Socket socket, size_t queue_bytes_max, TransportCounters* counters,
              Received received);
  void OnReady(uint32_t events);
  void Receive();
  void Flush();
  bool SendNow(const SocketAddress& to, std::string_view bytes);  // false: the kernel is full

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
  std::deque<Waiting> queue_;
  size_t queue_bytes_ = 0;
  int send_error_ = 0;  // of the last SendNow, 0 if it was sent
};

}  // namespace sipctl::sip
