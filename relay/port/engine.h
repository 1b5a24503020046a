// How the uring port moves packets through its sockets: by io_uring, or by plain system calls
// where io_uring is forbidden. Called on the worker's thread, but for Wake.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "relay/port/buffer_pool.h"
#include "relay/port/port.h"
#include "relay/port/socket.h"

namespace relay::port {

// What an engine works with; all of it outlives the engine.
struct EngineParts {
  Port& owner;
  BufferPool& pool;
  SocketTable& sockets;
  abi::CounterBlock& counters;
  uint32_t receive_window;  // buffers that wait for arrivals; a power of two
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string_view name() const = 0;
  virtual absl::Status AttachThread() = 0;
  virtual size_t Receive(std::span<Packet> packets, TimeNs now) = 0;
  // Everything is copied by the kernel when Send returns: the buffers stay the caller's.
  virtual size_t Send(std::span<const Packet> packets) = 0;
  virtual void Adopt(Handle handle) = 0;
  virtual void Drop(Handle handle) = 0;
  virtual void Wait(TimeNs timeout_ns) = 0;
  virtual void Wake() = 0;
  virtual uint32_t buffers_held() const = 0;  // waiting for arrivals
};

// Fails when the kernel or a container's policy forbids io_uring, or is older than 6.1.
absl::StatusOr<std::unique_ptr<Engine>> MakeUringEngine(const EngineParts& parts);
absl::StatusOr<std::unique_ptr<Engine>> MakeMmsgEngine(const EngineParts& parts);

}  // namespace relay::port
