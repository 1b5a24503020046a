// A laboratory inside one test process: two fresh network namespaces joined by veth cables. The
// calling thread lives in `near`; sockets of the far party are opened in `far`. Both namespaces go
// with their last descriptor, and everything in them - devices, XDP programs, filters, neighbours -
// goes with them. Needs root.
#pragma once

#include <functional>
#include <string>

#include "relay/abi/mapping.h"

namespace relay::test {

class VethLab {
 public:
  // Cables near0-far0 .. with `queues` queues on either side, checksum offload off, IPv4
  // 10.66.I.1/24 near and 10.66.I.2/24 far, IPv6 fd66:I::1/64 and ::2.
  explicit VethLab(int cables = 1, int queues = 1);
  ~VethLab();  // the thread goes back to the namespace it came from
  VethLab(const VethLab&) = delete;
  VethLab& operator=(const VethLab&) = delete;

  // A shell command in either namespace; the test process ends when it fails.
  void Near(const std::string& command);
  void Far(const std::string& command);
  // Runs `act` with the thread in the far namespace.
  void InFar(const std::function<void()>& act);

 private:
  relay::abi::Descriptor home_;
  relay::abi::Descriptor near_;
  relay::abi::Descriptor far_;
};

// Ends the process with status 77 (skipped, as the system tests do) when it is not root's.
void NeedRoot();

}  // namespace relay::test
