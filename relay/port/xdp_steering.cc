#include "relay/port/xdp_steering.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "relay/address_text.h"
#include "relay/port/xdp_steer.skel.h"

namespace relay::port {
namespace {

// The guard's place among the device's filters: fixed, so that the next start finds and replaces
// it.
constexpr uint32_t kGuardHandle = 1;
constexpr uint32_t kGuardPriority = 30104;

// The last complaint of libbpf, which is where the verifier's sentence is.
std::string& Complaint() {
  thread_local std::string text;
  return text;
}

[[gnu::format(printf, 2, 0)]] int NoteComplaint(libbpf_print_level level, const char* format,
                                                va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  std::vsnprintf(line, sizeof(line), format, arguments);
  Complaint().assign(line, strcspn(line, "\n"));
  return 0;
}

// libbpf's options say by their first field how much of them the caller knows.
template <typename Options>
Options Sized() {
  Options options{};
  options.sz = sizeof(options);
  return options;
}

absl::Status Refused(int error, const std::string& what) {
  std::string text = what;
  if (error == EPERM || error == EACCES) {
    absl::StrAppend(&text,
                    "; it needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW: start as "
                    "root, or by systemd with AmbientCapabilities= of these");
  } else if (!Complaint().empty()) {
    absl::StrAppend(&text, " (", Complaint(), ")");
  }
  return absl::ErrnoToStatus(error, text);
}

struct TcPlace {
  bpf_tc_hook hook = Sized<bpf_tc_hook>();
  bpf_tc_opts options = Sized<bpf_tc_opts>();
};

TcPlace PlaceOfGuard(int device) {
  TcPlace place;
  place.hook.ifindex = device;
  place.hook.attach_point = BPF_TC_INGRESS;
  place.options.handle = kGuardHandle;
  place.options.priority = kGuardPriority;
  return place;
}

// Its program's number; 0: there is no guard.
uint32_t FindGuard(int device) {
  TcPlace place = PlaceOfGuard(device);
  return bpf_tc_query(&place.hook, &place.options) == 0 ? place.options.prog_id : 0;
}

// The map of that name which the program uses; not valid when it may not be seen.
abi::Descriptor MapOf(uint32_t program, const char* name) {
  const abi::Descriptor loaded(bpf_prog_get_fd_by_id(program));
  std::array<uint32_t, 8> maps{};
  bpf_prog_info facts{};
  facts.nr_map_ids = maps.size();
  facts.map_ids = reinterpret_cast<uint64_t>(maps.data());
  uint32_t length = sizeof(facts);
  if (!loaded.valid() || bpf_obj_get_info_by_fd(loaded.get(), &facts, &length) != 0) return {};
  for (size_t i = 0; i < std::min<size_t>(facts.nr_map_ids, maps.size()); ++i) {
    abi::Descriptor map(bpf_map_get_fd_by_id(maps[i]));
    bpf_map_info of{};
    length = sizeof(of);
    if (map.valid() && bpf_obj_get_info_by_fd(map.get(), &of, &length) == 0 &&
        std::strcmp(of.name, name) == 0 && of.key_size == sizeof(steer_address) &&
        of.value_size == sizeof(steer_own)) {
      return map;
    }
  }
  return {};
}

steer_address KeyOf(const abi::Address& address, uint16_t vlan) {
  steer_address key{};
  std::memcpy(key.address, address.bytes.data(), sizeof(key.address));
  key.vlan = vlan;
  return key;
}

constexpr char kClaimKind[] = "xdp";

// One relay a device and network namespace.
absl::StatusOr<Claim> ClaimDevice(int device, const std::string& name) {
  const std::string what = absl::StrCat(device);
  absl::StatusOr<Claim> own = Claim::Make(kClaimKind, what);
  if (!own.ok()) return own;
  for (const Claim::Other& other : Claim::Others(kClaimKind, {&*own, 1})) {
    if (other.what != what) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("another relay, process ", other.holder, ", serves ", name,
                     "; stop it, or give this one another device"));
  }
  return own;
}

}  // namespace

