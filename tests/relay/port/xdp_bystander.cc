#include "tests/relay/port/xdp_bystander.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <xdp/libxdp.h>

#include <cstdio>
#include <cstdlib>

#include "tests/relay/port/xdp_bystander.skel.h"

namespace relay::test {
namespace {

void Check(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::abort();
}

}  // namespace

void OwnBpffs() {
  Check(unshare(CLONE_NEWNS) == 0, "mount namespace");
  Check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
  Check(mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr) == 0, "bpffs");
}

XdpBystander::XdpBystander(const std::string& device)
    : device_(static_cast<int>(if_nametoindex(device.c_str()))), opened_(xdp_bystander__open()) {
  Check(opened_ != nullptr, "bystander");
  program_ = xdp_program__from_bpf_obj(opened_->obj, "xdp");
  Check(libxdp_get_error(program_) == 0, "bystander's program");
  Check(xdp_program__attach(program_, device_, XDP_MODE_NATIVE, 0) == 0, "attaching a bystander");
}

XdpBystander::~XdpBystander() {
  xdp_program__detach(program_, device_, XDP_MODE_NATIVE, 0);
  xdp_program__close(program_);
  xdp_bystander__destroy(opened_);
}

uint64_t XdpBystander::frames() const {
  const uint32_t first = 0;
  uint64_t count = 0;
  bpf_map_lookup_elem(bpf_map__fd(opened_->maps.frames), &first, &count);
  return count;
}

int XdpBystander::ProgramsOn(const std::string& device) {
  xdp_multiprog* all =
      xdp_multiprog__get_from_ifindex(static_cast<int>(if_nametoindex(device.c_str())));
  if (libxdp_get_error(all) != 0) return 0;
  const int count = xdp_multiprog__is_legacy(all) ? 1 : xdp_multiprog__program_count(all);
  xdp_multiprog__close(all);
  return count;
}

}  // namespace relay::test
