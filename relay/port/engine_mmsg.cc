// The engine of plain system calls: epoll says which sockets have something, recvmmsg and sendmmsg
// move it. Level-triggered, so that a socket that was not emptied is told again.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "relay/port/engine.h"

namespace relay::port {
namespace {

// Datagrams taken from one socket before the next has its turn. A media stream has one at a time.
constexpr size_t kFromOneSocket = 8;
constexpr Handle kWakeHandle = kNoHandle;

class MmsgEngine final : public Engine {
 public:
  explicit MmsgEngine(const EngineParts& parts) : parts_(parts) {}
  ~MmsgEngine() override {
    if (epoll_ >= 0) close(epoll_);
    if (wake_descriptor_ >= 0) close(wake_descriptor_);
  }

  absl::Status Open();

  std::string_view name() const override { return "mmsg"; }
  absl::Status AttachThread() override { return absl::OkStatus(); }
  size_t Receive(std::span<Packet> packets, TimeNs now) override;
  size_t Send(std::span<const Packet> packets) override;
  void Adopt(Handle handle) override;
  void Drop(Handle handle) override;
  void Wait(TimeNs timeout_ns) override;
  void Wake() override;
  uint32_t buffers_held() const override { return 0; }

 private:
  size_t ReceiveFrom(Handle handle, std::span<Packet> packets, TimeNs now);
  bool Describe(Socket& socket, Handle handle, size_t index, uint32_t buffer, Packet* packet);
  size_t SendThrough(Socket& socket, std::span<const Packet> packets);

  EngineParts parts_;
  int epoll_ = -1;
  int wake_descriptor_ = -1;
  epoll_event events_[kBurstMax];

  mmsghdr messages_[kBurstMax];
  iovec vectors_[kBurstMax];
  SocketAddress addresses_[kBurstMax];
  uint32_t taken_[kFromOneSocket];
  alignas(cmsghdr) uint8_t control_[kFromOneSocket][kControlLength];
};

absl::Status MmsgEngine::Open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_descriptor_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{.events = EPOLLIN, .data = {.u32 = kWakeHandle}};
  if (epoll_ < 0 || wake_descriptor_ < 0 ||
      epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_descriptor_, &event) != 0) {
    return absl::ErrnoToStatus(errno, "epoll");
  }
  return absl::OkStatus();
}

size_t MmsgEngine::Receive(std::span<Packet> packets, TimeNs now) {
  const int ready = epoll_wait(epoll_, events_, static_cast<int>(kBurstMax), 0);
  size_t count = 0;
  for (int i = 0; i < ready && count < packets.size(); ++i) {
    const Handle handle = events_[i].data.u32;
    if (handle == kWakeHandle) {
      uint64_t wakes;
      static_cast<void>(!read(wake_descriptor_, &wakes, sizeof(wakes)));
      continue;
    }
    count += ReceiveFrom(handle, packets.subspan(count), now);
  }
  return count;
}

size_t MmsgEngine::ReceiveFrom(Handle handle, std::span<Packet> packets, TimeNs now) {
  Socket& socket = parts_.sockets[handle];
  size_t wanted = 0;
  while (wanted < std::min(packets.size(), kFromOneSocket) && parts_.pool.Take(&taken_[wanted])) {
    vectors_[wanted] = {.iov_base = parts_.pool.At(taken_[wanted]) + kHeadroom,
                        .iov_len = kPayloadMax};
    messages_[wanted] = {.msg_hdr = {.msg_name = &addresses_[wanted],
                                     .msg_namelen = sizeof(SocketAddress),
                                     .msg_iov = &vectors_[wanted],
                                     .msg_iovlen = 1,
                                     .msg_control = control_[wanted],
                                     .msg_controllen = kControlLength,
                                     .msg_flags = 0},
                         .msg_len = 0};
    ++wanted;
  }
  if (wanted == 0) {
    parts_.counters.Add(abi::Counter::kReceiveStarved);
    return 0;
  }
  const int received =
      recvmmsg(socket.descriptor, messages_, static_cast<unsigned>(wanted), MSG_DONTWAIT, nullptr);
  size_t count = 0;
  for (size_t i = 0; i < wanted; ++i) {
    // On an error (an ICMP message that found its way to the socket) there is nothing, and the
    // socket goes on.
    if (static_cast<int>(i) < received && Describe(socket, handle, i, taken_[i], &packets[count])) {
      packets[count++].arrival_ns = now;
    } else {
      parts_.pool.Give(taken_[i]);
    }
  }
  return count;
}