absl::StatusOr<std::unique_ptr<XdpSteering>> XdpSteering::Load(int device, std::string name,
                                                               std::span<const XdpOwned> owned,
                                                               bool dispatcher) {
  libbpf_set_print(NoteComplaint);
  if (dispatcher) {
    if (absl::Status status = XdpDispatched::Preflight(); !status.ok()) return status;
  }
  absl::StatusOr<Claim> claim = ClaimDevice(device, name);
  if (!claim.ok()) return claim.status();
  std::unique_ptr<XdpSteering> steering(
      new XdpSteering(device, std::move(name), *std::move(claim), dispatcher));
  steering->leftovers_ = RemoveSteeringLeftovers(device);
  Complaint().clear();
  errno = 0;
  steering->programs_ = xdp_steer__open_and_load();
  if (steering->programs_ == nullptr) {
    return Refused(errno,
                   absl::StrCat("the steering program of ", steering->name_, " cannot be loaded"));
  }
  if (absl::Status status = steering->Own(owned); !status.ok()) return status;
  return steering;
}

XdpSteering::~XdpSteering() {
  Detach();
  if (programs_ != nullptr) xdp_steer__destroy(programs_);
}

absl::Status XdpSteering::Own(std::span<const XdpOwned> owned) {
  struct Entry {
    steer_address key{};
    steer_own own{};
    size_t ranges = 0;
  };
  std::vector<Entry> entries;
  for (const XdpOwned& each : owned) {
    const steer_address key = KeyOf(each.address.address, each.address.vlan);
    auto entry = std::find_if(entries.begin(), entries.end(), [&key](const Entry& other) {
      return std::memcmp(&other.key, &key, sizeof(key)) == 0;
    });
    if (entry == entries.end()) {
      entry = entries.insert(entry, Entry{.key = key});
      std::copy(each.mac.begin(), each.mac.end(), entry->own.mac);
      std::fill_n(entry->own.ranges, STEER_RANGES_MAX, steer_range{.first = 1, .last = 0});
    }
    if (entry->ranges == STEER_RANGES_MAX) {
      return absl::InvalidArgumentError(
          absl::StrCat(AddressText(each.address.address), " has more than ", STEER_RANGES_MAX,
                       " port ranges on ", name_,
                       ", which its steering program has no room for; join them by --listen, or "
                       "give the rest to an address of its own"));
    }
    entry->own.ranges[entry->ranges++] = {.first = each.address.port_first,
                                          .last = each.address.port_last};
  }
  const int map = bpf_map__fd(programs_->maps.addresses);
  for (const Entry& entry : entries) {
    if (bpf_map_update_elem(map, &entry.key, &entry.own, BPF_ANY) != 0) {
      return absl::ErrnoToStatus(errno, "addresses of the steering program");
    }
  }
  return absl::OkStatus();
}

void XdpSteering::Detach() {
  if (link_ >= 0) close(std::exchange(link_, -1));
  dispatched_.reset();
  if (copy_ != nullptr) xdp_steer__destroy(std::exchange(copy_, nullptr));
}

absl::Status XdpSteering::Attach(bool generic_only, bool generic_allowed) {
  Detach();
  if (beside_) return AttachBeside(generic_only, generic_allowed);
  const int program = bpf_program__fd(programs_->progs.tandem_steer);
  int error = EOPNOTSUPP;
  for (const bool native : {true, false}) {
    if (native ? generic_only : !generic_allowed) continue;
    bpf_link_create_opts options = Sized<bpf_link_create_opts>();
    options.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    link_ = bpf_link_create(program, device_, BPF_XDP, &options);
    if (link_ >= 0) {
      native_ = native;
      return absl::OkStatus();
    }
    error = -link_;
    if (error == EBUSY || error == EEXIST) {
      return absl::AlreadyExistsError(
          absl::StrCat(name_, " has another XDP program (`ip link show ", name_,
                       "` names it); take it off: `ip link set ", name_,
                       " xdp off`, stop what put it there, or "
                       "share the device by --xdp-dispatcher"));
    }
  }
  return NoMode(error, generic_allowed);
}

absl::Status XdpSteering::NoMode(int error, bool generic_allowed) const {
  if (!generic_allowed) {
    return absl::ErrnoToStatus(error,
                               absl::StrCat("the driver of ", name_,
                                            " takes no XDP program (MTU above 3498? too few "
                                            "queues?), and --xdp-mode forbids the generic mode; "
                                            "mend that, or take --xdp-mode auto"));
  }
  return Refused(error, absl::StrCat("no XDP program can be attached to ", name_));
}

