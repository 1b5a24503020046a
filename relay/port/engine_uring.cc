// The io_uring engine. With uring_buffers.h the only file of the ports that knows liburing.
//
//   receive   one multishot recvmsg a socket; the kernel takes a buffer from our ring of buffers
//   for
//             each datagram and posts a completion. The request ends when buffers run out: what
//             comes meanwhile waits in the socket, and the request is armed again (`unarmed_`).
//   send      one submission for a burst. MSG_DONTWAIT makes each send end inside the submitting
//             call, and success posts no completion: buffers are free when Send returns.
//   wake      a read of an eventfd is always under way.
//
// Kernel 6.1 is the oldest that knows all of this (IORING_SETUP_DEFER_TASKRUN tells).
#include <errno.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "relay/port/engine.h"
#include "relay/port/uring_buffers.h"

namespace relay::port {
namespace {

constexpr unsigned kSubmissions = 512;
// What a completion belongs to, in its user data: kind in the top byte, handle below.
enum class Kind : uint8_t { kReceive = 1, kSend, kCancel, kWake, kNothing };

constexpr uint64_t Tag(Kind kind, Handle handle) {
  return static_cast<uint64_t>(kind) << 56 | handle;
}
constexpr Kind KindOf(uint64_t tag) {
  return static_cast<Kind>(tag >> 56);
}
constexpr Handle HandleOf(uint64_t tag) {
  return static_cast<Handle>(tag);
}

class UringEngine final : public Engine {
 public:
  explicit UringEngine(const EngineParts& parts)
      : parts_(parts), buffers_(parts.pool, parts.receive_window) {
    message_.msg_namelen = sizeof(sockaddr_in6);
    message_.msg_controllen = kControlLength;
    unarmed_.reserve(parts.sockets.size());
    arming_.reserve(parts.sockets.size());
    uncancelled_.reserve(parts.sockets.size());
  }
  ~UringEngine() override;

  absl::Status Open();

  std::string_view name() const override { return "uring"; }
  absl::Status AttachThread() override;
  size_t Receive(std::span<Packet> packets, TimeNs now) override;
  size_t Send(std::span<const Packet> packets) override;
  void Adopt(Handle handle) override;
  void Drop(Handle handle) override;
  void Wait(TimeNs timeout_ns) override;
  void Wake() override;
  uint32_t buffers_held() const override { return buffers_.held(); }

 private:
  io_uring_sqe* NextSubmission();
  size_t Submit();
  size_t ForgetSends();
  void Gather(size_t wanted);
  void ArmAll();
  void Arm(Handle handle);
  void ArmWake();
  void CancelAll();
  bool Complete(const io_uring_cqe& completion, TimeNs now, Packet* packet);
  bool Arrive(const io_uring_cqe& completion, TimeNs now, Packet* packet);
  bool Describe(Socket& socket, uint32_t buffer, const io_uring_cqe& completion, Packet* packet);
  void Finish(Handle handle);

