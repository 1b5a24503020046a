#include "relay/port/xdp_port.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace relay::port {
namespace {

constexpr uint32_t kRing = 8192;  // descriptors of each ring: 27 ms at 300,000 packets/s
constexpr int kBusyPollBudget = 64;
constexpr TimeNs kQueueFreed = 2 * kSecond;

// Since Linux 5.11; Debian 12's headers have them under other guards.
constexpr int kPreferBusyPoll = 69;
constexpr int kBusyPollBudgetOption = 70;

}  // namespace

struct XdpPort::Lane {
  XdpQueue queue;
  xsk_socket* socket = nullptr;
  xsk_ring_cons arrived{};
  xsk_ring_prod leaving{};
  xsk_ring_prod fill{};
  xsk_ring_cons sent{};
  uint32_t filled = 0;    // frames in the kernel's hands, for arrivals
  uint32_t flying = 0;    // frames in the kernel's hands, on their way out
  uint32_t window = 0;    // of frames for arrivals
  uint32_t unkicked = 0;  // pushed since the kernel was told
  int descriptor = -1;
};

XdpPort::XdpPort(XdpPortOptions options)
    : options_(std::move(options)),
      counters_(*options_.counters),
      endpoints_(options_.addresses, options_.counters, options_.legs_elsewhere),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

XdpPort::~XdpPort() {
  CloseAll();
}

// ---- opening ------------------------------------------------------------------------------------

absl::Status XdpPort::AttachThread() {
  absl::Status status = OpenBest();
  // A queue whose last socket was closed a moment ago: the kernel takes it down in the background.
  const TimeNs deadline = MonotonicNow() + kQueueFreed;
  while (absl::IsFailedPrecondition(status) && MonotonicNow() < deadline) {
    poll(nullptr, 0, 10);
    status = OpenBest();
  }
  if (!status.ok()) return status;
  for (const auto& lane : lanes_) {
    status.Update(options_.steer(lane->queue, lane->descriptor));
  }
  return status;
}

absl::Status XdpPort::OpenBest() {
  absl::Status status = absl::UnavailableError("");
  if (options_.try_zero_copy) status = OpenAll(true);
  if (status.ok() || absl::IsFailedPrecondition(status)) return status;
  if (options_.need_zero_copy) {
    return absl::Status(status.code(),
                        absl::StrCat(status.message(), "; --xdp-mode zero-copy forbids to copy"));
  }
  return OpenAll(false);
}

absl::Status XdpPort::MakeFrames(XdpUmem::Layout layout) {
  if (umem_.size() != 0 && umem_.layout() == layout) return absl::OkStatus();
  absl::StatusOr<XdpUmem> umem = XdpUmem::Make(options_.buffers, layout);
  if (!umem.ok()) return umem.status();
  umem_ = *std::move(umem);
  // Touched first by this thread, so that the pages lie on its NUMA node.
  for (uint64_t at = 0; at < umem_.size(); at += 4096) *umem_.At(at) = 0;
  return absl::OkStatus();
}

absl::Status XdpPort::OpenAll(bool zero_copy) {
  CloseAll();
  zero_copy_ = zero_copy;
  absl::Status made = MakeFrames(zero_copy ? XdpUmem::Layout::kAligned : XdpUmem::Layout::kSpread);
  if (!made.ok()) return made;
  const auto lanes = static_cast<uint32_t>(options_.queues.size());
  for (const XdpQueue& queue : options_.queues) {
    // Known before it is open: a half-open one is closed with all others.
    Lane& lane = *lanes_.emplace_back(std::make_unique<Lane>());
    lane.queue = queue;
    // The half of the frames waits for arrivals; the other is under way or being worked on.
    lane.window = std::min(kRing, options_.buffers / 2 / lanes);
    if (absl::Status status = Open(lane, zero_copy, lanes_.size() == 1); !status.ok()) {
      CloseAll();
      return status;
    }
    if (queue.egress >= egress_.size()) egress_.resize(queue.egress + 1u, nullptr);
    if (egress_[queue.egress] == nullptr) egress_[queue.egress] = &lane;
  }
  awaited_.assign(1, {.fd = wake_fd_.get(), .events = POLLIN, .revents = 0});
  for (const auto& lane : lanes_) {
    Fill(*lane);
    awaited_.push_back({.fd = lane->descriptor, .events = POLLIN, .revents = 0});
  }
  return absl::OkStatus();
}

