// The generator's packets through sockets of the kernel, 64 to a system call.
#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>
#include <vector>

#include "bench/loadgen/wire.h"

namespace bench::loadgen {

class SocketWire final : public Wire {
 public:
  static absl::StatusOr<std::unique_ptr<Wire>> Open(const FarEnd& far);
  ~SocketWire() override;

  absl::Status Prepare(std::span<const Call>) override { return absl::OkStatus(); }
  std::span<uint8_t> Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
                          size_t length) override;
  void Flush() override;
  void Receive(Taker take) override;

 private:
  struct Batch {
    Batch();
    std::array<std::array<uint8_t, kPacketMax>, kBatch> packets;
    std::array<iovec, kBatch> parts;
    std::array<mmsghdr, kBatch> messages;
    std::array<sockaddr_in, kBatch> targets;
    std::array<uint32_t, kBatch> streams;
    size_t size = 0;
  };
  struct Socket {
    int descriptor;
    int side;
    std::unique_ptr<Batch> out;
  };

  using Wire::Wire;
  absl::Status OpenSocket(int side, size_t index);
  void Flush(Socket& socket);

  std::vector<Socket> sockets_;  // of side A, then of side B
  Batch in_;
};

}  // namespace bench::loadgen