  EngineParts parts_;
  io_uring ring_{};
  bool ring_open_ = false;
  UringBuffers buffers_;
  msghdr message_{};  // what every receive asks for
  SocketAddress addresses_[kSubmissions];
  std::vector<Handle> unarmed_;  // their receive ended; to be armed again
  std::vector<Handle> arming_;
  std::vector<Handle> uncancelled_;  // closing, and the kernel does not know it yet
  bool wake_armed_ = false;
  int wake_descriptor_ = -1;
  uint64_t wake_count_ = 0;
};

// ---- opening ------------------------------------------------------------------------------------

absl::Status UringEngine::Open() {
  io_uring_params params{};
  // The submitter is the thread that enables the ring: the worker, in AttachThread.
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE;
  params.cq_entries = std::max(4u * kSubmissions, 2 * parts_.receive_window);
  int result = io_uring_queue_init_params(kSubmissions, &ring_, &params);
  if (result < 0) {
    return absl::ErrnoToStatus(
        -result, result == -EINVAL ? "the kernel is older than 6.1" : "io_uring is forbidden here");
  }
  ring_open_ = true;
  result = io_uring_register_files_sparse(&ring_, parts_.sockets.size());
  if (result < 0) return absl::ErrnoToStatus(-result, "io_uring: table of files");

  if (const absl::Status status = buffers_.Register(&ring_); !status.ok()) return status;
  wake_descriptor_ = eventfd(0, EFD_CLOEXEC);
  if (wake_descriptor_ < 0) return absl::ErrnoToStatus(errno, "eventfd");
  return absl::OkStatus();
}

UringEngine::~UringEngine() {
  if (ring_open_) io_uring_queue_exit(&ring_);
  if (wake_descriptor_ >= 0) close(wake_descriptor_);
}

absl::Status UringEngine::AttachThread() {
  // io_uring_enable_rings: declared, but not exported by the library of Debian 12.
  if (syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0) <
      0) {
    return absl::ErrnoToStatus(errno, "io_uring: enable");
  }
  ArmWake();
  buffers_.Refill();
  return absl::OkStatus();
}

// ---- submissions --------------------------------------------------------------------------------

// Null when the kernel takes nothing just now: whoever asks keeps what it wanted for later.
io_uring_sqe* UringEngine::NextSubmission() {
  io_uring_sqe* submission = io_uring_get_sqe(&ring_);
  if (submission != nullptr) return submission;
  Submit();
  return io_uring_get_sqe(&ring_);
}

// Returns how many sends the kernel did not take. One call in nearly all cases; it takes fewer when
// it has no memory for a request just then.
size_t UringEngine::Submit() {
  for (int attempt = 0; attempt < 8; ++attempt) {
    io_uring_submit_and_get_events(&ring_);
    if (io_uring_sq_ready(&ring_) == 0) return 0;
  }
  return ForgetSends();
}

// Sends that were not taken must not be taken later, when their buffers hold something else.
size_t UringEngine::ForgetSends() {
  size_t forgotten = 0;
  const unsigned left = io_uring_sq_ready(&ring_);
  for (unsigned i = 0; i < left; ++i) {
    io_uring_sqe* submission =
        &ring_.sq.sqes[(ring_.sq.sqe_tail - left + i) & (ring_.sq.ring_entries - 1)];
    if (KindOf(submission->user_data) != Kind::kSend) continue;
    io_uring_prep_nop(submission);
    submission->flags = IOSQE_CQE_SKIP_SUCCESS;
    submission->user_data = Tag(Kind::kNothing, 0);
    ++forgotten;
  }
  return forgotten;
}

void UringEngine::ArmAll() {
  if (!wake_armed_) ArmWake();
  CancelAll();
  if (unarmed_.empty() || buffers_.held() == 0) return;
  arming_.swap(unarmed_);  // Arm may find that one has to wait once more
  for (Handle handle : arming_) Arm(handle);
  arming_.clear();
}

void UringEngine::Arm(Handle handle) {
  Socket& socket = parts_.sockets[handle];
  if (!socket.registered) {
    socket.registered = io_uring_register_files_update(&ring_, handle, &socket.descriptor, 1) == 1;
    if (!socket.registered) {
      unarmed_.push_back(handle);
      return;
    }
  }
  io_uring_sqe* submission = NextSubmission();
  if (submission == nullptr) {
    unarmed_.push_back(handle);
    return;
  }
  io_uring_prep_recvmsg_multishot(submission, static_cast<int>(handle), &message_, 0);
  submission->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
  submission->buf_group = UringBuffers::kGroup;
  submission->user_data = Tag(Kind::kReceive, handle);
  socket.armed = true;
}

void UringEngine::ArmWake() {
  io_uring_sqe* submission = NextSubmission();
  wake_armed_ = submission != nullptr;
  if (!wake_armed_) return;
  io_uring_prep_read(submission, wake_descriptor_, &wake_count_, sizeof(wake_count_), 0);
  submission->user_data = Tag(Kind::kWake, 0);
}

// ---- a packet's way -----------------------------------------------------------------------------

// The kernel posts completions only when asked, some 20 at a time; it says in shared memory when
// asking is worth it. A full burst is worth more than the calls it takes: everything after this is
// cheaper by the dozen.
void UringEngine::Gather(size_t wanted) {
  for (size_t ready = io_uring_cq_ready(&ring_); ready < wanted;) {
    const unsigned told = __atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED);
    if (io_uring_sq_ready(&ring_) == 0 && (told & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0)
      return;
    Submit();
    const size_t now_ready = io_uring_cq_ready(&ring_);
    if (now_ready == ready) return;
    ready = now_ready;
  }
}

size_t UringEngine::Receive(std::span<Packet> packets, TimeNs now) {
  buffers_.Refill();
  ArmAll();
  Gather(packets.size());
  size_t count = 0;
  unsigned seen = 0;
  unsigned head;
  io_uring_cqe* completion;
  io_uring_for_each_cqe(&ring_, head, completion) {
    if (count == packets.size()) break;
    if (Complete(*completion, now, &packets[count])) ++count;
    ++seen;
  }
  io_uring_cq_advance(&ring_, seen);
  return count;
}

// True when it was a datagram for a living socket.
bool UringEngine::Complete(const io_uring_cqe& completion, TimeNs now, Packet* packet) {
  switch (KindOf(completion.user_data)) {
    case Kind::kReceive:
      return Arrive(completion, now, packet);
    case Kind::kSend:  // only failures are told
      parts_.counters.Add(abi::Counter::kSendFailed);
      return false;
    case Kind::kWake:
      ArmWake();
      return false;
    case Kind::kCancel:  // not found: its last completion is in the queue already
    case Kind::kNothing:
      return false;
  }
  return false;
}

bool UringEngine::Arrive(const io_uring_cqe& completion, TimeNs now, Packet* packet) {
  const Handle handle = HandleOf(completion.user_data);
  Socket& socket = parts_.sockets[handle];
  bool delivered = false;
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
    const uint32_t buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    buffers_.Returned();
    delivered = Describe(socket, buffer, completion, packet);
    if (delivered) {
      packet->arrival_ns = now;
    } else {
      parts_.pool.Give(buffer);
    }
  }
  if ((completion.flags & IORING_CQE_F_MORE) == 0) {
    socket.armed = false;
    if (completion.res == -ENOBUFS) parts_.counters.Add(abi::Counter::kReceiveStarved);
    if (socket.state == SocketState::kClosing) {
      Finish(handle);
    } else {
      unarmed_.push_back(handle);
    }
  }
  return delivered;
}

