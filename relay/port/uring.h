// The embedded default: the kernel's own sockets, no privilege, any machine.
//
// The name is that of its fast engine; the same port runs on recvmmsg and sendmmsg where io_uring
// is forbidden (default seccomp profiles of containers, kernel.io_uring_disabled).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "relay/port/engine.h"
#include "relay/port/port.h"

namespace relay::port {

struct UringOptions {
  enum class EngineChoice : uint8_t { kAuto, kUring, kMmsg };
  EngineChoice engine = EngineChoice::kAuto;
  uint32_t buffers = 8192;            // at most 65536
  uint32_t receive_window = 2048;     // of these, for arrivals; a power of two, below `buffers`
  uint32_t sockets_max = 32768;       // cut to the descriptor limit
  uint32_t receive_buffer_bytes = 0;  // of each socket (SO_RCVBUF); 0 = the kernel's default
  std::vector<std::string> interfaces = {};  // by index: sockets are bound to theirs; "" = not
  abi::CounterBlock* counters = nullptr;     // of the worker; may be null
};

class UringPort final : public Port {
 public:
  // Conductor thread. Under kAuto io_uring is tried and plain calls are taken instead.
  static absl::StatusOr<std::unique_ptr<UringPort>> Make(const UringOptions& options);

  // "uring" or "mmsg": which engine it is.
  std::string_view name() const override { return engine_->name(); }
  // Under kAuto: why io_uring was not taken; empty when it was.
  const std::string& why_not_uring() const { return why_not_uring_; }

  absl::Status AttachThread() override;
  size_t Receive(std::span<Packet> packets, TimeNs now) override;
  size_t Send(std::span<const Packet> packets) override;
  bool Allocate(Packet* packet) override;
  void Release(std::span<const Packet> packets) override;
  void Adopt(Handle handle) override { engine_->Adopt(handle); }
  void Drop(Handle handle) override { engine_->Drop(handle); }
  void Wait(TimeNs timeout_ns) override { engine_->Wait(timeout_ns); }
  void Wake() override { engine_->Wake(); }
  absl::StatusOr<Handle> Bind(abi::LocalEndpoint local, const abi::Endpoint& as) override {
    return sockets_.Bind(local, as);
  }
  void Unbind(Handle handle) override { sockets_.Unbind(handle); }

  // What must be back to its first value when a test ends.
  uint32_t buffers_free() const { return pool_.free() + engine_->buffers_held(); }
  uint32_t bound() const { return sockets_.bound(); }

 private:
  explicit UringPort(const UringOptions& options);

  abi::CounterBlock own_counters_{};  // when nobody gave any
  abi::CounterBlock& counters_;
  BufferPool pool_;
  SocketTable sockets_;
  std::string why_not_uring_;
  std::unique_ptr<Engine> engine_;  // last: it goes first
};

}  // namespace relay::port