bool MmsgEngine::Describe(Socket& socket, Handle handle, size_t index, uint32_t buffer,
                          Packet* packet) {
  const mmsghdr& message = messages_[index];
  if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    parts_.counters.Add(abi::Counter::kTooLong);
    return false;
  }
  parts_.pool.Describe(&parts_.owner, buffer, packet);
  packet->length = message.msg_len;
  packet->tailroom = static_cast<uint16_t>(packet->tailroom - packet->length);
  DescribeReceived(socket, handle,
                   {.from = reinterpret_cast<const uint8_t*>(&addresses_[index]),
                    .control = control_[index],
                    .control_length = message.msg_hdr.msg_controllen},
                   parts_.counters, packet);
  return true;
}

size_t MmsgEngine::Send(std::span<const Packet> packets) {
  size_t sent = 0;
  for (size_t i = 0; i < packets.size();) {
    const Packet& first = packets[i];
    size_t end = i + 1;
    while (end < packets.size() && end - i < kBurstMax && packets[end].handle == first.handle &&
           packets[end].dscp == first.dscp) {
      ++end;
    }
    if (first.handle < parts_.sockets.size() &&
        parts_.sockets[first.handle].state == SocketState::kOpen) {
      sent += SendThrough(parts_.sockets[first.handle], packets.subspan(i, end - i));
    }
    i = end;
  }
  return sent;
}

// All with the same mark.
size_t MmsgEngine::SendThrough(Socket& socket, std::span<const Packet> packets) {
  if (socket.dscp != packets[0].dscp) SetDscp(socket, packets[0].dscp);
  unsigned queued = 0;
  for (const Packet& packet : packets) {
    if (socket.ipv4 != packet.remote.address.IsIpv4()) continue;
    vectors_[queued] = {.iov_base = packet.data, .iov_len = packet.length};
    const socklen_t length = WriteSocketAddress(packet.remote, &addresses_[queued]);
    messages_[queued] = {.msg_hdr = {.msg_name = &addresses_[queued],
                                     .msg_namelen = length,
                                     .msg_iov = &vectors_[queued],
                                     .msg_iovlen = 1,
                                     .msg_control = nullptr,
                                     .msg_controllen = 0,
                                     .msg_flags = 0},
                         .msg_len = 0};
    ++queued;
  }
  size_t sent = 0;
  // sendmmsg stops at the first that fails and tells its error only when it is the first of all.
  for (unsigned at = 0; at < queued;) {
    const int done =
        sendmmsg(socket.descriptor, messages_ + at, queued - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    at += done > 0 ? static_cast<unsigned>(done) : 1;
    sent += done > 0 ? static_cast<size_t>(done) : 0;
  }
  return sent;
}

void MmsgEngine::Adopt(Handle handle) {
  Socket& socket = parts_.sockets[handle];
  socket.state = SocketState::kOpen;
  epoll_event event{.events = EPOLLIN, .data = {.u32 = handle}};
  // It can fail for want of kernel memory only, or past fs.epoll.max_user_watches.
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.descriptor, &event) != 0) {
    parts_.counters.Add(abi::Counter::kReceiveStarved);
  }
}

void MmsgEngine::Drop(Handle handle) {
  parts_.sockets.Close(handle, parts_.counters);
}

void MmsgEngine::Wait(TimeNs timeout_ns) {
  const timespec timeout{.tv_sec = static_cast<time_t>(timeout_ns / kSecond),
                         .tv_nsec = static_cast<long>(timeout_ns % kSecond)};
  epoll_pwait2(epoll_, events_, 1, &timeout, nullptr);
}

void MmsgEngine::Wake() {
  const uint64_t one = 1;
  static_cast<void>(!write(wake_descriptor_, &one, sizeof(one)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeMmsgEngine(const EngineParts& parts) {
  auto engine = std::make_unique<MmsgEngine>(parts);
  const absl::Status status = engine->Open();
  if (!status.ok()) return status;
  return engine;
}

}  // namespace relay::port
