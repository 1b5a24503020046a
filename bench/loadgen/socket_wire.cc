#include "bench/loadgen/socket_wire.h"

#include <unistd.h>

#include <cerrno>

#include "relay/clock.h"

namespace bench::loadgen {
namespace {

constexpr int kSocketBuffer = 64 << 20;

}  // namespace

SocketWire::Batch::Batch() {
  for (size_t i = 0; i < kBatch; ++i) {
    parts[i] = {packets[i].data(), packets[i].size()};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
}

absl::StatusOr<std::unique_ptr<Wire>> SocketWire::Open(const FarEnd& far) {
  std::unique_ptr<SocketWire> wire(new SocketWire(far));
  for (int side = 0; side < 2; ++side) {
    for (size_t i = 0; i < far.sockets; ++i) {
      if (absl::Status status = wire->OpenSocket(side, i); !status.ok()) return status;
    }
  }
  return wire;
}

SocketWire::~SocketWire() {
  for (const Socket& socket : sockets_) close(socket.descriptor);
}

absl::Status SocketWire::OpenSocket(int side, size_t index) {
  auto bound = BindPort(side, index);
  if (!bound.ok()) return bound.status();
  sockets_.push_back({.descriptor = *bound, .side = side, .out = std::make_unique<Batch>()});
  for (const auto& [force, plain] :
       {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, std::pair{SO_SNDBUFFORCE, SO_SNDBUF}}) {
    if (setsockopt(*bound, SOL_SOCKET, force, &kSocketBuffer, sizeof kSocketBuffer) != 0) {
      setsockopt(*bound, SOL_SOCKET, plain, &kSocketBuffer, sizeof kSocketBuffer);
    }
  }
  return absl::OkStatus();
}

std::span<uint8_t> SocketWire::Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
                                    size_t length) {
  Socket& socket = sockets_[static_cast<size_t>(side) * far_.sockets + index];
  Batch& batch = *socket.out;
  if (batch.size == kBatch) Flush(socket);
  const size_t slot = batch.size++;
  batch.targets[slot] = to;
  batch.streams[slot] = stream;
  batch.messages[slot].msg_hdr.msg_name = &batch.targets[slot];
  batch.messages[slot].msg_hdr.msg_namelen = sizeof to;
  batch.parts[slot].iov_len = length;
  return std::span(batch.packets[slot]).first(length);
}

void SocketWire::Flush() {
  for (Socket& socket : sockets_) Flush(socket);
}

void SocketWire::Flush(Socket& socket) {
  Batch& batch = *socket.out;
  for (size_t done = 0; done < batch.size;) {
    const int sent = sendmmsg(socket.descriptor, &batch.messages[done],
                              static_cast<unsigned>(batch.size - done), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
    } else if (errno != EINTR) {
      // An ICMP error of an earlier packet (ECONNREFUSED) or a full queue: this one was not taken.
      refused_.push_back(batch.streams[done++]);
    }
  }
  batch.size = 0;
}

void SocketWire::Receive(Taker take) {
  for (size_t i = 0; i < kBatch; ++i) {
    in_.messages[i].msg_hdr.msg_name = &in_.targets[i];
    in_.messages[i].msg_hdr.msg_namelen = sizeof in_.targets[i];
  }
  for (const Socket& socket : sockets_) {
    const int got = recvmmsg(socket.descriptor, in_.messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < got; ++i) {
      const size_t slot = static_cast<size_t>(i);
      take({.side = socket.side,
            .from = in_.targets[slot],
            .packet = {in_.packets[slot].data(), in_.messages[slot].msg_len},
            .now_ns = relay::MonotonicNow()});
    }
  }
}

}  // namespace bench::loadgen
