#include "relay/conductor/greeter.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace relay::conductor {
namespace {

constexpr size_t kGroupsMax = 256;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path ", path, " is empty or longer than 107 bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Removes what a dead relay left, and refuses to disturb a living one.
absl::Status ClearPath(const std::string& path, const sockaddr_un& address) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : absl::ErrnoToStatus(errno, absl::StrCat("socket path ", path));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " exists and is no socket; give --socket another path"));
  }
  const abi::Descriptor probe(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN) {
    return absl::FailedPreconditionError(
        absl::StrCat("another relay answers on ", path, "; stop it or give --socket another path"));
  }
  if (unlink(path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("removing the stale socket ", path));
  }
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return absl::OkStatus();
  const std::string folder = path.substr(0, slash);
  if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("making the folder ", folder));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Greeter> Greeter::Open(const Door& door) {
  absl::StatusOr<sockaddr_un> address = AddressOf(door.path);
  if (!address.ok()) return address.status();
  Greeter greeter;
  if (!door.group.empty()) {
    const group* entry = getgrnam(door.group.c_str());
    if (entry == nullptr) {
      return absl::NotFoundError(absl::StrCat("--group ", door.group, ": no such group here"));
    }
    greeter.group_ = entry->gr_gid;
  }
  if (absl::Status status = MakeFolder(door.path); !status.ok()) return status;
  if (absl::Status status = ClearPath(door.path, *address); !status.ok()) return status;

  greeter.listen_fd_ =
      abi::Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const mode_t mask = umask(greeter.group_ ? 0117 : 0177);
  const bool bound =
      bind(greeter.listen_fd(), reinterpret_cast<sockaddr*>(&*address), sizeof *address) == 0;
  const int error = errno;
  umask(mask);
  if (!bound) return absl::ErrnoToStatus(error, absl::StrCat("binding ", door.path));
  greeter.path_ = door.path;
  if (greeter.group_ && chown(door.path.c_str(), static_cast<uid_t>(-1), *greeter.group_) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("giving ", door.path, " to --group"));
  }
  if (listen(greeter.listen_fd(), kGuestsMax) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("listening on ", door.path));
  }
  return greeter;
}

Greeter::~Greeter() {
  if (listen_fd_.valid() && !path_.empty()) unlink(path_.c_str());
}

bool Greeter::Permitted(int fd) const {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  if (peer.uid == 0 || peer.uid == geteuid()) return true;
  if (!group_) return false;
  if (peer.gid == *group_) return true;
  gid_t groups[kGroupsMax];
  length = sizeof groups;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) return false;
  return std::find(groups, groups + length / sizeof(gid_t), *group_) !=
         groups + length / sizeof(gid_t);
}

int Greeter::Admit(TimeNs now) {
  for (;;) {
    abi::Descriptor socket(
        accept4(listen_fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      someone_waits_ = errno != EAGAIN;  // EMFILE, ENFILE, ENOBUFS, ENOMEM
      return -1;
    }
    if (!Permitted(socket.get())) {
      SendRefusal(socket.get(), abi::WelcomeStatus::kNotPermitted);
      continue;
    }
    if (guests_.size() == kGuestsMax) guests_.erase(guests_.begin());
    const int fd = socket.get();
    guests_.push_back({.socket = std::move(socket), .deadline_ns = now + kGreetingTimeout});
    return fd;
  }
}

std::optional<Greeter::Visitor> Greeter::Read(int fd) {
  const auto guest = std::find_if(guests_.begin(), guests_.end(),
                                  [fd](const Guest& g) { return g.socket.get() == fd; });
  if (guest == guests_.end()) return std::nullopt;
  Visitor visitor{};
  const ssize_t got =
      recv(fd, &visitor.hello, sizeof visitor.hello, MSG_DONTWAIT | MSG_TRUNC | MSG_NOSIGNAL);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  visitor.socket = std::move(guest->socket);
  guests_.erase(guest);
  const abi::Hello& hello = visitor.hello;
  abi::WelcomeStatus status = abi::WelcomeStatus::kOk;
  if (got != sizeof hello || hello.magic != abi::kMagic) {
    status = abi::WelcomeStatus::kBadHello;
  } else if (hello.layout_version != abi::kLayoutVersion ||
             hello.layout_hash != abi::LayoutHash()) {
    status = abi::WelcomeStatus::kLayoutMismatch;
  } else if (hello.reserved != 0 ||
             (hello.role != abi::Role::kClient && hello.role != abi::Role::kObserver) ||
             (hello.role == abi::Role::kClient && hello.owner_cookie == 0)) {
    status = abi::WelcomeStatus::kBadHello;
  }
  if (status == abi::WelcomeStatus::kOk) return visitor;
  SendRefusal(visitor.socket.get(), status);
  return std::nullopt;
}

void Greeter::Expire(TimeNs now) {
  std::erase_if(guests_, [now](const Guest& guest) { return guest.deadline_ns <= now; });
}

bool SendWelcome(int socket, const abi::Welcome& welcome, std::span<const int> descriptors) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * abi::kClientDescriptors)]{};
  iovec part{const_cast<abi::Welcome*>(&welcome), sizeof welcome};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof welcome;
}

void SendRefusal(int socket, abi::WelcomeStatus status) {
  abi::Welcome welcome{};
  welcome.magic = abi::kMagic;
  welcome.layout_version = abi::kLayoutVersion;
  welcome.layout_hash = abi::LayoutHash();
  welcome.status = status;
  SendWelcome(socket, welcome, {});
}

}  // namespace relay::conductor
