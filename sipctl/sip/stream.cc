#include "sipctl/sip/stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sipctl::sip {
namespace {

class PlainStream : public Stream {
 public:
  explicit PlainStream(int fd) : fd_(fd) {}

  Result Handshake() override { return {Outcome::kDone}; }
  Result Read(char* buffer, size_t size) override {
    const ssize_t count = recv(fd_, buffer, size, 0);
    if (count == 0) return {Outcome::kClosed};
    return ResultOf(count, Outcome::kWantRead);
  }
  Result Write(std::string_view bytes) override {
    return ResultOf(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), Outcome::kWantWrite);
  }
  void Shutdown() override {}
  std::string error() const override { return std::strerror(error_); }

 private:
  Result ResultOf(ssize_t count, Outcome later) {
    if (count >= 0) return {Outcome::kDone, static_cast<size_t>(count)};
    if (errno == EAGAIN || errno == EINTR) return {later};
    error_ = errno;
    return {Outcome::kFailed};
  }

  const int fd_;
  int error_ = 0;
};

}  // namespace

std::unique_ptr<Stream> MakePlainStream(int fd) {
  return std::make_unique<PlainStream>(fd);
}

}  // namespace sipctl::sip