bool UringEngine::Describe(Socket& socket, uint32_t buffer, const io_uring_cqe& completion,
                           Packet* packet) {
  if (socket.state != SocketState::kOpen) {
    parts_.counters.Add(abi::Counter::kNoLeg);
    return false;
  }
  uint8_t* beside = parts_.pool.At(buffer) + kReceiveOffset;
  io_uring_recvmsg_out* out = io_uring_recvmsg_validate(beside, completion.res, &message_);
  if (out == nullptr) {
    parts_.counters.Add(abi::Counter::kTooShort);
    return false;
  }
  if ((out->flags & MSG_TRUNC) != 0) {
    parts_.counters.Add(abi::Counter::kTooLong);
    return false;
  }
  parts_.pool.Describe(&parts_.owner, buffer, packet);
  packet->length = static_cast<uint32_t>(completion.res) - static_cast<uint32_t>(kBesidePayload);
  packet->tailroom = static_cast<uint16_t>(packet->tailroom - packet->length);
  const uint8_t* from = beside + sizeof(*out);
  DescribeReceived(
      socket, HandleOf(completion.user_data),
      {.from = from, .control = from + sizeof(sockaddr_in6), .control_length = out->controllen},
      parts_.counters, packet);
  return true;
}

size_t UringEngine::Send(std::span<const Packet> packets) {
  size_t failed = 0;
  for (const Packet& packet : packets) {
    if (packet.handle >= parts_.sockets.size()) {
      ++failed;
      continue;
    }
    Socket& socket = parts_.sockets[packet.handle];
    if (socket.state != SocketState::kOpen || !socket.registered ||
        socket.ipv4 != packet.remote.address.IsIpv4()) {
      ++failed;
      continue;
    }
    if (socket.dscp != packet.dscp) {
      failed += Submit();  // what is queued leaves with the old mark
      SetDscp(socket, packet.dscp);
    }
    io_uring_sqe* submission = io_uring_get_sqe(&ring_);
    if (submission == nullptr) {
      failed += Submit();
      submission = io_uring_get_sqe(&ring_);
    }
    if (submission == nullptr) {
      ++failed;
      continue;
    }
    SocketAddress& address = addresses_[submission - ring_.sq.sqes];
    const socklen_t address_length = WriteSocketAddress(packet.remote, &address);
    io_uring_prep_send(submission, static_cast<int>(packet.handle), packet.data, packet.length,
                       MSG_DONTWAIT | MSG_NOSIGNAL);
    io_uring_prep_send_set_addr(submission, &address.any, static_cast<uint16_t>(address_length));
    submission->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    submission->user_data = Tag(Kind::kSend, packet.handle);
  }
  failed += Submit();
  return packets.size() - failed;
}

