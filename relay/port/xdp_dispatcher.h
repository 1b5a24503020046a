// The steering program beside others' on one device, by libxdp's dispatcher: a program of libxdp's
// that calls up to ten others in turn. It is kept by pins on bpffs, so other than a plain link it
// does not end with its process; what a dead relay left is removed at the next start, as long as
// the bpffs with the pins is mounted still.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct bpf_object;
struct xdp_program;

namespace relay::port {

// Takes the steering programs off that a dead relay left under the dispatcher; the programs of
// others stay. For who holds the claim. How many there were.
int RemoveSteeringLeftovers(int device);

// Whether the kernel takes the extension programs that a dispatcher is made of. Else libxdp can
// still attach one program that is alone.
bool KernelHasDispatchers();

class XdpDispatched {
 public:
  // One sentence when there is no bpffs to pin to.
  static absl::Status Preflight();
  // `opened` and not yet loaded; loads it. Its only program that is loaded is the steering program.
  // The negative errno of libxdp otherwise. `opened` outlives this.
  static std::unique_ptr<XdpDispatched> Attach(bpf_object* opened, int device, bool native,
                                               int* error);
  ~XdpDispatched();  // takes it off
  XdpDispatched(const XdpDispatched&) = delete;
  XdpDispatched& operator=(const XdpDispatched&) = delete;

  bool attached() const;

 private:
  XdpDispatched(xdp_program* program, int device, bool native)
      : program_(program), device_(device), native_(native) {}
  xdp_program* const program_;
  const int device_;
  const bool native_;
};

}  // namespace relay::port
