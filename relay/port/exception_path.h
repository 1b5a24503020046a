// The way of what is not ours when a device has been taken from the kernel: to a TAP that stands
// for it there, and back (ARP, ND, ICMP, SIP, SSH, fragments, other ports).
//
//   worker --copy--> cable --\                      /--> kernel: addresses, routes, neighbours
//   worker --copy--> cable ---+-- conductor -- TAP +
//   worker 0 <------ cable --/                      \<-- kernel
//
// Bounded and lossy, so that a flood of strangers costs a worker a copy and never a system call a
// frame; media does not wait for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/mapping.h"
#include "relay/port/cable.h"
#include "relay/port/upkeep.h"
#include "relay/wire/frame.h"

namespace relay::port {

class ExceptionPath final : public Upkeep {
 public:
  // Conductor thread. Makes the TAP `name`, or takes the one that is there and that nobody holds,
  // gives it the device's link address and brings it up. It stays when this object goes, so that
  // its addresses and routes outlive the process.
  static absl::StatusOr<std::unique_ptr<ExceptionPath>> Open(const std::string& name,
                                                             const wire::MacAddress& mac,
                                                             uint16_t workers);
  // Whether the kernel's device of this name is one.
  static bool IsTap(const std::string& name);

  // ---- worker thread ----

  // False when there is no room: the frame is lost.
  bool ToKernel(uint16_t worker, std::span<const uint8_t> frame);
  // Worker 0: the oldest frame of the kernel, or nothing; then Taken.
  std::span<const uint8_t> FromKernel();
  void Taken() { down_.Advance(); }

  // ---- conductor thread ----

  // The device's link address is another one now: the TAP gets it, too, up or down.
  absl::Status Follow(const wire::MacAddress& mac);
  int descriptor() const override { return epoll_.get(); }
  void Turn(TimeNs now, abi::CounterBlock& counters) override;

 private:
  static constexpr uint32_t kSlots = 256;
  // Frames a turn and direction.
  static constexpr int kTurnMax = 256;

  ExceptionPath(std::string name, abi::Descriptor tap, uint16_t workers);
  absl::Status Watch();

  const std::string name_;
  abi::Descriptor tap_;
  abi::Descriptor wake_;
  abi::Descriptor epoll_;
  std::vector<std::unique_ptr<Cable>> up_;  // by worker
  Cable down_{kSlots};
  std::atomic<bool> told_{false};  // the conductor, that there is something
};

}  // namespace relay::port
