#include "sipctl/cli/probe_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sipctl/loop.h"

namespace sipctl::cli {
namespace {

constexpr int kT1Ms = 500;  // RFC 3261 section 17.1.1.1
constexpr int kT2Ms = 4000;
constexpr size_t kAnswerBytesMax = 65'536;

socklen_t Fill(const sdp::IpEndpoint& endpoint, sockaddr_storage* storage) {
  *storage = {};
  if (endpoint.address.IsIpv4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    std::memcpy(&v4->sin_addr, endpoint.address.bytes.data() + 12, 4);
    return sizeof *v4;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(endpoint.port);
  std::memcpy(&v6->sin6_addr, endpoint.address.bytes.data(), 16);
  return sizeof *v6;
}

absl::Status FromErrno(int error) {
  if (error == ETIMEDOUT) return absl::DeadlineExceededError("no answer");
  return absl::UnavailableError(std::strerror(error));
}

// Waits until the descriptor is ready; false when the time is over.
bool WaitFor(int fd, short events, int wait_ms) {
  pollfd wanted{.fd = fd, .events = events, .revents = 0};
  return poll(&wanted, 1, std::max(wait_ms, 0)) > 0;
}

}  // namespace

ProbeSocket::~ProbeSocket() {
  if (fd_ >= 0) close(fd_);
}

absl::Status ProbeSocket::Connect(const sdp::IpAddress& from, const sdp::IpEndpoint& to,
                                  bool stream, int wait_ms) {
  stream_ = stream;
  fd_ = socket(to.address.IsIpv4() ? AF_INET : AF_INET6,
               (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return FromErrno(errno);
  bytes_ = sip::MakePlainStream(fd_);
  sockaddr_storage storage;
  if (!from.IsUnspecified() && from.IsIpv4() == to.address.IsIpv4()) {
    const socklen_t size = Fill({.address = from, .port = 0}, &storage);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&storage), size) != 0) {
      return absl::FailedPreconditionError(std::strerror(errno));
    }
  }
  const socklen_t size = Fill(to, &storage);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&storage), size) == 0) return absl::OkStatus();
  if (errno != EINPROGRESS) return FromErrno(errno);
  if (!WaitFor(fd_, POLLOUT, wait_ms)) return FromErrno(ETIMEDOUT);
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  return error == 0 ? absl::OkStatus() : FromErrno(error);
}

sdp::IpEndpoint ProbeSocket::local() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &size);
  sdp::IpEndpoint endpoint{};
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    endpoint.address.bytes[10] = endpoint.address.bytes[11] = 0xff;
    std::memcpy(endpoint.address.bytes.data() + 12, &v4->sin_addr, 4);
    endpoint.port = ntohs(v4->sin_port);
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    std::memcpy(endpoint.address.bytes.data(), &v6->sin6_addr, 16);
    endpoint.port = ntohs(v6->sin6_port);
  }
  return endpoint;
}

bool ProbeSocket::Wait(sip::Stream::Outcome outcome, TimeMs end) const {
  const short events = outcome == sip::Stream::Outcome::kWantWrite ? POLLOUT : POLLIN;
  return WaitFor(fd_, events, static_cast<int>(end - MonotonicNow()));
}

absl::Status ProbeSocket::Secure(sip::TlsContext* context, std::string_view name, int wait_ms) {
  const TimeMs end = MonotonicNow() + wait_ms;
  std::unique_ptr<sip::TlsStream> tls = context->MakeStream(fd_, name, {});
  tls_ = tls.get();
  bytes_ = std::move(tls);
  while (true) {
    switch (const auto result = bytes_->Handshake(); result.outcome) {
      case sip::Stream::Outcome::kDone:
        return absl::OkStatus();
      case sip::Stream::Outcome::kClosed:
        return absl::UnavailableError("closed in the middle of the hand-shake");
      case sip::Stream::Outcome::kFailed:
        return absl::UnavailableError(bytes_->error());
      default:
        if (!Wait(result.outcome, end)) return FromErrno(ETIMEDOUT);
    }
  }
}

absl::Status ProbeSocket::Send(std::string_view bytes, TimeMs end) {
  while (!bytes.empty()) {
    const auto result = bytes_->Write(bytes);
    if (result.outcome == sip::Stream::Outcome::kDone) {
      bytes.remove_prefix(result.bytes);
    } else if (result.outcome == sip::Stream::Outcome::kFailed ||
               result.outcome == sip::Stream::Outcome::kClosed) {
      return absl::UnavailableError(bytes_->error());
    } else if (!Wait(result.outcome, end)) {
      return FromErrno(ETIMEDOUT);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ProbeSocket::Ask(std::string_view request, int wait_ms) {
  const TimeMs end = MonotonicNow() + wait_ms;
  int again_ms = kT1Ms;
  std::string answer;
  if (const absl::Status sent = Send(request, end); !sent.ok()) return sent;
  while (answer.find("\r\n\r\n") == std::string::npos) {
    char buffer[8192];
    const auto result = bytes_->Read(buffer, sizeof buffer);
    if (result.outcome == sip::Stream::Outcome::kDone) {
      answer.append(buffer, result.bytes);
      if (answer.size() > kAnswerBytesMax || MonotonicNow() >= end) break;  // whatever it is
      continue;
    }
    if (result.outcome == sip::Stream::Outcome::kClosed) {
      if (!stream_) continue;  // an empty datagram
      return absl::UnavailableError("the connection was closed without an answer");
    }
    if (result.outcome == sip::Stream::Outcome::kFailed) {
      return absl::UnavailableError(bytes_->error());
    }
    const TimeMs now = MonotonicNow();
    if (now >= end) return FromErrno(ETIMEDOUT);
    const TimeMs until = stream_ ? end : std::min(end, now + again_ms);
    if (Wait(result.outcome, until) || until == end) continue;
    again_ms = std::min(again_ms * 2, kT2Ms);
    if (const absl::Status sent = Send(request, end); !sent.ok()) return sent;
  }
  return answer;
}

}  // namespace sipctl::cli
