#include "relay/claim.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <set>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/text.h"

namespace relay {
namespace {

constexpr char kMark[] = "tandem/";

// Of a name (unix(7), abstract: behind a zero), and its length in *address; 0 when it has no room.
socklen_t Fill(std::string_view name, sockaddr_un* address) {
  *address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (name.size() >= sizeof address->sun_path) return 0;
  std::copy(name.begin(), name.end(), address->sun_path + 1);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

// Not blocking: a queue that is full, by whomsoever, must not keep a start waiting.
abi::Descriptor Socket() {
  return abi::Descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Whether somebody holds it whom we must heed. A socket that nobody may ask is nobody's: else any
// user could have one.
bool IsHeeded(std::string_view name) {
  const abi::Descriptor asking = Socket();
  sockaddr_un address;
  const socklen_t length = Fill(name, &address);
  ucred who{};
  socklen_t size = sizeof who;
  return length != 0 &&
         connect(asking.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
         getsockopt(asking.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
         (who.uid == 0 || who.uid == geteuid());
}

}  // namespace

absl::StatusOr<Claim> Claim::Make(std::string_view kind, std::string_view what) {
  // The process's number alone would not do: in containers that share a network it may be 1 for
  // all.
  uint64_t number = 0;
  while (getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  std::string name =
      absl::StrCat(kMark, View(kind), "/", View(what), "/", getpid(), "/", absl::Hex(number));
  sockaddr_un address;
  const socklen_t length = Fill(name, &address);
  assert(length != 0);
  abi::Descriptor held = Socket();
  // Nobody accepts: who connects learns whose it is, which is all.
  if (!held.valid() || bind(held.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      listen(held.get(), SOMAXCONN) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("claiming ", View(what)));
  }
  return Claim(std::move(name), std::move(held));
}

std::vector<Claim::Other> Claim::Others(std::string_view kind, std::span<const Claim> own) {
  // A name stands there once more for each who has asked.
  std::set<std::string> names;
  std::ifstream list("/proc/net/unix");
  for (std::string line; std::getline(list, line);) {
    const size_t at = line.find(absl::StrCat(" @", kMark, View(kind), "/"));
    if (at != std::string::npos) names.insert(line.substr(at + 2));
  }
  for (const Claim& claim : own) names.erase(claim.name_);
  std::vector<Other> others;
  for (const std::string& name : names) {
    const std::vector<std::string> parts = absl::StrSplit(name, '/');
    if (parts.size() != 5 || !IsHeeded(name)) continue;
    others.push_back({.what = parts[2], .holder = parts[3]});
  }
  return others;
}

}  // namespace relay
