#include "sipctl/sip/tcp_listener.h"

#include <cerrno>
#include <utility>

namespace sipctl::sip {
namespace {

constexpr int kAcceptsPerTurn = 64;
// While descriptors are short the listener would be ready without end.
constexpr TimeMs kPauseMs = 100;

bool IsTransient(int error) {
  return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TcpListener>> TcpListener::Open(Loop* loop,
                                                               const SocketAddress& bind_to,
                                                               TransportCounters* counters,
                                                               Accepted accepted) {
  absl::StatusOr<Socket> socket = OpenListener(bind_to);
  if (!socket.ok()) return socket.status();
  return std::unique_ptr<TcpListener>(
      new TcpListener(loop, *std::move(socket), counters, std::move(accepted)));
}

TcpListener::TcpListener(Loop* loop, Socket socket, TransportCounters* counters, Accepted accepted)
    : loop_(loop), socket_(std::move(socket)), counters_(counters), accepted_(std::move(accepted)) {
  loop_->Watch(socket_.fd(), EPOLLIN, [this](uint32_t) { Accept(); });
}

TcpListener::~TcpListener() {
  loop_->timers().Cancel(&pause_);
  loop_->Unwatch(socket_.fd());
}

void TcpListener::Accept() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    KernelAddress source;
    Socket socket(accept4(socket_.fd(), source.data(), &source.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.fd() >= 0) {
      accepted_(std::move(socket), source.ToSocketAddress());
      continue;
    }
    if (IsTransient(errno)) return;
    ++counters_->accept_failures;
    loop_->Modify(socket_.fd(), 0);
    pause_ = loop_->timers().After(kPauseMs, [this] {
      pause_ = 0;
      loop_->Modify(socket_.fd(), EPOLLIN);
    });
    return;
  }
}

}  // namespace sipctl::sip
