// DPDK's environment layer: one a process, started once, with what the relay knows better filled
// in.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "relay/port/dpdk.h"

namespace relay::port {

// The words that EAL is started with: the program's name, the user's, and what the user left open.
// `devices`: PCI devices are allowed by name, since nothing else may be taken from the kernel.
std::vector<std::string> EalArguments(std::string_view typed, std::span<const std::string> devices,
                                      uint64_t memory_bytes);

// Conductor thread. A second start with the same words does nothing.
absl::Status StartEal(const std::vector<std::string>& arguments);

// The last thing DPDK complained of, to be put behind a sentence of ours: " (DPDK: ...)" or "".
std::string LastComplaint();
// Forgets it: what comes now belongs to what is tried now.
void ForgetComplaints();

}  // namespace relay::port
