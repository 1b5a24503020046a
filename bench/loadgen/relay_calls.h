// Calls programmed into a relay over its command ring: two legs and a bridge both ways for each,
// on ports taken from the lease so that both legs lie on one worker.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bench/loadgen/calls.h"
#include "relay/abi/attach.h"

namespace bench::loadgen {

// What the relay itself says of the calls it has closed, both legs added up.
struct RelayTotals {
  uint64_t legs = 0;
  uint64_t received = 0;
  uint64_t sent = 0;
  uint64_t dropped = 0;
  int64_t lost = 0;
};

class RelayCalls : public Calls {
 public:
  struct Options {
    std::string socket;
    std::vector<sockaddr_in> far_a;  // call i has the far parties far_a[i % n], far_b[i % n]
    std::vector<sockaddr_in> far_b;
    bool rtcp_mux = true;
    CallMedia media = {};
  };

  absl::Status Attach(Options options);

  absl::StatusOr<const std::vector<Call>*> Ensure(size_t count) override;
  absl::Status Close() override;

  SpeechKeys first_keys() const override;

  const RelayTotals& totals() const { return totals_; }
  // The relay's counters that moved since Attach, by name.
  std::map<std::string, uint64_t> Counters() const;
  // CPU time of the relay's process so far; 0 when it cannot be read.
  int pid() const { return static_cast<int>(relay_.state().relay_pid); }

 private:
  // Two port pairs of one worker.
  bool TakePorts(std::array<relay::abi::LocalEndpoint, 2>* ports);
  absl::Status Open(size_t call);
  absl::Status Push(relay::abi::Command command);
  // Handles events until fewer than `outstanding` commands wait for their answer.
  absl::Status Settle(size_t outstanding);
  absl::Status SettleUntil(const std::function<bool()>& settled);

  Options options_;
  relay::abi::Attachment relay_;
  std::vector<Call> calls_;
  std::map<uint8_t, std::vector<relay::abi::LocalEndpoint>> free_;  // by worker
  std::vector<uint64_t> counters_at_start_;
  uint64_t request_ = 0;
  uint64_t answered_ = 0;
  RelayTotals totals_;
};

}  // namespace bench::loadgen
