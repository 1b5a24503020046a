// What is remembered of packets that carry no mark: whose speech a port of the relay's is, and when
// the newest packets of a stream left.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bench/loadgen/calls.h"

namespace bench::loadgen {

// From the relay's endpoints to streams.
class Senders {
 public:
  explicit Senders(std::span<const Call> calls) {
    for (uint32_t call = 0; call < calls.size(); ++call) {
      // What A said comes out of the port that faces B.
      Slot(calls[call].b) = 2 * call;
      Slot(calls[call].a) = 2 * call + 1;
    }
  }

  std::optional<uint32_t> StreamFrom(const sockaddr_in& from) const {
    for (const auto& [address, streams] : addresses_) {
      if (address != from.sin_addr.s_addr) continue;
      const uint32_t stream = (*streams)[ntohs(from.sin_port)];
      if (stream != kNobody) return stream;
    }
    return std::nullopt;
  }

 private:
  static constexpr uint32_t kNobody = UINT32_MAX;
  using Streams = std::array<uint32_t, 65536>;

  uint32_t& Slot(const sockaddr_in& endpoint) {
    for (auto& [address, streams] : addresses_) {
      if (address == endpoint.sin_addr.s_addr) return (*streams)[ntohs(endpoint.sin_port)];
    }
    addresses_.emplace_back(endpoint.sin_addr.s_addr, std::make_unique<Streams>());
    addresses_.back().second->fill(kNobody);
    return (*addresses_.back().second)[ntohs(endpoint.sin_port)];
  }

  std::vector<std::pair<uint32_t, std::unique_ptr<Streams>>> addresses_;  // a few
};

// When the last packets of one stream left.
class SendTimes {
 public:
  void Note(uint64_t count, uint64_t now_ns) { times_[count % times_.size()] = now_ns; }
  // Of one that left so many packets ago that its time is forgotten, a later one's: the latency
  // comes out too short, and still longer than so many packets take.
  uint64_t Of(uint64_t count) const { return times_[count % times_.size()]; }

 private:
  std::array<uint64_t, 64> times_{};
};

}  // namespace bench::loadgen