// ---- sockets come and go ------------------------------------------------------------------------

void UringEngine::Adopt(Handle handle) {
  parts_.sockets[handle].state = SocketState::kOpen;
  if (buffers_.held() == 0) {
    unarmed_.push_back(handle);
  } else {
    Arm(handle);
  }
}

void UringEngine::Drop(Handle handle) {
  Socket& socket = parts_.sockets[handle];
  socket.state = SocketState::kClosing;
  if (!socket.armed) {
    std::erase(unarmed_, handle);
    Finish(handle);
    return;
  }
  uncancelled_.push_back(handle);
  CancelAll();
}

// A cancelled receive's last completion ends its socket.
void UringEngine::CancelAll() {
  while (!uncancelled_.empty()) {
    io_uring_sqe* submission = NextSubmission();
    if (submission == nullptr) return;
    io_uring_prep_cancel64(submission, Tag(Kind::kReceive, uncancelled_.back()), 0);
    submission->flags |= IOSQE_CQE_SKIP_SUCCESS;
    submission->user_data = Tag(Kind::kCancel, uncancelled_.back());
    uncancelled_.pop_back();
  }
}

void UringEngine::Finish(Handle handle) {
  std::erase(uncancelled_, handle);  // it ended by itself; the handle will be another socket's
  if (parts_.sockets[handle].registered) {
    const int none = -1;
    io_uring_register_files_update(&ring_, handle, &none, 1);
  }
  parts_.sockets.Close(handle, parts_.counters);
}

void UringEngine::Wait(TimeNs timeout_ns) {
  buffers_.Refill();
  ArmAll();
  if (io_uring_cq_ready(&ring_) != 0) return;
  __kernel_timespec timeout{.tv_sec = static_cast<long long>(timeout_ns / kSecond),
                            .tv_nsec = static_cast<long long>(timeout_ns % kSecond)};
  io_uring_cqe* completion;
  io_uring_submit_and_wait_timeout(&ring_, &completion, 1, &timeout, nullptr);
}

void UringEngine::Wake() {
  const uint64_t one = 1;
  // It can fail only when 2^64 wakes are unread.
  static_cast<void>(!write(wake_descriptor_, &one, sizeof(one)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeUringEngine(const EngineParts& parts) {
  auto engine = std::make_unique<UringEngine>(parts);
  const absl::Status status = engine->Open();
  if (!status.ok()) return status;
  return engine;
}

}  // namespace relay::port
