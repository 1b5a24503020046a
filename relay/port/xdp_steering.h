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
#include "relay/port/xdp_steer.h"

struct xdp_steer;  // bpftool's skeleton

namespace relay::port {

class XdpSteering {
 public:
  using Verdicts = std::array<uint64_t, STEER_VERDICTS>;

  // Loads the programs for frames to `addresses`; attaches nothing.
  static absl::StatusOr<std::unique_ptr<XdpSteering>> Load(
      int device, std::string name, std::span<const abi::LocalAddress> addresses);
  // The steering program leaves with this; the guard stays.
  ~XdpSteering();

  // By a link that ends with the process. Native first, unless `generic_only`; generic only when
  // `generic_allowed`.
  absl::Status Attach(bool generic_only, bool generic_allowed);
  bool native() const { return native_; }
  // Whether the kernel still runs it on the device.
  bool attached() const;

  // A tc filter that drops the range without an ICMP error. It outlives the process on purpose.
  absl::Status PutGuard();
  static absl::Status TakeGuardAway(int device);

  absl::Status AddSocket(uint32_t queue, int socket);
  // Frames that were passed to the kernel, by verdict, since the program was loaded.
  Verdicts Passed() const;

 private:
  XdpSteering(int device, std::string name) : device_(device), name_(std::move(name)) {}
  absl::Status SetAddresses(std::span<const abi::LocalAddress> addresses);

  const int device_;
  const std::string name_;
  xdp_steer* programs_ = nullptr;
  int link_ = -1;
  bool native_ = false;
};

}  // namespace relay::port
