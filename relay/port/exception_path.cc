#include "relay/port/exception_path.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace relay::port {
namespace {

ifreq RequestFor(const std::string& name) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  return request;
}

absl::Status SetAddress(const std::string& name, const wire::MacAddress& mac) {
  const abi::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = RequestFor(name);
  if (ioctl(socket.get(), SIOCGIFHWADDR, &request) == 0 &&
      std::memcmp(request.ifr_hwaddr.sa_data, mac.data(), mac.size()) == 0) {
    return absl::OkStatus();
  }
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, mac.data(), mac.size());
  if (ioctl(socket.get(), SIOCSIFHWADDR, &request) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("setting the link address of ", name));
}

absl::Status BringUp(const std::string& name) {
  const abi::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = RequestFor(name);
  if (ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0) {
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0) return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("bringing up ", name));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ExceptionPath>> ExceptionPath::Open(const std::string& name,
                                                                   const wire::MacAddress& mac,
                                                                   uint16_t workers) {
  abi::Descriptor tap(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tap.valid()) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("the exception device ", name, " needs /dev/net/tun"));
  }
  ifreq request = RequestFor(name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (ioctl(tap.get(), TUNSETIFF, &request) != 0) {
    if (errno == EBUSY || errno == EINVAL) {
      return absl::FailedPreconditionError(
          absl::StrCat("the exception device ", name,
                       " is held by another process, mostly another relay; end it, or give another "
                       "name behind '@'"));
    }
    return absl::ErrnoToStatus(errno, absl::StrCat("making the exception device ", name,
                                                   " needs CAP_NET_ADMIN; start as root"));
  }
  if (ioctl(tap.get(), TUNSETPERSIST, 1) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("keeping the exception device ", name));
  }
  if (absl::Status status = SetAddress(name, mac); !status.ok()) return status;
  if (absl::Status status = BringUp(name); !status.ok()) return status;
  std::unique_ptr<ExceptionPath> path(new ExceptionPath(name, std::move(tap), workers));
  if (absl::Status status = path->Watch(); !status.ok()) return status;
  return path;
}

bool ExceptionPath::IsTap(const std::string& name) {
  const abi::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  ifreq request = RequestFor(name);
  request.ifr_data = reinterpret_cast<char*>(&driver);
  return ioctl(socket.get(), SIOCETHTOOL, &request) == 0 &&
         std::strcmp(driver.driver, "tun") == 0 && std::strcmp(driver.bus_info, "tap") == 0;
}

ExceptionPath::ExceptionPath(std::string name, abi::Descriptor tap, uint16_t workers)
    : name_(std::move(name)),
      tap_(std::move(tap)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  for (uint16_t i = 0; i < workers; ++i) up_.push_back(std::make_unique<Cable>(kSlots));
}

absl::Status ExceptionPath::Follow(const wire::MacAddress& mac) {
  return SetAddress(name_, mac);
}

absl::Status ExceptionPath::Watch() {
  for (const int fd : {tap_.get(), wake_.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      return absl::ErrnoToStatus(errno, "watching the exception device");
    }
  }
  return absl::OkStatus();
}

bool ExceptionPath::ToKernel(uint16_t worker, std::span<const uint8_t> frame) {
  Cable& cable = *up_[worker];
  CableSlot* slot = frame.size() <= kBufferSize ? cable.Reserve() : nullptr;
  if (slot == nullptr) return false;
  slot->length = static_cast<uint32_t>(frame.size());
  std::memcpy(slot->bytes, frame.data(), frame.size());
  cable.Commit();
  if (!told_.exchange(true, std::memory_order_acq_rel)) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
  }
  return true;
}

std::span<const uint8_t> ExceptionPath::FromKernel() {
  const CableSlot* slot = down_.Front();
  if (slot == nullptr) return {};
  return {slot->bytes, slot->length};
}

void ExceptionPath::Turn(TimeNs, abi::CounterBlock& counters) {
  uint64_t woken;
  [[maybe_unused]] const ssize_t drained = read(wake_.get(), &woken, sizeof(woken));
  // Before the cables are looked at: who finds it set has put his frame in by now.
  told_.exchange(false, std::memory_order_acq_rel);
  for (const auto& cable : up_) {
    for (int i = 0; i < kTurnMax; ++i) {
      const CableSlot* slot = cable->Front();
      if (slot == nullptr) break;
      // Refused while somebody has the TAP down: then the kernel wants nothing of this device.
      [[maybe_unused]] const ssize_t written = write(tap_.get(), slot->bytes, slot->length);
      counters.Add(abi::Counter::kToKernel);
      cable->Advance();
    }
  }
  for (int i = 0; i < kTurnMax; ++i) {
    CableSlot* slot = down_.Reserve();
    if (slot == nullptr) break;  // it waits in the TAP's own queue
    const ssize_t length = read(tap_.get(), slot->bytes, sizeof(slot->bytes));
    if (length <= 0) break;
    slot->length = static_cast<uint32_t>(length);
    counters.Add(abi::Counter::kFromKernel);
    down_.Commit();
  }
}

}  // namespace relay::port
