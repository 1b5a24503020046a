// The programs on one device: what steers, and what guards the range while nobody steers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/abi/segment.h"
#include "relay/claim.h"
#include "relay/port/xdp_dispatcher.h"
#include "relay/port/xdp_steer.h"
#include "relay/wire/frame.h"

struct xdp_steer;  // bpftool's skeleton

namespace relay::port {

// A local address, and the link address of the interface that it is reached by.
struct XdpOwned {
  abi::LocalAddress address;
  wire::MacAddress mac;
};

class XdpSteering {
 public:
  using Verdicts = std::array<uint64_t, STEER_VERDICTS>;

  // Loads the programs for frames to `owned`; attaches nothing, and takes off what a dead relay
  // left. `dispatcher`: others' programs may be on the device, too.
  static absl::StatusOr<std::unique_ptr<XdpSteering>> Load(int device, std::string name,
                                                           std::span<const XdpOwned> owned,
                                                           bool dispatcher = false);
  // The steering program leaves with this; the guard stays.
  ~XdpSteering();

  // By a link that ends with the process, or by the dispatcher. Native first, unless
  // `generic_only`; generic only when `generic_allowed`.
  absl::Status Attach(bool generic_only, bool generic_allowed);
  bool native() const { return native_; }
  // Whether the kernel still runs it on the device.
  bool attached() const;
  // Steering programs of a dead relay that Load took off.
  int leftovers() const { return leftovers_; }

  // A tc filter that drops the range without an ICMP error. It outlives the process on purpose.
  absl::Status PutGuard();
  static absl::Status TakeGuardAway(int device);

  enum class Guard : uint8_t {
    kNone,
    kHeld,    // a relay serves the device
    kApart,   // of other addresses or ports
    kOver,    // it drops what comes for one of them, and nobody serves the device
    kUnseen,  // the right to look into it is missing (CAP_SYS_ADMIN)
  };
  // Whether a guard on the device drops frames of VLAN `vlan` to one of `addresses`.
  static Guard GuardOver(int device, uint16_t vlan, std::span<const abi::LocalAddress> addresses);

  // What is the relay's from here on. Frames in between are steered by the old or the new word.
  absl::Status Own(std::span<const XdpOwned> owned);
  absl::Status AddSocket(uint32_t queue, int socket);
  // Frames that no socket got, by verdict, since the program was loaded: passed to the kernel all
  // but STEER_UNHEARD.
  Verdicts Passed() const;

 private:
  XdpSteering(int device, std::string name, Claim claim, bool dispatcher)
      : device_(device), name_(std::move(name)), claim_(std::move(claim)), beside_(dispatcher) {}
  absl::Status AttachBeside(bool generic_only, bool generic_allowed);
  // 0, or a negative errno.
  int Dispatch(bool native);
  absl::Status NoMode(int error, bool generic_allowed) const;
  void Detach();

  const int device_;
  const std::string name_;
  const Claim claim_;
  const bool beside_;
  int leftovers_ = 0;
  xdp_steer* programs_ = nullptr;
  // The dispatcher wants a program that is not loaded yet: a second copy on the same maps.
  xdp_steer* copy_ = nullptr;
  std::unique_ptr<XdpDispatched> dispatched_;
  int link_ = -1;
  bool native_ = false;
};

}  // namespace relay::port
