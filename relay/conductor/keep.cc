#include "relay/conductor/keep.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/text.h"

namespace relay::conductor {
namespace {

constexpr int kListenFdsStart = 3;  // SD_LISTEN_FDS_START
constexpr int kKeptMax = 1024;

std::string TakeVariable(const char* name) {
  const char* value = std::getenv(name);
  std::string copy = value == nullptr ? "" : value;
  unsetenv(name);
  return copy;
}

// ':' ends a name in LISTEN_FDNAMES and a newline ends an assignment in the protocol.
bool IsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-';
  });
}

}  // namespace

Keeper Keeper::FromEnvironment() {
  Keeper keeper;
  keeper.notify_socket_ = TakeVariable("NOTIFY_SOCKET");
  const std::string pid = TakeVariable("LISTEN_PID");
  const std::string fds = TakeVariable("LISTEN_FDS");
  const std::string fd_names = TakeVariable("LISTEN_FDNAMES");
  int listen_pid = 0;
  int count = 0;
  if (!absl::SimpleAtoi(pid, &listen_pid) || listen_pid != getpid()) return keeper;
  if (!absl::SimpleAtoi(fds, &count) || count < 0 || count > kKeptMax) return keeper;
  const std::vector<std::string> names = absl::StrSplit(fd_names, ':');
  for (int i = 0; i < count; ++i) {
    const int fd = kListenFdsStart + i;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;
    const std::string name = static_cast<size_t>(i) < names.size() ? names[i] : "unknown";
    keeper.kept_.push_back({name, abi::Descriptor(fd)});
  }
  return keeper;
}

absl::Status Keeper::Keep(std::string_view name, int fd) {
  if (!IsName(name)) return absl::InvalidArgumentError(absl::StrCat("bad name: ", View(name)));
  if (Kept(name)) {  // the store would hold both, and nobody could tell them apart
    if (absl::Status status = Forget(name); !status.ok()) return status;
  }
  return Send(absl::StrCat("FDSTORE=1\nFDNAME=", View(name)), fd);
}

absl::Status Keeper::Forget(std::string_view name) {
  if (!IsName(name)) return absl::InvalidArgumentError(absl::StrCat("bad name: ", View(name)));
  return Send(absl::StrCat("FDSTOREREMOVE=1\nFDNAME=", View(name)), -1);
}

std::optional<abi::Descriptor> Keeper::Kept(std::string_view name) {
  const auto found = std::find_if(kept_.begin(), kept_.end(),
                                  [name](const Entry& entry) { return entry.name == name; });
  if (found == kept_.end()) return std::nullopt;
  abi::Descriptor fd = std::move(found->fd);
  kept_.erase(found);
  return fd;
}

absl::Status Keeper::Send(std::string_view text, int fd) const {
  if (notify_socket_.empty()) return absl::OkStatus();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (notify_socket_.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError("NOTIFY_SOCKET is too long");
  }
  std::memcpy(address.sun_path, notify_socket_.data(), notify_socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // abstract name
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + notify_socket_.size());

  const abi::Descriptor socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd.valid()) return absl::ErrnoToStatus(errno, "notify socket");
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)]{};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = length;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (sendmsg(socket_fd.get(), &message, MSG_NOSIGNAL) < 0) {
    return absl::ErrnoToStatus(errno, "telling the service manager");
  }
  return absl::OkStatus();
}

}  // namespace relay::conductor
