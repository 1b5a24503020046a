#include "sipctl/sip/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sipctl::sip {
namespace {

constexpr std::string_view kPing = "\r\n\r\n";
constexpr std::string_view kPong = "\r\n";
constexpr size_t kReadBytes = 65536;
constexpr int kReadsPerTurn = 4;  // then the other sockets have their turn
// One pong could be a keep-alive of the peer's own: some send CR LF alone.
constexpr int kPongsShown = 2;

}  // namespace

Connection::Connection(Loop* loop, Socket socket, std::unique_ptr<Stream> stream, const Flow& flow,
                       Phase begins, const ConnectionOptions* options, TransportCounters* counters,
                       ConnectionUser* user)
    : loop_(loop),
      socket_(std::move(socket)),
      stream_(std::move(stream)),
      flow_(flow),
      options_(options),
      counters_(counters),
      user_(user),
      last_activity_(loop->now()),
      phase_(begins) {
  TuneConnection(socket_.fd(), options_->unacknowledged_ms);
  const bool connecting = phase_ == Phase::kConnecting;
  loop_->Watch(socket_.fd(), connecting ? EPOLLOUT : EPOLLIN,
               [this](uint32_t events) { OnReady(events); });
  if (connecting) {
    Limit(options_->connect_timeout_ms, &counters_->connect_failures, "no connection");
  } else if (flow_.protocol == Protocol::kTls) {
    Limit(options_->handshake_timeout_ms, &counters_->handshake_failures, "no TLS hand-shake");
  } else {
    phase_ = Phase::kOpen;
  }
  if (options_->keep_alive_ms > 0) {
    keep_alive_ = loop_->timers().After(NextPing(), [this] { KeepAlive(); });
  }
}

Connection::~Connection() {
  loop_->timers().Cancel(&unfinished_);
  loop_->timers().Cancel(&keep_alive_);
  loop_->timers().Cancel(&pong_);
  if (!closed_) loop_->Unwatch(socket_.fd());
}

void Connection::Limit(TimeMs limit, uint64_t* counter, std::string_view what) {
  loop_->timers().Cancel(&unfinished_);
  unfinished_ = loop_->timers().After(limit, [this, counter, what] {
    unfinished_ = 0;
    ++*counter;
    Close(absl::DeadlineExceededError(
              absl::StrCat(std::string(what), " with ", ToString(flow_.remote), " in time")),
          false);
  });
}

void Connection::Close(const absl::Status& why, bool lost) {
  if (closed_) return;
  closed_ = true;
  loop_->timers().Cancel(&unfinished_);
  loop_->timers().Cancel(&keep_alive_);
  loop_->timers().Cancel(&pong_);
  loop_->Unwatch(socket_.fd());
  lost = lost || queue_.size() > queue_sent_ ||
         (phase_ == Phase::kOpen && UnacknowledgedBytes(socket_.fd()) > 0);
  stream_->Shutdown();
  socket_.Close();
  std::string().swap(queue_);
  ++counters_->closed;
  user_->OnStreamClosed(this, why, lost);
}

absl::Status Connection::Failure(std::string_view what) const {
  return absl::UnavailableError(
      absl::StrCat(std::string(what), ToString(flow_.remote), ": ", stream_->error()));
}

void Connection::OnReady(uint32_t events) {
  if (phase_ == Phase::kConnecting) OnConnected();
  if (closed_ || phase_ == Phase::kConnecting) return;
  if (phase_ == Phase::kShakingHands) ShakeHands();
  if (closed_ || phase_ != Phase::kOpen) return;
  // TLS may have to read before it can write, and the other way round.
  if ((events & (EPOLLOUT | EPOLLIN)) && queue_.size() > queue_sent_ && !Flush()) return;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) || want_write_) Read();
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
  phase_ = Phase::kShakingHands;
  if (flow_.protocol == Protocol::kTls) {
    Limit(options_->handshake_timeout_ms, &counters_->handshake_failures, "no TLS hand-shake");
  }
}

void Connection::ShakeHands() {
  switch (stream_->Handshake().outcome) {
    case Stream::Outcome::kDone:
      break;
    case Stream::Outcome::kWantRead:
      return loop_->Modify(socket_.fd(), EPOLLIN);
    case Stream::Outcome::kWantWrite:
      return loop_->Modify(socket_.fd(), EPOLLOUT);
    case Stream::Outcome::kClosed:
    case Stream::Outcome::kFailed:
      ++counters_->handshake_failures;
      return Close(Failure("no TLS hand-shake with "), false);
  }
  phase_ = Phase::kOpen;
  loop_->timers().Cancel(&unfinished_);
  if (flow_.protocol == Protocol::kTls) ++counters_->handshakes;
  if (Flush()) WatchEvents();
}

