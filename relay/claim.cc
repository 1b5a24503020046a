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

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/text.h"

namespace relay {
namespace {

constexpr char kMark[] = "tandem/";

}  // namespace

absl::StatusOr<Claim> Claim::Make(std::string_view kind, std::string_view what) {
  // The process's number alone would not do: in containers that share a network it may be 1 for
  // all.
  uint64_t number = 0;
  while (getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  std::string name =
      absl::StrCat(kMark, View(kind), "/", View(what), "/", getpid(), "/", absl::Hex(number));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  assert(name.size() < sizeof address.sun_path);
  std::copy(name.begin(), name.end(), address.sun_path + 1);  // behind a zero: abstract
  const size_t length = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  abi::Descriptor held(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!held.valid() || bind(held.get(), reinterpret_cast<const sockaddr*>(&address),
                            static_cast<socklen_t>(length)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("claiming ", View(what)));
  }
  return Claim(std::move(name), std::move(held));
}

std::vector<Claim::Other> Claim::Others(std::string_view kind, const std::vector<Claim>& own) {
  std::vector<Other> others;
  std::ifstream list("/proc/net/unix");
  for (std::string line; std::getline(list, line);) {
    const size_t at = line.find(absl::StrCat(" @", kMark, View(kind), "/"));
    if (at == std::string::npos) continue;
    const std::string name = line.substr(at + 2);
    const std::vector<std::string> parts = absl::StrSplit(name, '/');
    if (parts.size() != 5) continue;
    if (std::none_of(own.begin(), own.end(),
                     [&name](const Claim& claim) { return claim.name_ == name; })) {
      others.push_back({.what = parts[2], .holder = parts[3]});
    }
  }
  return others;
}

}  // namespace relay
