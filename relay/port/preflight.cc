#include "relay/port/preflight.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <bitset>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "relay/capabilities.h"

namespace relay::port {
namespace {

// What a relay keeps open beside its sockets.
constexpr uint64_t kOtherDescriptors = 256;

std::string FirstLine(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The soft limit to the hard one.
rlimit Raise(int what) {
  rlimit limit{};
  getrlimit(static_cast<__rlimit_resource>(what), &limit);
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (setrlimit(static_cast<__rlimit_resource>(what), &raised) == 0) limit = raised;
  }
  return limit;
}

}  // namespace

MachineFacts PrepareMachine() {
  const rlimit limit = Raise(RLIMIT_NOFILE);
  MachineFacts facts{.descriptors = limit.rlim_cur,
                     .descriptors_max = limit.rlim_max,
                     .ephemeral_first = 0,
                     .ephemeral_last = 0,
                     .reserved_ports = FirstLine("/proc/sys/net/ipv4/ip_local_reserved_ports"),
                     .receive_buffer_bytes_max = 0,
                     .locked_bytes_max = Raise(RLIMIT_MEMLOCK).rlim_cur,
                     .may_lock_all = HasCapability(CAP_IPC_LOCK)};
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  range >> facts.ephemeral_first >> facts.ephemeral_last;
  std::ifstream("/proc/sys/net/core/rmem_max") >> facts.receive_buffer_bytes_max;
  return facts;
}

bool CoversPorts(std::string_view list, uint16_t first, uint16_t last) {
  std::bitset<65536> named;
  const absl::string_view text(list.data(), list.size());
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const std::vector<absl::string_view> ends =
        absl::StrSplit(absl::StripAsciiWhitespace(part), '-');
    uint32_t from = 0;
    uint32_t to = 0;
    if (!absl::SimpleAtoi(ends.front(), &from) || !absl::SimpleAtoi(ends.back(), &to)) continue;
    for (uint32_t port = from; port <= to && port < named.size(); ++port) named.set(port);
  }
  for (uint32_t port = first; port <= last; ++port) {
    if (!named.test(port)) return false;
  }
  return true;
}

std::vector<std::string> Warnings(const PreflightPlan& plan, const MachineFacts& facts) {
  std::vector<std::string> warnings;
  const uint64_t sockets = (uint64_t{plan.port_last} - plan.port_first + 1) * plan.addresses;
  if (facts.descriptors < sockets + kOtherDescriptors) {
    const uint64_t usable =
        facts.descriptors > kOtherDescriptors ? facts.descriptors - kOtherDescriptors : 0;
    warnings.push_back(absl::StrCat(
        "The limit of ", facts.descriptors, " open files lets the relay use ", usable, " of its ",
        sockets, " ports at a time; start it with LimitNOFILE=", sockets + kOtherDescriptors,
        " (systemd) or `ulimit -n ", sockets + kOtherDescriptors, "`."));
  }

  const uint16_t overlap_first = std::max(plan.port_first, facts.ephemeral_first);
  const uint16_t overlap_last = std::min(plan.port_last, facts.ephemeral_last);
  if (overlap_first <= overlap_last &&
      !CoversPorts(facts.reserved_ports, overlap_first, overlap_last)) {
    const std::string others =
        facts.reserved_ports.empty() ? "" : absl::StrCat(facts.reserved_ports, ",");
    warnings.push_back(absl::StrCat(
        "The kernel may lend ports ", overlap_first, "-", overlap_last,
        " to other programs as source ports, and the relay would find them taken; reserve them: "
        "sysctl -w net.ipv4.ip_local_reserved_ports=",
        others, plan.port_first, "-", plan.port_last));
  }

  if (facts.receive_buffer_bytes_max != 0 &&
      plan.receive_buffer_bytes > facts.receive_buffer_bytes_max) {
    warnings.push_back(
        absl::StrCat("Sockets get a receive buffer of ", facts.receive_buffer_bytes_max,
                     " bytes and not of ", plan.receive_buffer_bytes,
                     "; raise the bound: sysctl -w net.core.rmem_max=", plan.receive_buffer_bytes));
  }
  return warnings;
}

}  // namespace relay::port
