#include "tests/support/veth_lab.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace relay::test {
namespace {

using relay::abi::Descriptor;

void Check(bool good, const std::string& what) {
  if (good) return;
  std::perror(what.c_str());
  std::abort();
}

Descriptor OwnNamespace() {
  Descriptor own(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  Check(own.valid(), "/proc/thread-self/ns/net");
  return own;
}

Descriptor NewNamespace() {
  Check(unshare(CLONE_NEWNET) == 0, "unshare");
  return OwnNamespace();
}

void Enter(const Descriptor& there) {
  Check(setns(there.get(), CLONE_NEWNET) == 0, "setns");
}

}  // namespace

VethLab::VethLab(int cables, int queues) : home_(OwnNamespace()) {
  far_ = NewNamespace();
  near_ = NewNamespace();
  Near("ip link set lo up");
  Far("ip link set lo up");
  for (int i = 0; i < cables; ++i) {
    const std::string wide = absl::StrCat(" numrxqueues ", queues, " numtxqueues ", queues);
    Near(absl::StrCat("ip link add near", i, wide, " type veth peer name far", i, wide));
    Near(absl::StrCat("ip link set far", i, " netns /proc/", getpid(), "/fd/", far_.get()));
    const auto both = [&](const std::string& side, int host) {
      const std::string name = absl::StrCat(side, i);
      const std::string command =
          absl::StrCat("sysctl -qw net.ipv6.conf.", name, ".accept_dad=0; ethtool -K ", name,
                       " tx off >/dev/null; ip address add 10.66.", i, ".", host, "/24 dev ", name,
                       " && ip address add fd66:", i, "::", host, "/64 dev ", name,
                       " nodad && ip link set ", name, " up");
      side == "near" ? Near(command) : Far(command);
    };
    both("near", 1);
    both("far", 2);
  }
}

VethLab::~VethLab() {
  Enter(home_);
}

void VethLab::Near(const std::string& command) {
  Check(std::system(command.c_str()) == 0, command);
}

void VethLab::InFar(const std::function<void()>& act) {
  Enter(far_);
  act();
  Enter(near_);
}

void VethLab::Far(const std::string& command) {
  InFar([&] { Near(command); });
}

void NeedRoot() {
  if (geteuid() == 0) return;
  std::puts("needs root: network namespaces and XDP");
  std::exit(77);
}

}  // namespace relay::test
