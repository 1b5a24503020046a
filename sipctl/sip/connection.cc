#include "sipctl/sip/connection.h"

#include <array>
#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kPing = "\r\n\r\n";
constexpr std::string_view kPong = "\r\n";
constexpr size_t kReadBytes = 65536;
constexpr int kReadsPerTurn = 4;  // then the other sockets have their turn

}  // namespace

Connection::Connection(Loop* loop, Socket socket, const Flow& flow, bool connecting,
                       const ConnectionOptions* options, TransportCounters* counters,
                       ConnectionUser* user)
    : loop_(loop),
      socket_(std::move(socket)),
      flow_(flow),
      options_(options),
      counters_(counters),
      user_(user),
      last_activity_(loop->now()),
      connecting_(connecting) {
  TuneConnection(socket_.fd(), options_->unacknowledged_ms);
  loop_->Watch(socket_.fd(), connecting_ ? EPOLLOUT : EPOLLIN,
               [this](uint32_t events) { OnReady(events); });
  if (connecting_) {
    unfinished_ = loop_->timers().After(options_->connect_timeout_ms, [this] {
      unfinished_ = 0;
      ++counters_->connect_failures;
      Close(absl::DeadlineExceededError(absl::StrCat("no connection to ", ToString(flow_.remote))),
            true);
    });
  }
  if (options_->keep_alive_ms > 0) {
    keep_alive_ = loop_->timers().After(options_->keep_alive_ms, [this] { KeepAlive(); });
  }
}

Connection::~Connection() {
  loop_->timers().Cancel(&unfinished_);
  loop_->timers().Cancel(&keep_alive_);
  if (!closed_) loop_->Unwatch(socket_.fd());
}

void Connection::Close(const absl::Status& why, bool lost) {
  if (closed_) return;
  closed_ = true;
  loop_->timers().Cancel(&unfinished_);
  loop_->timers().Cancel(&keep_alive_);
  loop_->Unwatch(socket_.fd());
  lost = lost || queue_.size() > queue_sent_ || UnacknowledgedBytes(socket_.fd()) > 0;
  socket_.Close();
  std::string().swap(queue_);
  ++counters_->closed;
  user_->OnStreamClosed(this, why, lost);
}

absl::Status Connection::SocketError() const {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  return absl::ErrnoToStatus(error == 0 ? ECONNRESET : error, ToString(flow_.remote));
}

void Connection::OnReady(uint32_t events) {
  if (connecting_) return OnConnected();
  if ((events & EPOLLOUT) && !Flush()) return;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Read();
}

void Connection::OnConnected() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    ++counters_->connect_failures;
    return Close(
        absl::ErrnoToStatus(error, absl::StrCat("no connection to ", ToString(flow_.remote))),
        true);
  }
  connecting_ = false;
  loop_->timers().Cancel(&unfinished_);
  if (Flush()) WatchEvents();
}

void Connection::WatchEvents() {
  const bool waiting = queue_.size() > queue_sent_;
  loop_->Modify(socket_.fd(), waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

absl::Status Connection::Send(std::string_view bytes) {
  if (closed_) return absl::UnavailableError("the connection is closed");
  last_activity_ = loop_->now();
  const bool idle = !connecting_ && queue_.empty();
  size_t written = 0;
  if (idle) {
    const ssize_t sent = send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      const absl::Status why = absl::ErrnoToStatus(errno, ToString(flow_.remote));
      Close(why, true);
      return why;
    }
    written = sent < 0 ? 0 : static_cast<size_t>(sent);
    if (written == bytes.size()) return absl::OkStatus();
  }
  // A message that is partly in the kernel must be finished, or the peer loses the framing.
  if (written == 0 && queue_.size() - queue_sent_ + bytes.size() > options_->queue_bytes_max) {
    ++counters_->stream_queue_full;
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue to ", ToString(flow_.remote), " is full"));
  }
  queue_.append(bytes.substr(written));
  if (idle) WatchEvents();
  return absl::OkStatus();
}

bool Connection::Flush() {
  while (queue_sent_ < queue_.size()) {
    const ssize_t sent =
        send(socket_.fd(), queue_.data() + queue_sent_, queue_.size() - queue_sent_, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) return true;
      Close(absl::ErrnoToStatus(errno, ToString(flow_.remote)), true);
      return false;
    }
    queue_sent_ += static_cast<size_t>(sent);
  }
  std::string().swap(queue_);  // an idle connection holds no buffer
  queue_sent_ = 0;
  WatchEvents();
  return true;
}

void Connection::Read() {
  // One buffer for all connections of the thread: nothing stays in it between two reads.
  static thread_local const auto kBuffer = std::make_unique_for_overwrite<char[]>(kReadBytes);
  for (int i = 0; i < kReadsPerTurn && !closed_; ++i) {
    const ssize_t count = recv(socket_.fd(), kBuffer.get(), kReadBytes, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return Close(absl::ErrnoToStatus(errno, ToString(flow_.remote)), true);
    if (count == 0) {
      return Close(absl::UnavailableError(absl::StrCat(ToString(flow_.remote), " closed")), false);
    }
    last_activity_ = loop_->now();
    counters_->bytes_in += static_cast<uint64_t>(count);
    framing_.Feed({kBuffer.get(), static_cast<size_t>(count)});
    Cut();
    if (static_cast<size_t>(count) < kReadBytes) return;
  }
}

void Connection::Cut() {
  bool any_finished = false;
  std::string_view message;
  while (!closed_) {
    switch (framing_.Next(&message)) {
      case StreamFraming::Cut::kMessage:
        any_finished = true;
        user_->OnStreamMessage(this, message);
        break;
      case StreamFraming::Cut::kPing:
        ++counters_->pings_in;
        Send(kPong).IgnoreError();  // without room for two bytes the peer is not reading anyway
        break;
      case StreamFraming::Cut::kNothing:
        return WatchUnfinished(any_finished);
      case StreamFraming::Cut::kBroken:
        ++counters_->broken_streams;
        return Close(absl::DataLossError(absl::StrCat(ToString(flow_.remote), ": ",
                                                      std::string(framing_.reason()))),
                     false);
    }
  }
}

void Connection::WatchUnfinished(bool any_finished) {
  if (any_finished || !framing_.partial()) loop_->timers().Cancel(&unfinished_);
  if (!framing_.partial() || unfinished_ != 0) return;
  unfinished_ = loop_->timers().After(options_->message_timeout_ms, [this] {
    unfinished_ = 0;
    ++counters_->unfinished_messages;
    Close(absl::DeadlineExceededError(
              absl::StrCat(ToString(flow_.remote), " did not finish a message in time")),
          false);
  });
}

void Connection::KeepAlive() {
  keep_alive_ = 0;
  const TimeMs idle = loop_->now() - last_activity_;
  if (idle >= options_->keep_alive_ms && !connecting_ && queue_.empty()) {
    ++counters_->pings_out;
    if (!Send(kPing).ok() && closed_) return;
  }
  const TimeMs wait = options_->keep_alive_ms - (loop_->now() - last_activity_);
  keep_alive_ =
      loop_->timers().After(wait > 0 ? wait : options_->keep_alive_ms, [this] { KeepAlive(); });
}

}  // namespace sipctl::sip