absl::Status XdpPort::Open(Lane& lane, bool zero_copy, bool first) {
  if (first) {
    const xsk_umem_config config{.fill_size = kRing,
                                 .comp_size = kRing,
                                 .frame_size = XdpUmem::SizeOf(umem_.layout()),
                                 .frame_headroom = 0,
                                 .flags = umem_.flags()};
    const int made = xsk_umem__create(&kernel_umem_, umem_.memory(), umem_.size(), &lane.fill,
                                      &lane.sent, &config);
    if (made == -EPERM || made == -ENOBUFS || made == -ENOMEM) {
      return absl::ErrnoToStatus(
          -made, absl::StrCat("the kernel will not lock ", umem_.size() >> 20,
                              " MiB for frames; start with LimitMEMLOCK=infinity, and with "
                              "CAP_NET_RAW for the sockets"));
    }
    if (made != 0) return absl::ErrnoToStatus(-made, "AF_XDP memory");
  }
  xsk_socket_config config{};
  config.rx_size = kRing;
  config.tx_size = kRing;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  config.bind_flags =
      static_cast<uint16_t>((zero_copy ? XDP_ZEROCOPY : XDP_COPY) | XDP_USE_NEED_WAKEUP);
  const int made = xsk_socket__create_shared(&lane.socket, lane.queue.device.c_str(),
                                             lane.queue.queue, kernel_umem_, &lane.arrived,
                                             &lane.leaving, &lane.fill, &lane.sent, &config);
  const std::string which = absl::StrCat("queue ", lane.queue.queue, " of ", lane.queue.device);
  if (made == -EBUSY) {
    return absl::FailedPreconditionError(
        absl::StrCat(which,
                     " has another AF_XDP socket; another relay or program runs on "
                     "this device: stop it, or give this one another device"));
  }
  if (made != 0) {
    lane.socket = nullptr;
    return absl::ErrnoToStatus(
        -made, absl::StrCat("AF_XDP socket on ", which, zero_copy ? ", without copies" : ""));
  }
  lane.descriptor = xsk_socket__fd(lane.socket);
  if (options_.busy_poll_us == 0) return absl::OkStatus();
  const int on = 1;
  const int time = static_cast<int>(options_.busy_poll_us);
  if (setsockopt(lane.descriptor, SOL_SOCKET, kPreferBusyPoll, &on, sizeof(on)) != 0 ||
      setsockopt(lane.descriptor, SOL_SOCKET, SO_BUSY_POLL, &time, sizeof(time)) != 0 ||
      setsockopt(lane.descriptor, SOL_SOCKET, kBusyPollBudgetOption, &kBusyPollBudget,
                 sizeof(kBusyPollBudget)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("busy polling of ", which,
                                                   "; it needs Linux 5.11 and CAP_NET_ADMIN: give "
                                                   "it these, or leave --xdp-busy-poll away"));
  }
  return absl::OkStatus();
}

void XdpPort::CloseAll() {
  for (const auto& lane : lanes_) {
    if (lane->socket != nullptr) xsk_socket__delete(lane->socket);
  }
  lanes_.clear();
  egress_.clear();
  if (kernel_umem_ != nullptr) xsk_umem__delete(kernel_umem_);
  kernel_umem_ = nullptr;
}

absl::StatusOr<Handle> XdpPort::Bind(abi::LocalEndpoint local, const abi::Endpoint&) {
  return endpoints_.Bind(local);
}

void XdpPort::Approach(abi::LocalEndpoint local, const abi::Endpoint& remote) {
  if (options_.approach) options_.approach(local.address, remote.address);
}

// ---- in -----------------------------------------------------------------------------------------

size_t XdpPort::Receive(std::span<Packet> packets, TimeNs now) {
  size_t count = 0;
  const size_t lanes = lanes_.size();
  for (size_t turn = 0; turn < lanes && count < packets.size(); ++turn) {
    Lane& lane = *lanes_[(next_lane_ + turn) % lanes];
    if (lane.flying != 0) {
      if (lane.unkicked != 0) Kick(lane);
      Reclaim(lane);
    }
    count += ReceiveFrom(lane, packets.subspan(count), now);
  }
  next_lane_ = next_lane_ + 1 < lanes ? next_lane_ + 1 : 0;
  return count;
}

