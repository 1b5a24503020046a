#include "relay/range_claim.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/address_text.h"

namespace relay {
namespace {

constexpr std::string_view kMark = "tandem-relay-range/";

struct Range {
  std::string address;
  uint32_t first = 0, last = 0;
  bool Overlaps(const Range& other) const {
    return address == other.address && first <= other.last && other.first <= last;
  }
  std::string Text() const { return absl::StrCat(address, ":", first, "-", last); }
};

Range RangeOf(const abi::LocalAddress& local) {
  return {AddressText(local.address), local.port_first, local.port_last};
}

// "tandem-relay-range/192.0.2.1/10000/39999/4711", the last the process.
std::optional<Range> Read(absl::string_view name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  Range range;
  if (parts.size() != 5 || !absl::SimpleAtoi(parts[2], &range.first) ||
      !absl::SimpleAtoi(parts[3], &range.last)) {
    return std::nullopt;
  }
  range.address = parts[1];
  return range;
}

// The length of `name` in *address, or 0 when it has no room.
socklen_t Fill(const std::string& name, sockaddr_un* address) {
  *address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (name.size() + 1 > sizeof address->sun_path) return 0;
  std::copy(name.begin(), name.end(), address->sun_path + 1);  // behind a zero: abstract
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

absl::StatusOr<abi::Descriptor> Hold(const std::string& name) {
  abi::Descriptor held(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address;
  const socklen_t length = Fill(name, &address);
  if (!held.valid() || bind(held.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(held.get(), 16) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("claiming ", name));
  }
  return held;
}

// Who holds it; nothing when nobody does whom we must heed.
std::optional<pid_t> Holder(const std::string& name) {
  const abi::Descriptor asking(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address;
  const socklen_t length = Fill(name, &address);
  ucred who{};
  socklen_t size = sizeof who;
  if (length == 0 || connect(asking.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      getsockopt(asking.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
    return std::nullopt;
  }
  if (who.uid != 0 && who.uid != geteuid()) return std::nullopt;
  return who.pid;
}

// The claims of all in this network namespace.
std::vector<std::string> Names() {
  std::vector<std::string> names;
  std::ifstream list("/proc/net/unix");
  for (std::string line; std::getline(list, line);) {
    const size_t at = line.find(absl::StrCat(" @", std::string(kMark)));
    if (at != std::string::npos) names.push_back(line.substr(at + 2));
  }
  return names;
}

}  // namespace

absl::StatusOr<RangeClaim> RangeClaim::Take(std::span<const abi::LocalAddress> addresses) {
  RangeClaim claim;
  const std::string own = absl::StrCat("/", getpid());
  // First held, then looked at: of two that start at once, one at least sees the other.
  for (const abi::LocalAddress& local : addresses) {
    const Range range = RangeOf(local);
    absl::StatusOr<abi::Descriptor> held = Hold(
        absl::StrCat(std::string(kMark), range.address, "/", range.first, "/", range.last, own));
    if (!held.ok()) return held.status();
    claim.names_.push_back(*std::move(held));
  }
  for (const std::string& name : Names()) {
    const std::optional<Range> other = Read(name);
    if (!other || name.ends_with(own)) continue;
    for (const abi::LocalAddress& local : addresses) {
      if (!RangeOf(local).Overlaps(*other)) continue;
      const std::optional<pid_t> holder = Holder(name);
      if (!holder) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("--listen ", ListenText(local), ": process ", *holder, " relays on ",
                       other->Text(), "; stop it, or give one of the two other ports"));
    }
  }
  return claim;
}

}  // namespace relay