absl::Status XdpSteering::AttachBeside(bool generic_only, bool generic_allowed) {
  int error = -EOPNOTSUPP;
  for (const bool native : {true, false}) {
    if (native ? generic_only : !generic_allowed) continue;
    error = Dispatch(native);
    if (error == 0) {
      native_ = native;
      return absl::OkStatus();
    }
    Detach();
  }
  if (error == -EBUSY || error == -EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat(
        name_,
        KernelHasDispatchers()
            ? " has an XDP program that is not under libxdp's dispatcher, or is there in another "
              "mode; load it by xdp-loader, or take it off: `ip link set "
            : " has another XDP program, and this kernel takes no extension programs, which "
              "libxdp's dispatcher is made of; take the other off: `ip link set ",
        name_, " xdp off`"));
  }
  return NoMode(-error, generic_allowed);
}

int XdpSteering::Dispatch(bool native) {
  copy_ = xdp_steer__open();
  if (copy_ == nullptr) return -errno;
  bpf_program__set_autoload(copy_->progs.guard, false);
  const std::pair<bpf_map*, const bpf_map*> maps[] = {
      {copy_->maps.sockets, programs_->maps.sockets},
      {copy_->maps.addresses, programs_->maps.addresses},
      {copy_->maps.verdicts, programs_->maps.verdicts}};
  for (const auto& [map, loaded] : maps) {
    if (const int error = bpf_map__reuse_fd(map, bpf_map__fd(loaded)); error != 0) return error;
  }
  int error = 0;
  dispatched_ = XdpDispatched::Attach(copy_->obj, device_, native, &error);
  return error;
}

bool XdpSteering::attached() const {
  if (beside_) return dispatched_ != nullptr && dispatched_->attached();
  if (link_ < 0) return false;
  bpf_link_info information{};
  uint32_t length = sizeof(information);
  return bpf_obj_get_info_by_fd(link_, &information, &length) == 0 &&
         information.xdp.ifindex == static_cast<uint32_t>(device_);
}

absl::Status XdpSteering::PutGuard() {
  Complaint().clear();
  TcPlace place = PlaceOfGuard(device_);
  const int made = bpf_tc_hook_create(&place.hook);
  if (made != 0 && made != -EEXIST) return Refused(-made, absl::StrCat("tc hook of ", name_));
  place.options.prog_fd = bpf_program__fd(programs_->progs.guard);
  place.options.flags = BPF_TC_F_REPLACE;
  const int put = bpf_tc_attach(&place.hook, &place.options);
  if (put != 0) return Refused(-put, absl::StrCat("tc filter of ", name_));
  return absl::OkStatus();
}

absl::Status XdpSteering::TakeGuardAway(int device) {
  libbpf_set_print(NoteComplaint);
  const TcPlace place = PlaceOfGuard(device);
  const int gone = bpf_tc_detach(&place.hook, &place.options);
  if (gone == 0 || gone == -ENOENT || gone == -EINVAL) return absl::OkStatus();
  return absl::ErrnoToStatus(-gone, "tc filter");
}

XdpSteering::Guard XdpSteering::GuardOver(int device, uint16_t vlan,
                                          std::span<const abi::LocalAddress> addresses) {
  libbpf_set_print(NoteComplaint);
  const uint32_t guard = FindGuard(device);
  if (guard == 0) return Guard::kNone;
  for (const Claim::Other& other : Claim::Others(kClaimKind, {})) {
    if (other.what == absl::StrCat(device)) return Guard::kHeld;
  }
  const abi::Descriptor map = MapOf(guard, "addresses");
  if (!map.valid()) return Guard::kUnseen;
  for (const abi::LocalAddress& address : addresses) {
    const steer_address key = KeyOf(address.address, vlan);
    steer_own own{};
    if (bpf_map_lookup_elem(map.get(), &key, &own) != 0) continue;
    for (const steer_range& range : own.ranges) {
      if (range.first <= address.port_last && address.port_first <= range.last &&
          range.first <= range.last) {
        return Guard::kOver;
      }
    }
  }
  return Guard::kApart;
}

absl::Status XdpSteering::AddSocket(uint32_t queue, int socket) {
  if (bpf_map_update_elem(bpf_map__fd(programs_->maps.sockets), &queue, &socket, BPF_ANY) == 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("queue ", queue, " of ", name_));
}

XdpSteering::Verdicts XdpSteering::Passed() const {
  Verdicts sums{};
  std::vector<uint64_t> each(static_cast<size_t>(libbpf_num_possible_cpus()));
  const int map = bpf_map__fd(programs_->maps.verdicts);
  for (uint32_t verdict = 0; verdict < STEER_VERDICTS; ++verdict) {
    if (bpf_map_lookup_elem(map, &verdict, each.data()) != 0) continue;
    for (uint64_t count : each) sums[verdict] += count;
  }
  return sums;
}

}  // namespace relay::port
