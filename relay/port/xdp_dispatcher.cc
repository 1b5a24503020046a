#include "relay/port/xdp_dispatcher.h"

#include <bpf/libbpf.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace relay::port {
namespace {

constexpr char kProgramName[] = "tandem_steer";  // in xdp_steer.bpf.c
constexpr char kSection[] = "xdp";

int Silent(libxdp_print_level, const char*, va_list) {
  return 0;
}

// As libxdp looks for it.
const char* BpffsFolder() {
  const char* chosen = std::getenv("LIBXDP_BPFFS");
  return chosen != nullptr ? chosen : "/sys/fs/bpf";
}

xdp_attach_mode ModeOf(bool native) {
  return native ? XDP_MODE_NATIVE : XDP_MODE_SKB;
}

// Whether `wanted` is said of one of the programs under the device's dispatcher; the first of them
// is detached when `detach`.
bool FindProgram(int device, const std::function<bool(const xdp_program*)>& wanted, bool detach) {
  libxdp_set_print(Silent);
  xdp_multiprog* all = xdp_multiprog__get_from_ifindex(device);
  if (libxdp_get_error(all) != 0) return false;  // none
  xdp_program* program = nullptr;
  // Where the kernel cannot have a dispatcher, libxdp attaches the only program by itself.
  const bool alone = xdp_multiprog__is_legacy(all);
  do {
    program = alone ? (program == nullptr ? xdp_multiprog__main_prog(all) : nullptr)
                    : xdp_multiprog__next_prog(program, all);
  } while (program != nullptr && !wanted(program));
  bool found = program != nullptr;
  if (found && detach) {
    found = (alone ? xdp_multiprog__detach(all)
                   : xdp_program__detach(program, device, xdp_multiprog__attach_mode(all), 0)) == 0;
  }
  xdp_multiprog__close(all);
  return found;
}

}  // namespace

int RemoveSteeringLeftovers(int device) {
  const auto ours = [](const xdp_program* program) {
    const char* name = xdp_program__name(program);
    return name != nullptr && std::strcmp(name, kProgramName) == 0;
  };
  int removed = 0;
  while (FindProgram(device, ours, true)) ++removed;
  return removed;
}

bool KernelHasDispatchers() {
  return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_EXT, nullptr) == 1;
}

absl::Status XdpDispatched::Preflight() {
  struct statfs facts {};
  if (statfs(BpffsFolder(), &facts) == 0 && facts.f_type == BPF_FS_MAGIC) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "--xdp-dispatcher keeps its programs on bpffs, and ", BpffsFolder(),
      " is none (`ip netns exec` hides the host's); mount it: mount -t bpf bpf ", BpffsFolder()));
}

std::unique_ptr<XdpDispatched> XdpDispatched::Attach(bpf_object* opened, int device, bool native,
                                                     int* error) {
  libxdp_set_print(Silent);
  xdp_program* program = xdp_program__from_bpf_obj(opened, kSection);
  *error = static_cast<int>(libxdp_get_error(program));
  if (*error != 0) return nullptr;
  *error = xdp_program__attach(program, device, ModeOf(native), 0);
  if (*error == 0) {
    return std::unique_ptr<XdpDispatched>(new XdpDispatched(program, device, native));
  }
  xdp_program__close(program);
  return nullptr;
}

XdpDispatched::~XdpDispatched() {
  if (attached()) xdp_program__detach(program_, device_, ModeOf(native_), 0);
  xdp_program__close(program_);
}

bool XdpDispatched::attached() const {
  const uint32_t own = xdp_program__id(program_);
  return FindProgram(
      device_, [own](const xdp_program* program) { return xdp_program__id(program) == own; },
      false);
}

}  // namespace relay::port
