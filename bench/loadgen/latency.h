// One-way latencies in a histogram whose buckets grow with the value: 16 to each power of two, so
// that any percentile is right to 6 percent whatever the load was.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench::loadgen {

class Latency {
 public:
  void Add(uint64_t ns) {
    ++buckets_[Bucket(ns)];
    ++count_;
    if (ns > max_ns_) max_ns_ = ns;
  }

  // The upper edge of the bucket that holds the `fraction` (0..1) smallest value; 0 without values.
  uint64_t Quantile(double fraction) const {
    const uint64_t rank = static_cast<uint64_t>(fraction * static_cast<double>(count_));
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen > rank) return UpperEdge(i) < max_ns_ ? UpperEdge(i) : max_ns_;
    }
    return max_ns_;
  }

  uint64_t count() const { return count_; }
  uint64_t max_ns() const { return max_ns_; }

 private:
  static constexpr size_t kParts = 16;
  static constexpr size_t kBuckets = 64 * kParts;

  static size_t Bucket(uint64_t ns) {
    if (ns < kParts) return ns;
    const int shift = std::bit_width(ns) - 5;  // leaves five bits: 16..31
    return static_cast<size_t>(shift + 1) * kParts + ((ns >> shift) - kParts);
  }
  static uint64_t UpperEdge(size_t bucket) {
    if (bucket < kParts) return bucket;
    const size_t shift = bucket / kParts - 1;
    return ((bucket % kParts + kParts + 1) << shift) - 1;
  }

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ns_ = 0;
};

}  // namespace bench::loadgen
