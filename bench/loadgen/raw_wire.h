// The generator's packets as frames through one network device (packet(7)): headers are written
// here, and what comes back is read from a ring that the kernel fills. This spares the sender the
// kernel's UDP, and the relay's core the delivery into the generator's sockets, which on a veth
// cable runs on the core of whoever sends. Needs CAP_NET_RAW.
#pragma once

#include <sys/socket.h>

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "bench/loadgen/wire.h"
#include "relay/wire/frame.h"

namespace bench::loadgen {

class RawWire final : public Wire {
 public:
  static absl::StatusOr<std::unique_ptr<Wire>> Open(const FarEnd& far);
  ~RawWire() override;

  // Asks the kernel for the next hops.
  absl::Status Prepare(std::span<const Call> calls) override;
  std::span<uint8_t> Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
                          size_t length) override;
  void Flush() override;
  void Receive(Taker take) override;

 private:
  static constexpr size_t kHeaders = 14 + 20 + 8;
  // Frames that wait for us: a tenth of a second at 300,000 packets/s.
  static constexpr size_t kRingFrames = 32768;
  static constexpr size_t kRingFrame = 512;
  static constexpr size_t kRingBlock = 1 << 20;

  explicit RawWire(const FarEnd& far);
  absl::Status OpenDevice();
  absl::Status OpenRing();
  // Our ports, taken and deaf: nobody else gets them, and the kernel answers no packet.
  absl::Status TakePorts();
  absl::StatusOr<relay::wire::MacAddress> NextHop(const in_addr& address) const;

  int out_ = -1;
  int in_ = -1;
  std::vector<int> ports_;
  uint8_t* ring_ = nullptr;
  size_t ring_next_ = 0;

  std::map<uint32_t, relay::wire::MacAddress> next_hops_;  // by IPv4 address
  relay::wire::MacAddress own_{};
  std::vector<relay::abi::Endpoint> own_endpoints_;  // by side and index

  struct Frame {
    std::array<uint8_t, kHeaders> headers;
    std::array<uint8_t, kPacketMax> packet;
  };
  static_assert(sizeof(Frame) == kHeaders + kPacketMax);
  std::array<Frame, kBatch> frames_;
  std::array<relay::wire::Envelope, kBatch> envelopes_;
  std::array<iovec, kBatch> parts_;
  std::array<mmsghdr, kBatch> messages_;
  std::array<uint32_t, kBatch> streams_;
  size_t size_ = 0;
};

}  // namespace bench::loadgen
