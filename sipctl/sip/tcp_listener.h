// One listening TCP socket: accepts and hands over.
#pragma once

#include <functional>
#include <memory>

#include "sipctl/loop.h"
#include "sipctl/sip/socket.h"
#include "sipctl/sip/transport_counters.h"

namespace sipctl::sip {

class TcpListener {
 public:
  using Accepted = std::function<void(Socket socket, const SocketAddress& source)>;

  static absl::StatusOr<std::unique_ptr<TcpListener>> Open(Loop* loop, const SocketAddress& bind_to,
                                                           TransportCounters* counters,
                                                           Accepted accepted);
  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

  SocketAddress bound() const { return LocalAddressOf(socket_.fd()); }
  int fd() const { return socket_.fd(); }

 private:
  TcpListener(Loop* loop, Socket socket, TransportCounters* counters, Accepted accepted);
  void Accept();

  Loop* const loop_;
  Socket socket_;
  TransportCounters* const counters_;
  const Accepted accepted_;
  Timers::Id pause_ = 0;
};

}  // namespace sipctl::sip
