#include "relay/conductor/segment.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace relay::conductor {
namespace {

constexpr uint64_t RoundUp(uint64_t offset) {
  return (offset + 63) / 64 * 64;
}

}  // namespace

absl::StatusOr<abi::Descriptor> MakeSealedMemfd(const char* name, size_t size) {
  abi::Descriptor fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("memfd_create ", name));
  // A memfd is born with mode 0777: whoever is handed a read-only descriptor could open it again
  // for writing through /proc/self/fd.
  if (fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0 ||
      ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("sizing memfd ", name));
  }
  if (fcntl(fd.get(), F_ADD_SEALS, abi::kSeals) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("sealing memfd ", name));
  }
  return fd;
}

absl::StatusOr<abi::Descriptor> ReopenReadOnly(int fd) {
  const std::string path = absl::StrCat("/proc/self/fd/", fd);
  abi::Descriptor reopened(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!reopened.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  return reopened;
}

absl::StatusOr<StateSegment> StateSegment::Create(const StateFacts& facts) {
  const uint64_t counters = RoundUp(sizeof(abi::StateHeader));
  const uint64_t sessions = RoundUp(counters + (facts.workers + 1u) * sizeof(abi::CounterBlock));
  const uint64_t statistics =
      RoundUp(sessions + uint64_t{facts.sessions_max} * sizeof(abi::SessionRecord));
  const uint64_t size =
      RoundUp(statistics + uint64_t{facts.legs_max} * sizeof(abi::LegStatisticsSlot));

  absl::StatusOr<abi::Descriptor> fd = MakeSealedMemfd("tandem-state", size);
  if (!fd.ok()) return fd.status();
  absl::StatusOr<abi::Descriptor> read_only = ReopenReadOnly(fd->get());
  if (!read_only.ok()) return read_only.status();

  StateSegment segment;
  segment.fd_ = *std::move(fd);
  segment.read_only_fd_ = *std::move(read_only);
  if (!segment.mapping_.Map(segment.fd(), size, PROT_READ | PROT_WRITE)) {
    return absl::ErrnoToStatus(errno, "mapping the state");
  }
  abi::StateHeader& header = segment.header();
  header.layout_version = abi::kLayoutVersion;
  header.layout_hash = abi::LayoutHash();
  header.size = size;
  header.relay_pid = static_cast<uint64_t>(getpid());
  header.instance = facts.instance;
  header.started_ns = facts.started_ns;
  header.workers = facts.workers;
  header.local_addresses = static_cast<uint16_t>(facts.addresses.size());
  header.client_slots = facts.client_slots;
  header.sessions_max = facts.sessions_max;
  header.legs_max = facts.legs_max;
  header.counters_offset = counters;
  header.sessions_offset = sessions;
  header.statistics_offset = statistics;
  header.placement = facts.placement;
  for (size_t i = 0; i < facts.addresses.size(); ++i) header.addresses[i] = facts.addresses[i];
  return segment;
}

std::vector<abi::Lease> LeasesOf(uint16_t slot, uint16_t slots,
                                 std::span<const abi::LocalAddress> addresses) {
  std::vector<abi::Lease> leases;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const abi::LocalAddress& address = addresses[i];
    const uint32_t pairs = (address.port_last - address.port_first + 1u) / 2;
    const uint32_t begin = pairs * slot / slots;
    const uint32_t end = pairs * (slot + 1u) / slots;
    if (begin == end) continue;
    leases.push_back({.address = static_cast<uint16_t>(i),
                      .port_first = static_cast<uint16_t>(address.port_first + 2 * begin),
                      .port_last = static_cast<uint16_t>(address.port_first + 2 * end - 1),
                      .reserved = 0});
  }
  return leases;
}

}  // namespace relay::conductor
