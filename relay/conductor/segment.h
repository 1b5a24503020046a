// Making shared memory: sealed memfds, and the state that everybody may see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "relay/abi/mapping.h"
#include "relay/abi/segment.h"
#include "relay/clock.h"

namespace relay::conductor {

// Zeroed memory of a fixed size that nobody can shrink or grow any more, and that another user can
// reach through the descriptors he is given alone.
absl::StatusOr<abi::Descriptor> MakeSealedMemfd(const char* name, size_t size);

// The same memory through a descriptor that cannot be written or mapped writable. Handed to
// clients, so that a stray store of theirs is a fault in their process and not in ours.
absl::StatusOr<abi::Descriptor> ReopenReadOnly(int fd);

// What is known before the first client comes.
struct StateFacts {
  std::vector<abi::LocalAddress> addresses;
  abi::Placement placement{};
  uint16_t workers = 1;
  uint16_t client_slots = 1;
  uint32_t sessions_max = 0;
  uint32_t legs_max = 0;
  uint64_t instance = 0;
  TimeNs started_ns = 0;
};

// The state memfd. Conductor thread, but for the counters and leg statistics, which the workers
// write.
class StateSegment {
 public:
  // Everything but the magic.
  static absl::StatusOr<StateSegment> Create(const StateFacts& facts);

  // From here on it may be read.
  void Publish() { header().magic.store(abi::kMagic, std::memory_order_release); }

  abi::StateHeader& header() const { return *mapping_.At<abi::StateHeader>(0); }
  std::span<const abi::LocalAddress> addresses() const {
    return {header().addresses, header().local_addresses};
  }
  // One a worker, then the conductor's.
  abi::CounterBlock* counters(uint16_t worker) const {
    return mapping_.At<abi::CounterBlock>(header().counters_offset) + worker;
  }
  abi::CounterBlock* own_counters() const { return counters(header().workers); }
  abi::SessionRecord* sessions() const {
    return mapping_.At<abi::SessionRecord>(header().sessions_offset);
  }
  abi::LegStatisticsSlot* statistics() const {
    return mapping_.At<abi::LegStatisticsSlot>(header().statistics_offset);
  }

  int fd() const { return fd_.get(); }
  int read_only_fd() const { return read_only_fd_.get(); }

 private:
  abi::Descriptor fd_;
  abi::Descriptor read_only_fd_;
  abi::Mapping mapping_;
};

// Every client's share of the port ranges: each local address is cut into `slots` even parts.
std::vector<abi::Lease> LeasesOf(uint16_t slot, uint16_t slots,
                                 std::span<const abi::LocalAddress> addresses);

}  // namespace relay::conductor