void Connection::WatchEvents() {
  const bool waiting = queue_.size() > queue_sent_ || want_write_;
  loop_->Modify(socket_.fd(), waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

absl::Status Connection::Send(std::string_view bytes) {
  if (closed_) return absl::UnavailableError("the connection is closed");
  last_activity_ = loop_->now();
  size_t written = 0;
  const bool was_idle = idle();
  if (was_idle) {
    const Stream::Result result = stream_->Write(bytes);
    if (result.outcome == Stream::Outcome::kFailed || result.outcome == Stream::Outcome::kClosed) {
      const absl::Status why = Failure("");
      Close(why, true);
      return why;
    }
    written = result.bytes;
    if (written == bytes.size()) return absl::OkStatus();
  }
  // A message that is begun must be finished, or the peer loses the framing.
  if (!was_idle && queue_.size() - queue_sent_ + bytes.size() > options_->queue_bytes_max) {
    ++counters_->stream_queue_full;
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue to ", ToString(flow_.remote), " is full"));
  }
  queue_.append(bytes.substr(written));
  if (was_idle) WatchEvents();
  return absl::OkStatus();
}

bool Connection::Flush() {
  if (queue_.empty()) return true;
  while (queue_sent_ < queue_.size()) {
    const Stream::Result result = stream_->Write(std::string_view(queue_).substr(queue_sent_));
    queue_sent_ += result.bytes;
    if (result.outcome == Stream::Outcome::kDone) continue;
    if (result.outcome == Stream::Outcome::kWantRead ||
        result.outcome == Stream::Outcome::kWantWrite) {
      WatchEvents();
      return true;
    }
    Close(Failure(""), true);
    return false;
  }
  std::string().swap(queue_);  // an idle connection holds no buffer
  queue_sent_ = 0;
  WatchEvents();
  return true;
}

void Connection::Read() {
  // One buffer for all connections of the thread: nothing stays in it between two reads.
  static thread_local const auto kBuffer = std::make_unique_for_overwrite<char[]>(kReadBytes);
  const bool wanted_write = std::exchange(want_write_, false);
  if (drained_) unread_since_ = std::max(drained_at_, loop_->ready_since());
  for (int i = 0; i < kReadsPerTurn && !closed_; ++i) {
    const TimeMs read_at = loop_->ClockNow();
    const Stream::Result result = stream_->Read(kBuffer.get(), kReadBytes);
    // Of plain TCP a short read was all; TLS brings one record at a time, and leaves the next one
    // in the socket, so that epoll tells of it.
    drained_ = result.outcome == Stream::Outcome::kWantRead ||
               (flow_.protocol != Protocol::kTls && result.bytes < kReadBytes);
    if (drained_) drained_at_ = read_at;
    switch (result.outcome) {
      case Stream::Outcome::kDone:
        break;
      case Stream::Outcome::kWantRead:
        i = kReadsPerTurn;
        continue;
      case Stream::Outcome::kWantWrite:
        want_write_ = true;
        i = kReadsPerTurn;
        continue;
      case Stream::Outcome::kClosed:
        return Close(absl::UnavailableError(absl::StrCat(ToString(flow_.remote), " closed")),
                     false);
      case Stream::Outcome::kFailed:
        return Close(Failure(""), true);
    }
    last_activity_ = loop_->now();
    counters_->bytes_in += result.bytes;
    framing_.Feed({kBuffer.get(), result.bytes});
    Cut();
    explicit_bzero(kBuffer.get(), result.bytes);  // there may have been keys in it
    // Whatever came, the peer is there.
    loop_->timers().Cancel(&pong_);
    if (drained_) break;
  }
  SeeWhatIsLeft();
  if (!closed_ && want_write_ != wanted_write) WatchEvents();
}

// As many reads as a turn has may have been all there was, and then epoll tells of nothing until
// more comes: only the socket knows. Of TLS nothing is left anywhere else, since our buffer takes a
// whole record, and OpenSSL reads no further by itself.
void Connection::SeeWhatIsLeft() {
  if (closed_ || drained_) return;
  const TimeMs looked_at = loop_->ClockNow();
  drained_ = UnreadBytes(socket_.fd()) == 0;
  if (drained_) drained_at_ = looked_at;
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
      case StreamFraming::Cut::kPong:
        OnPong();
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

// From 80 to 100 % of the time, another share at each connection and each ping.
TimeMs Connection::NextPing() {
  const uint64_t mixed =
      (flow_.connection + 1) * 0x9e3779b97f4a7c15u + ++pings_ * 0xbf58476d1ce4e5b9u;
  const auto share = static_cast<TimeMs>((mixed >> 32) % 1001);
  return options_->keep_alive_ms - options_->keep_alive_ms * share / 5000;
}

void Connection::KeepAlive() {
  keep_alive_ = 0;
  const TimeMs after = NextPing();
  const TimeMs silence = loop_->now() - last_activity_;
  // A little less than a whole turn of silence is enough: the next chance would be a turn later.
  if (silence >= options_->keep_alive_ms * 4 / 5 && idle()) {
    ++counters_->pings_out;
    if (!Send(kPing).ok() && closed_) return;
    if (pong_ == 0) pong_ = loop_->timers().After(options_->pong_ms, [this] { MissPong(); });
  }
  const TimeMs wait = after - (loop_->now() - last_activity_);
  keep_alive_ = loop_->timers().After(wait > 0 ? wait : after, [this] { KeepAlive(); });
}

void Connection::OnPong() {
  if (pong_ == 0) return;  // of nothing that we have sent
  loop_->timers().Cancel(&pong_);
  if (pongs_ < kPongsShown) ++pongs_;
}

void Connection::MissPong() {
  pong_ = 0;
  if (std::exchange(pongs_, 0) < kPongsShown) return;  // many a peer knows no pongs
  ++counters_->pongs_missed;
  Close(absl::DeadlineExceededError(
            absl::StrCat(ToString(flow_.remote), " has stopped to answer pings")),
        true);
}

}  // namespace sipctl::sip
