#include "bench/loadgen/raw_wire.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "relay/clock.h"

namespace bench::loadgen {
namespace {

constexpr relay::TimeNs kNextHopPatience = 2 * relay::kSecond;

absl::Status Failed(const std::string& what) {
  return absl::ErrnoToStatus(errno, what);
}

relay::abi::Endpoint EndpointOf(const sockaddr_in& address) {
  uint8_t b[4];
  std::memcpy(b, &address.sin_addr, sizeof b);
  return {.address = relay::abi::Address::Ipv4(b[0], b[1], b[2], b[3]),
          .port = ntohs(address.sin_port)};
}

}  // namespace

RawWire::RawWire(const FarEnd& far) : Wire(far) {
  for (size_t i = 0; i < kBatch; ++i) {
    parts_[i] = {&frames_[i], sizeof(Frame)};
    messages_[i] = {};
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
}

RawWire::~RawWire() {
  if (ring_ != nullptr) munmap(ring_, kRingFrames * kRingFrame);
  for (const int fd : ports_) close(fd);
  if (in_ >= 0) close(in_);
  if (out_ >= 0) close(out_);
}

absl::StatusOr<std::unique_ptr<Wire>> RawWire::Open(const FarEnd& far) {
  std::unique_ptr<RawWire> wire(new RawWire(far));
  for (int side = 0; side < 2; ++side) {
    for (size_t i = 0; i < far.sockets; ++i) {
      auto own = Ipv4Endpoint(far.address, wire->PortOf(side, i));
      if (!own.ok()) return own.status();
      wire->own_endpoints_.push_back(EndpointOf(*own));
    }
  }
  if (absl::Status status = wire->TakePorts(); !status.ok()) return status;
  if (absl::Status status = wire->OpenDevice(); !status.ok()) return status;
  if (absl::Status status = wire->OpenRing(); !status.ok()) return status;
  return wire;
}

absl::Status RawWire::TakePorts() {
  sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog deaf{.len = 1, .filter = nothing};
  for (int side = 0; side < 2; ++side) {
    for (size_t i = 0; i < far_.sockets; ++i) {
      auto bound = BindPort(side, i);
      if (!bound.ok()) return bound.status();
      ports_.push_back(*bound);
      if (setsockopt(*bound, SOL_SOCKET, SO_ATTACH_FILTER, &deaf, sizeof deaf) != 0) {
        return Failed("socket filter");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status RawWire::OpenDevice() {
  sockaddr_ll device{};
  device.sll_family = AF_PACKET;
  device.sll_ifindex = static_cast<int>(if_nametoindex(far_.device.c_str()));
  if (device.sll_ifindex == 0) return Failed(absl::StrCat("device ", far_.device));

  out_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);  // protocol 0: hears nothing
  if (out_ < 0) return Failed("packet socket");
  const int on = 1;
  const int buffer = 64 << 20;
  setsockopt(out_, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  if (setsockopt(out_, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0 ||
      bind(out_, reinterpret_cast<const sockaddr*>(&device), sizeof device) != 0) {
    return Failed(absl::StrCat("packet socket on ", far_.device));
  }
  ifreq request{};
  far_.device.copy(request.ifr_name, sizeof request.ifr_name - 1);
  if (ioctl(out_, SIOCGIFHWADDR, &request) != 0) return Failed("hardware address");
  std::memcpy(own_.data(), request.ifr_hwaddr.sa_data, own_.size());
  return absl::OkStatus();
}

absl::Status RawWire::OpenRing() {
  in_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (in_ < 0) return Failed("packet socket");
  // Version 2 shows each frame as soon as it is there; version 3 gathers a block of them first.
  const int version = TPACKET_V2;
  const int on = 1;
  tpacket_req ring{};
  ring.tp_block_size = kRingBlock;
  ring.tp_frame_size = kRingFrame;
  ring.tp_frame_nr = kRingFrames;
  ring.tp_block_nr = kRingFrames * kRingFrame / kRingBlock;
  if (setsockopt(in_, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
      setsockopt(in_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0 ||
      setsockopt(in_, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) {
    return Failed("packet ring");
  }
  void* memory = mmap(nullptr, kRingFrames * kRingFrame, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_POPULATE, in_, 0);
  if (memory == MAP_FAILED) return Failed("packet ring");
  ring_ = static_cast<uint8_t*>(memory);
  sockaddr_ll device{};
  device.sll_family = AF_PACKET;
  // All protocols: such a ring hears a frame before the firewall's ingress hook, which may then
  // drop it, so that the kernel spends no more on it.
  device.sll_protocol = htons(ETH_P_ALL);
  device.sll_ifindex = static_cast<int>(if_nametoindex(far_.device.c_str()));
  if (bind(in_, reinterpret_cast<const sockaddr*>(&device), sizeof device) != 0) {
    return Failed(absl::StrCat("packet ring on ", far_.device));
  }
  return absl::OkStatus();
}

absl::StatusOr<relay::wire::MacAddress> RawWire::NextHop(const in_addr& address) const {
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_addr = address;
  target.sin_port = htons(9);  // discard: all it shall do is make the kernel ask who that is
  arpreq request{};
  std::memcpy(&request.arp_pa, &target, sizeof target);
  far_.device.copy(request.arp_dev, sizeof request.arp_dev - 1);
  const relay::TimeNs deadline = relay::MonotonicNow() + kNextHopPatience;
  do {
    sendto(ports_.front(), "", 0, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&target),
           sizeof target);
    if (ioctl(ports_.front(), SIOCGARP, &request) == 0 && (request.arp_flags & ATF_COM) != 0) {
      relay::wire::MacAddress mac;
      std::memcpy(mac.data(), request.arp_ha.sa_data, mac.size());
      return mac;
    }
    usleep(1000);
  } while (relay::MonotonicNow() < deadline);
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address, text, sizeof text);
  return absl::NotFoundError(absl::StrCat("nobody answers for ", text, " on ", far_.device));
}

absl::Status RawWire::Prepare(std::span<const Call> calls) {
  for (const Call& call : calls) {
    for (const sockaddr_in* to : {&call.a, &call.b}) {
      if (next_hops_.contains(to->sin_addr.s_addr)) continue;
      auto mac = NextHop(to->sin_addr);
      if (!mac.ok()) return mac.status();
      next_hops_[to->sin_addr.s_addr] = *mac;
    }
  }
  return absl::OkStatus();
}

std::span<uint8_t> RawWire::Next(int side, size_t index, const sockaddr_in& to, uint32_t stream,
                                 size_t length) {
  if (size_ == kBatch) Flush();
  const size_t slot = size_++;
  envelopes_[slot] = {.to = next_hops_.find(to.sin_addr.s_addr)->second,
                      .from = own_,
                      .source = own_endpoints_[static_cast<size_t>(side) * far_.sockets + index],
                      .destination = EndpointOf(to),
                      .dscp = 46,
                      .udp_checksum = true};
  streams_[slot] = stream;
  parts_[slot].iov_len = kHeaders + length;
  return std::span(frames_[slot].packet).first(length);
}

void RawWire::Flush() {
  for (size_t i = 0; i < size_; ++i) {
    relay::wire::WriteHeaders(envelopes_[i],
                              std::span(frames_[i].packet).first(parts_[i].iov_len - kHeaders));
  }
  for (size_t done = 0; done < size_;) {
    const int sent =
        sendmmsg(out_, &messages_[done], static_cast<unsigned>(size_ - done), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
    } else if (errno != EINTR) {
      refused_.push_back(streams_[done++]);
    }
  }
  size_ = 0;
}

void RawWire::Receive(Taker take) {
  for (size_t taken = 0; taken < 4 * kBatch; ++taken) {
    auto* header = reinterpret_cast<tpacket2_hdr*>(ring_ + ring_next_ * kRingFrame);
    if ((__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return;
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(header) + header->tp_mac,
                                         header->tp_snaplen);
    relay::wire::Frame frame;
    if (ReadFrame(bytes, relay::wire::IpChecksum::kVerify, &frame) ==
            relay::wire::FrameVerdict::kUdp &&
        VerifyUdp(bytes, frame) != relay::wire::UdpChecksum::kBad) {
      const uint32_t place = uint32_t{frame.destination.port} - far_.port_first;
      if (place % 2 == 0 && place / 2 < own_endpoints_.size()) {
        take({.side = place / 2 < far_.sockets ? 0 : 1,
              .from = SocketAddressOf(frame.source),
              .packet = bytes.subspan(frame.payload_offset, frame.payload_length),
              .now_ns = relay::MonotonicNow()});
      }
    }
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ring_next_ = (ring_next_ + 1) % kRingFrames;
  }
}

}  // namespace bench::loadgen
