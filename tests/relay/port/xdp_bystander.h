// Somebody else's XDP program on a device, under libxdp's dispatcher.
#pragma once

#include <cstdint>
#include <string>

struct xdp_bystander;
struct xdp_program;

namespace relay::test {

// A mount namespace with a bpffs of its own, for the calling thread and what it starts: before the
// first other thread.
void OwnBpffs();

class XdpBystander {
 public:
  explicit XdpBystander(const std::string& device);
  ~XdpBystander();
  XdpBystander(const XdpBystander&) = delete;
  XdpBystander& operator=(const XdpBystander&) = delete;

  uint64_t frames() const;  // that it saw
  // Programs under the dispatcher of a device; 0 without one.
  static int ProgramsOn(const std::string& device);

 private:
  const int device_;
  xdp_bystander* opened_;
  xdp_program* program_;
};

}  // namespace relay::test
