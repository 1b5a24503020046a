// The measurement itself: one thread that sends every stream's packet when it is due and takes in
// whatever comes back, 64 packets to a system call.
//
// All streams of one side leave from a few sockets, because a relay keys on its own port and the
// packet names its stream. That keeps the generator's cost a packet the same for 10 calls and for
// 5,000, and the number of descriptors small.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/loadgen/calls.h"
#include "bench/loadgen/latency.h"
#include "bench/loadgen/stream.h"

namespace bench::loadgen {

struct PumpOptions {
  std::string far = "127.0.0.1";  // our address
  uint16_t port_first = 50000;    // sockets of side A, then of side B
  uint16_t sockets = 2;           // a side
  uint64_t drain_ns = 500'000'000;
};

struct Measurement {
  uint64_t calls = 0;
  double seconds = 0;
  StreamTotals totals;
  Latency latency;
  uint64_t strangers = 0;       // packets that are none of this run's
  uint64_t wrong_side = 0;      // came out where they went in
  uint64_t late_ns_max = 0;     // the generator's own worst delay behind its timetable
  uint64_t streams_broken = 0;  // streams that lost something
  double offered() const { return static_cast<double>(totals.sent) / seconds; }
};

class Pump {
 public:
  static absl::StatusOr<std::unique_ptr<Pump>> Open(const PumpOptions& options);
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  std::vector<sockaddr_in> Endpoints(int side) const;  // 0 = A, 1 = B

  // Runs the first `count` calls for `seconds` and waits for the stragglers.
  Measurement Run(const std::vector<Call>& calls, size_t count, double seconds);

 private:
  static constexpr size_t kBatch = 64;
  struct Batch {
    std::array<std::array<uint8_t, kPacket>, kBatch> packets;
    std::array<iovec, kBatch> parts;
    std::array<mmsghdr, kBatch> messages;
    std::array<uint32_t, kBatch> streams;
    size_t size = 0;
  };
  struct Pass;

  explicit Pump(const PumpOptions& options) : options_(options) {}
  absl::Status OpenSocket(int side, uint16_t index);
  void Queue(Pass* pass, uint32_t stream, uint64_t now_ns);
  void Flush(Pass* pass, Batch* batch, int fd);
  // True when a socket had a full batch: there is more.
  bool Receive(Pass* pass);
  bool ReceiveFrom(Pass* pass, int side, int fd);

  PumpOptions options_;
  std::vector<int> sockets_[2];
  std::vector<std::unique_ptr<Batch>> out_[2];
  Batch in_;
  uint32_t runs_ = 0;
};

}  // namespace bench::loadgen
