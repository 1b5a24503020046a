#include "sipctl/sip/udp_listener.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sipctl::sip {
namespace {

constexpr int kBatch = 16;
constexpr int kBatchesPerTurn = 8;  // then the other sockets have their turn
constexpr size_t kDatagramBytesMax = 65536;

// What the kernel refuses now and may take when it is sent again: a rule of the packet filter
// (EPERM), a full queue of the interface (ENOBUFS; epoll knows nothing of that one, so waiting for
// EPOLLOUT would be a busy loop), an ICMP error that an earlier datagram to anybody has earned.
bool IsLoss(int error) {
  return error == EPERM || error == ENOBUFS || error == ECONNREFUSED;
}

}  // namespace

// What recvmmsg writes to. A megabyte of addresses, of which a page is touched for each datagram
// of the fullest burst.
struct UdpListener::Batch {
  std::unique_ptr<char[]> bytes =
      std::make_unique_for_overwrite<char[]>(kBatch * kDatagramBytesMax);
  std::array<KernelAddress, kBatch> sources;
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> headers{};
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(timespec))> bytes;
  };
  std::array<Control, kBatch> controls{};
  uint32_t kernel_drops = 0;  // SO_RXQ_OVFL of the last datagram that carried it: a running count

  Batch() {
    for (size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {bytes.get() + i * kDatagramBytesMax, kDatagramBytesMax};
      headers[i].msg_hdr.msg_name = &sources[i].storage;
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
  }

  int Receive(int fd) {
    for (size_t i = 0; i < kBatch; ++i) {
      headers[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
      headers[i].msg_hdr.msg_control = controls[i].bytes.data();
      headers[i].msg_hdr.msg_controllen = controls[i].bytes.size();
    }
    return recvmmsg(fd, headers.data(), kBatch, MSG_DONTWAIT, nullptr);
  }

  // What the kernel says beside a datagram; false: nothing of that kind.
  template <typename Value>
  bool Said(size_t i, int type, Value* value) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&headers[i].msg_hdr); control != nullptr;
         control = CMSG_NXTHDR(&headers[i].msg_hdr, control)) {
      if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != type) continue;
      std::memcpy(value, CMSG_DATA(control), sizeof *value);
      return true;
    }
    return false;
  }
  // How many datagrams the kernel dropped since the one before.
  uint32_t NewKernelDrops(size_t i) {
    uint32_t total;
    if (!Said(i, SO_RXQ_OVFL, &total)) return 0;
    return total - std::exchange(kernel_drops, total);
  }
  TimeMs AgeOf(size_t i, const ArrivalClock& arrival) {
    timespec stamped;
    if (!Said(i, SCM_TIMESTAMPNS, &stamped)) return 0;
    return arrival.AgeOf(stamped);
  }
};

absl::StatusOr<std::unique_ptr<UdpListener>> UdpListener::Open(Loop* loop,
                                                               const SocketAddress& bind_to,
                                                               size_t queue_bytes_max,
                                                               TransportCounters* counters,
                                                               Received received) {
  absl::StatusOr<Socket> socket = OpenUdp(bind_to);
  if (!socket.ok()) return socket.status();
  return std::unique_ptr<UdpListener>(
      new UdpListener(loop, *std::move(socket), queue_bytes_max, counters, std::move(received)));
}

UdpListener::UdpListener(Loop* loop, Socket socket, size_t queue_bytes_max,
                         TransportCounters* counters, Received received)
    : loop_(loop),
      socket_(std::move(socket)),
      queue_bytes_max_(queue_bytes_max),
      counters_(counters),
      received_(std::move(received)),
      batch_(std::make_unique<Batch>()) {
  loop_->Watch(socket_.fd(), EPOLLIN, [this](uint32_t events) { OnReady(events); });
}

UdpListener::~UdpListener() {
  loop_->Unwatch(socket_.fd());
}

void UdpListener::OnReady(uint32_t events) {
  if (events & EPOLLOUT) Flush();
  if (events & (EPOLLIN | EPOLLERR)) Receive();
}

void UdpListener::Receive() {
  for (int round = 0; round < kBatchesPerTurn; ++round) {
    const int count = batch_->Receive(socket_.fd());
    if (count > 0) arrival_.Begin(ArrivalClock::Read());
    // Nearly nothing is left behind a batch that is not whole.
    backlog_.full_percent = count < kBatch ? uint8_t{0} : ReceiveBufferFullPercent(socket_.fd());
    for (int i = 0; i < count; ++i) {
      const auto n = static_cast<size_t>(i);
      counters_->kernel_drops += batch_->NewKernelDrops(n);
      backlog_.age = batch_->AgeOf(n, arrival_);
      char* const bytes = batch_->bytes.get() + n * kDatagramBytesMax;
      received_({bytes, batch_->headers[n].msg_len}, batch_->sources[n].ToSocketAddress());
      explicit_bzero(bytes, batch_->headers[n].msg_len);  // there may have been keys in it
    }
    if (count < kBatch) return;
  }
}

int UdpListener::SendNow(const SocketAddress& to, std::string_view bytes) {
  KernelAddress address(to);
  const ssize_t sent =
      sendto(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL, address.data(), address.size);
  return sent < 0 ? errno : 0;
}

absl::Status UdpListener::Send(const SocketAddress& to, std::string_view bytes) {
  const int error = queue_.empty() ? SendNow(to, bytes) : EAGAIN;
  if (error == 0) return absl::OkStatus();
  if (IsLoss(error)) {
    ++counters_->datagrams_not_taken;
    return absl::OkStatus();
  }
  if (error != EAGAIN) {
    ++counters_->datagram_send_failures;
    return absl::ErrnoToStatus(error, absl::StrCat("cannot send to ", ToString(to)));
  }
  if (queue_bytes_ + bytes.size() > queue_bytes_max_) {
    ++counters_->datagram_queue_full;
    return absl::OkStatus();
  }
  if (queue_.empty()) loop_->Modify(socket_.fd(), EPOLLIN | EPOLLOUT);
  queue_bytes_ += bytes.size();
  queue_.push_back({to, std::string(bytes)});
  return absl::OkStatus();
}

void UdpListener::Flush() {
  while (!queue_.empty()) {
    const int error = SendNow(queue_.front().to, queue_.front().bytes);
    if (error == EAGAIN) return;
    // UDP: nobody is told.
    if (error != 0)
      ++(IsLoss(error) ? counters_->datagrams_not_taken : counters_->datagram_send_failures);
    queue_bytes_ -= queue_.front().bytes.size();
    queue_.pop_front();
  }
  loop_->Modify(socket_.fd(), EPOLLIN);
}

}  // namespace sipctl::sip
