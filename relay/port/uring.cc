#include "relay/port/uring.h"

#include <sys/resource.h>

#include <algorithm>
#include <bit>

#include "absl/status/status.h"

namespace relay::port {
namespace {

// Everything else that a process keeps open: memfds, eventfds, logs, the rings.
constexpr uint32_t kDescriptorsKept = 64;

uint32_t SocketsMax(const UringOptions& options) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const uint64_t left =
      limit.rlim_cur > 2 * kDescriptorsKept ? limit.rlim_cur - kDescriptorsKept : kDescriptorsKept;
  return static_cast<uint32_t>(std::min<uint64_t>(left, options.sockets_max));
}

}  // namespace

UringPort::UringPort(const UringOptions& options)
    : counters_(options.counters != nullptr ? *options.counters : own_counters_),
      pool_(options.buffers),
      sockets_(SocketsMax(options), {.receive_buffer_bytes = options.receive_buffer_bytes,
                                     .interfaces = options.interfaces}) {}

absl::StatusOr<std::unique_ptr<UringPort>> UringPort::Make(const UringOptions& options) {
  if (options.buffers > 65536 || !std::has_single_bit(options.receive_window) ||
      options.receive_window >= options.buffers || options.receive_window > 32768) {
    return absl::InvalidArgumentError(
        "buffers: at most 65536; receive_window: a power of two, at most 32768, below buffers");
  }
  std::unique_ptr<UringPort> port(new UringPort(options));
  const EngineParts parts{.owner = *port,
                          .pool = port->pool_,
                          .sockets = port->sockets_,
                          .counters = port->counters_,
                          .receive_window = options.receive_window};
  if (options.engine != UringOptions::EngineChoice::kMmsg) {
    absl::StatusOr<std::unique_ptr<Engine>> engine = MakeUringEngine(parts);
    if (engine.ok()) {
      port->engine_ = *std::move(engine);
      return port;
    }
    if (options.engine == UringOptions::EngineChoice::kUring) return engine.status();
    port->why_not_uring_ = std::string(engine.status().message());
  }
  absl::StatusOr<std::unique_ptr<Engine>> engine = MakeMmsgEngine(parts);
  if (!engine.ok()) return engine.status();
  port->engine_ = *std::move(engine);
  return port;
}

absl::Status UringPort::AttachThread() {
  pool_.Fault();
  return engine_->AttachThread();
}

size_t UringPort::Receive(std::span<Packet> packets, TimeNs now) {
  return engine_->Receive(packets, now);
}

size_t UringPort::Send(std::span<const Packet> packets) {
  const size_t sent = engine_->Send(packets);
  counters_.Add(abi::Counter::kSendFailed, packets.size() - sent);
  // Also of other owners: the kernel has copied, nothing of theirs is kept.
  Release(packets);
  return sent;
}

bool UringPort::Allocate(Packet* packet) {
  uint32_t buffer;
  if (!pool_.Take(&buffer)) return false;
  pool_.Describe(this, buffer, packet);
  return true;
}

void UringPort::Release(std::span<const Packet> packets) {
  ReleaseToOwners(packets, this, [this](std::span<const Packet> own) {
    for (const Packet& packet : own) pool_.Give(static_cast<uint32_t>(packet.buffer));
  });
}

}  // namespace relay::port