size_t XdpPort::ReceiveFrom(Lane& lane, std::span<Packet> packets, TimeNs now) {
  uint32_t at = 0;
  // One lane gives no more than there is room for, as each frame may be a packet.
  const uint32_t there =
      xsk_ring_cons__peek(&lane.arrived, static_cast<uint32_t>(packets.size()), &at);
  if (there == 0) {
    // The driver sleeps, or is driven by us.
    if (options_.busy_poll_us != 0 || xsk_ring_prod__needs_wakeup(&lane.fill)) {
      recvfrom(lane.descriptor, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
    }
    Fill(lane);
    return 0;
  }
  for (uint32_t i = 0; i < there; ++i) {
    __builtin_prefetch(umem_.At(xsk_ring_cons__rx_desc(&lane.arrived, at + i)->addr));
  }
  size_t count = 0;
  for (uint32_t i = 0; i < there; ++i) {
    const xdp_desc& frame = *xsk_ring_cons__rx_desc(&lane.arrived, at + i);
    if (Take(lane, frame.addr, frame.len, now, &packets[count])) ++count;
  }
  xsk_ring_cons__release(&lane.arrived, there);
  lane.filled -= there;
  Fill(lane);
  return count;
}

bool XdpPort::Take(Lane& lane, uint64_t offset, uint32_t length, TimeNs now, Packet* packet) {
  const uint32_t number = umem_.FrameOf(offset);
  uint8_t* frame = umem_.At(offset);
  *packet = Packet{};
  if (endpoints_.Judge({frame, length}, InterfaceOf(lane, frame, length), {}, packet) !=
      Fate::kDeliver) {
    umem_.Give(number);
    return false;
  }
  const uint8_t* begin = umem_.At(umem_.BeginOf(number));
  packet->headroom = static_cast<uint16_t>(packet->data - begin);
  packet->tailroom = static_cast<uint16_t>(XdpUmem::kFrameSize - packet->headroom - packet->length);
  packet->owner = this;
  packet->buffer = number;
  packet->arrival_ns = now;
  return true;
}

uint16_t XdpPort::InterfaceOf(const Lane& lane, const uint8_t* frame, uint32_t length) const {
  uint16_t vlan = 0;
  if (length >= 18 && frame[12] == 0x81 && frame[13] == 0x00) {
    vlan = static_cast<uint16_t>((frame[14] << 8 | frame[15]) & 0x0fff);
  }
  for (const XdpInterface& each : options_.interfaces) {
    if (each.device == lane.queue.egress && each.vlan == vlan) return each.interface;
  }
  return 0xffff;  // no address is there
}

// Gives the kernel frames for arrivals, up to the window.
void XdpPort::Fill(Lane& lane) {
  // Not frame by frame: each time is a line that the kernel reads on another core.
  if (lane.window - lane.filled < std::min<uint32_t>(kBurstMax, lane.window / 4)) return;
  uint32_t wanted = lane.window - lane.filled;
  if (wanted > umem_.free()) {
    wanted = umem_.free();
    counters_.Add(abi::Counter::kReceiveStarved);
    starved_.store(starved_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  uint32_t at = 0;
  if (wanted == 0 || xsk_ring_prod__reserve(&lane.fill, wanted, &at) != wanted) return;
  for (uint32_t i = 0; i < wanted; ++i) {
    uint32_t frame = 0;
    umem_.Take(&frame);
    *xsk_ring_prod__fill_addr(&lane.fill, at + i) = umem_.BeginOf(frame);
  }
  xsk_ring_prod__submit(&lane.fill, wanted);
  lane.filled += wanted;
}

// ---- out ----------------------------------------------------------------------------------------

size_t XdpPort::Send(std::span<const Packet> packets) {
  size_t sent = 0;
  for (const Packet& packet : packets) sent += Depart(packet) ? 1 : 0;
  for (Lane* lane : egress_) {
    if (lane != nullptr && lane->unkicked != 0) Kick(*lane);
  }
  return sent;
}

// Its own frame leaves from where it lies; another port's payload is copied into one of ours.
bool XdpPort::Depart(const Packet& packet) {
  Packet own = packet;
  abi::Counter lost = abi::Counter::kSendFailed;
  const abi::LocalAddress* address = endpoints_.address(packet.local.address);
  Hop hop{};
  if (address == nullptr || address->address.IsIpv4() != packet.remote.address.IsIpv4() ||
      packet.length > kPayloadMax + kTailroom) {
    // Nothing that a frame could say.
  } else if (!options_.hops->Find(packet.local.address, packet.remote.address, &hop)) {
    lost = abi::Counter::kUnresolved;
  } else if (hop.egress < egress_.size() && egress_[hop.egress] != nullptr &&
             (packet.owner == this || Allocate(&own))) {
    if (packet.owner != this) {
      std::memcpy(own.data, packet.data, packet.length);
      packet.owner->Release({&packet, 1});
    }
    const wire::Envelope envelope{
        .to = hop.to,
        .from = hop.from,
        .source = {.address = address->address, .port = packet.local.port},
        .destination = {.address = packet.remote.address,
                        .port = packet.remote.port,
                        .vlan = hop.vlan},
        .dscp = packet.dscp,
        .udp_checksum = true};
    const size_t headers = wire::WriteHeaders(envelope, {own.data, packet.length});
    const auto offset = static_cast<uint64_t>(own.data - headers - umem_.At(0));
    if (Push(*egress_[hop.egress], offset, static_cast<uint32_t>(headers + packet.length))) {
      return true;
    }
    umem_.Give(static_cast<uint32_t>(own.buffer));
    counters_.Add(abi::Counter::kSendFailed);
    return false;
  }
  counters_.Add(lost);
  packet.owner->Release({&packet, 1});
  return false;
}

bool XdpPort::Push(Lane& lane, uint64_t offset, uint32_t length) {
  uint32_t at = 0;
  if (xsk_ring_prod__reserve(&lane.leaving, 1, &at) != 1) {
    Kick(lane);
    Reclaim(lane);
    if (xsk_ring_prod__reserve(&lane.leaving, 1, &at) != 1) return false;
  }
  xdp_desc& frame = *xsk_ring_prod__tx_desc(&lane.leaving, at);
  frame = {.addr = offset, .len = length, .options = 0};
  // Each is visible to the kernel at once; it is told of all at the end of the burst.
  xsk_ring_prod__submit(&lane.leaving, 1);
  ++lane.flying;
  ++lane.unkicked;
  return true;
}

void XdpPort::Kick(Lane& lane) {
  // In copy mode one call sends at most 32 frames. A call that sends none means that the device is
  // down or its queue full: the rest goes with the next kick.
  uint32_t left = lane.unkicked;
  // Without need the driver is at work and finds them by itself.
  if (!xsk_ring_prod__needs_wakeup(&lane.leaving)) left = 0;
  while (left != 0) {
    sendto(lane.descriptor, nullptr, 0, MSG_DONTWAIT, nullptr, 0);
    const uint32_t before = left;
    left = lane.leaving.cached_prod - __atomic_load_n(lane.leaving.consumer, __ATOMIC_ACQUIRE);
    if (left >= before) break;
  }
  lane.unkicked = left;
}

// Takes back frames that have left.
void XdpPort::Reclaim(Lane& lane) {
  uint32_t at = 0;
  const uint32_t gone = xsk_ring_cons__peek(&lane.sent, kRing, &at);
  if (gone == 0) return;
  for (uint32_t i = 0; i < gone; ++i) {
    umem_.Give(umem_.FrameOf(*xsk_ring_cons__comp_addr(&lane.sent, at + i)));
  }
  xsk_ring_cons__release(&lane.sent, gone);
  lane.flying -= gone;
}

// ---- buffers ------------------------------------------------------------------------------------

bool XdpPort::Allocate(Packet* packet) {
  uint32_t frame = 0;
  if (!umem_.Take(&frame)) {
    for (const auto& lane : lanes_) Reclaim(*lane);
    if (!umem_.Take(&frame)) return false;
  }
  *packet = Packet{.data = umem_.At(umem_.BeginOf(frame)) + XdpUmem::kFrameHeadroom,
                   .headroom = XdpUmem::kFrameHeadroom,
                   .tailroom = XdpUmem::kFrameSize - XdpUmem::kFrameHeadroom,
                   .owner = this,
                   .buffer = frame};
  return true;
}

void XdpPort::Release(std::span<const Packet> packets) {
  for (const Packet& packet : packets) {
    if (packet.owner == this) {
      umem_.Give(static_cast<uint32_t>(packet.buffer));
    } else {
      packet.owner->Release({&packet, 1});
    }
  }
}

uint32_t XdpPort::BuffersFree() {
  uint32_t count = 0;
  for (const auto& lane : lanes_) {
    Reclaim(*lane);
    count += lane->filled;
  }
  return count + umem_.free();
}

// ---- sleeping -----------------------------------------------------------------------------------

void XdpPort::Wait(TimeNs timeout_ns) {
  for (const auto& lane : lanes_) {
    if (lane->unkicked != 0) Kick(*lane);
    if (lane->flying != 0) Reclaim(*lane);
    Fill(*lane);
  }
  const timespec timeout{.tv_sec = static_cast<time_t>(timeout_ns / kSecond),
                         .tv_nsec = static_cast<long>(timeout_ns % kSecond)};
  const int ready = ppoll(awaited_.data(), awaited_.size(), &timeout, nullptr);
  if (ready <= 0 || awaited_[0].revents == 0) return;
  uint64_t woken = 0;
  [[maybe_unused]] const ssize_t length = read(wake_fd_.get(), &woken, sizeof(woken));
}

void XdpPort::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_.get(), &one, sizeof(one));
}

uint64_t XdpPort::KernelDropped() const {
  uint64_t dropped = 0;
  for (const auto& lane : lanes_) {
    xdp_statistics statistics{};
    socklen_t length = sizeof(statistics);
    if (getsockopt(lane->descriptor, SOL_XDP, XDP_STATISTICS, &statistics, &length) == 0) {
      dropped += statistics.rx_dropped + statistics.rx_ring_full;
    }
  }
  return dropped;
}

}  // namespace relay::port
