#include "sipctl/cli/control.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sipctl::cli {

namespace {

constexpr size_t kQuestionBytesMax = 256;
constexpr size_t kVisitorsMax = 16;

bool FillAddress(const std::string& path, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address->sun_path) return false;
  std::memcpy(address->sun_path, path.data(), path.size());
  return true;
}

absl::Status Failure(const std::string& path, const char* what) {
  return absl::UnavailableError(absl::StrCat(path, ": ", what, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Control>> Control::Create(Loop* loop, std::string path,
                                                         Answer answer) {
  sockaddr_un address;
  if (!FillAddress(path, &address)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a path of 1 to 107 bytes"));
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Failure(path, "socket");
  std::unique_ptr<Control> control(new Control(loop, path, std::move(answer), fd));
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, name, sizeof address) != 0) {
    if (errno != EADDRINUSE) return Failure(path, "bind");
    if (connect(fd, name, sizeof address) == 0 || errno != ECONNREFUSED) {
      control->path_.clear();  // the file is not ours to remove
      return absl::AlreadyExistsError(absl::StrCat(path, ": another sipctl answers there"));
    }
    unlink(path.c_str());
    if (bind(fd, name, sizeof address) != 0) return Failure(path, "bind");
  }
  if (listen(fd, kVisitorsMax) != 0) return Failure(path, "listen");
  loop->Watch(fd, EPOLLIN, [raw = control.get()](uint32_t) { raw->Accept(); });
  return control;
}

Control::Control(Loop* loop, std::string path, Answer answer, int listener)
    : loop_(loop), path_(std::move(path)), answer_(std::move(answer)), listener_(listener) {}

Control::~Control() {
  while (!visitors_.empty()) Close(visitors_.begin()->first);
  loop_->Unwatch(listener_);
  close(listener_);
  if (!path_.empty()) unlink(path_.c_str());
}

void Control::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (visitors_.size() >= kVisitorsMax) {
      close(fd);
      continue;
    }
    visitors_[fd].number = ++visitors_so_far_;
    loop_->Watch(fd, EPOLLIN, [this, fd](uint32_t) { OnReady(fd); });
  }
}

void Control::OnReady(int fd) {
  const auto found = visitors_.find(fd);
  if (found == visitors_.end()) return;
  Visitor& visitor = found->second;
  if (visitor.answering) return Send(fd, &visitor);
  if (visitor.asked) return Close(fd);  // it hung up before its answer came
  char bytes[kQuestionBytesMax];
  const ssize_t got = read(fd, bytes, sizeof bytes);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || visitor.question.size() + static_cast<size_t>(got) > kQuestionBytesMax) {
    return Close(fd);
  }
  visitor.question.append(bytes, static_cast<size_t>(got));
  const size_t end = visitor.question.find('\n');
  if (end == std::string::npos) return;
  visitor.asked = true;
  loop_->Modify(fd, 0);
  const std::string question = visitor.question.substr(0, end);  // the visitor may end in `answer_`
  answer_(question, [this, fd, number = visitor.number,
                     alive = std::weak_ptr<bool>(alive_)](std::string answer) {
    if (!alive.expired()) TakeReply(fd, number, std::move(answer));
  });
}

void Control::TakeReply(int fd, uint64_t number, std::string answer) {
  const auto found = visitors_.find(fd);
  if (found == visitors_.end() || found->second.number != number) return;
  found->second.answer = std::move(answer);
  found->second.answering = true;
  Send(fd, &found->second);
}

void Control::Send(int fd, Visitor* visitor) {
  while (visitor->sent < visitor->answer.size()) {
    const ssize_t sent = send(fd, visitor->answer.data() + visitor->sent,
                              visitor->answer.size() - visitor->sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      loop_->Modify(fd, EPOLLOUT);
      return;
    }
    if (sent <= 0) break;
    visitor->sent += static_cast<size_t>(sent);
  }
  Close(fd);
}

void Control::Close(int fd) {
  loop_->Unwatch(fd);
  close(fd);
  visitors_.erase(fd);
}

absl::StatusOr<std::string> Ask(const std::string& path, std::string_view question,
                                int timeout_ms) {
  sockaddr_un address;
  if (!FillAddress(path, &address)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a path of 1 to 107 bytes"));
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failure(path, "socket");
  const timeval timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  std::string answer;
  absl::Status status;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    status = Failure(path, "no sipctl answers there");
  } else {
    std::string line(question);
    line.push_back('\n');
    char bytes[16384];
    ssize_t got = send(fd, line.data(), line.size(), MSG_NOSIGNAL);
    while (got > 0) {
      got = read(fd, bytes, sizeof bytes);
      if (got > 0) answer.append(bytes, static_cast<size_t>(got));
    }
    if (got < 0) status = Failure(path, "no answer");
  }
  close(fd);
  if (!status.ok()) return status;
  return answer;
}

int PrintAnswer(const std::string& path, std::string_view question, std::ostream& out,
                std::ostream& errors) {
  const auto answer = Ask(path, question);
  if (!answer.ok()) {
    errors << "sipctl: " << std::string(answer.status().message()) << "\n";
    return 1;
  }
  out << *answer;
  return 0;
}

}  // namespace sipctl::cli
