#include "relay/port/dpdk_port.h"

#include <poll.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "relay/port/buffer_pool.h"
#include "relay/port/dpdk_eal.h"

namespace relay::port {
namespace {

static_assert(RTE_PKTMBUF_HEADROOM >= kHeadroom);
static_assert(14 + 8 + 40 + 8 + kPayloadMax + kTailroom <= kBufferSize);
// While nothing comes: polls at full speed, then a sleep between two polls.
constexpr int kSpins = 64;
constexpr TimeNs kNap = kMillisecond / 20;
// Tries to get a burst into a ring that is full: some microseconds.
constexpr int kSendTries = 8;
// Frames of the kernel that a turn takes along.
constexpr int kFromKernelMax = 16;

Inspection Inspect(const rte_mbuf& mbuf) {
  Inspection inspection;
  inspection.ip_checksum_good =
      (mbuf.ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  switch (mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
    case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
      inspection.udp = Checksum::kGood;
      break;
    case RTE_MBUF_F_RX_L4_CKSUM_BAD:
      inspection.udp = Checksum::kBad;
      break;
    case RTE_MBUF_F_RX_L4_CKSUM_NONE:  // "not correct in the data, but the data are intact"
      inspection.udp = Checksum::kPartial;
      break;
    default:
      break;
  }
  inspection.tag_removed = (mbuf.ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
  if (inspection.tag_removed) inspection.vlan = mbuf.vlan_tci & 0x0fff;
  return inspection;
}

}  // namespace

DpdkPort::DpdkPort(uint16_t worker, std::span<const std::unique_ptr<DpdkDevice>> devices,
                   std::span<const abi::LocalAddress> addresses, rte_mempool* pool, HopReader* hops,
                   Dpdk::Approaching approach, abi::PlacementKind placement,
                   abi::CounterBlock* counters)
    : worker_(worker),
      devices_(devices),
      pool_(pool),
      hops_(hops),
      approach_(std::move(approach)),
      counters_(counters != nullptr ? *counters : own_counters_),
      endpoints_(addresses, &counters_, placement == abi::PlacementKind::kHandOver),
      macs_(devices_.size(), ~uint64_t{0}),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (uint16_t i = 0; i < devices_.size(); ++i) Follow(i);
}

DpdkPort::~DpdkPort() {
  rte_pktmbuf_free_bulk(early_.data(), static_cast<unsigned>(early_count_));
}

uint32_t DpdkPort::buffers_free() const {
  return rte_mempool_avail_count(pool_);
}

absl::Status DpdkPort::AttachThread() {
  // Gives the thread a number of EAL's, and with it a cache of each pool.
  if (rte_lcore_id() == LCORE_ID_ANY && rte_thread_register() != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("DPDK takes no further thread: ", rte_strerror(rte_errno), LastComplaint()));
  }
  // Every page is touched by the thread that will use it. One is left: an empty pool is news.
  std::vector<rte_mbuf*> all;
  for (uint32_t left = rte_mempool_avail_count(pool_); left > 1; --left) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
    if (mbuf == nullptr) break;
    *rte_pktmbuf_mtod(mbuf, volatile uint8_t*) = 0;
    all.push_back(mbuf);
  }
  rte_pktmbuf_free_bulk(all.data(), static_cast<unsigned>(all.size()));
  return absl::OkStatus();
}

// ---- in -----------------------------------------------------------------------------------------

void DpdkPort::Describe(rte_mbuf* mbuf, const uint8_t* data, uint32_t length, Packet* packet) {
  const auto* begin = static_cast<const uint8_t*>(mbuf->buf_addr);
  packet->data = const_cast<uint8_t*>(data);
  packet->length = length;
  packet->headroom = static_cast<uint16_t>(data - begin);
  packet->tailroom = static_cast<uint16_t>(begin + mbuf->buf_len - (data + length));
  packet->owner = this;
  packet->buffer = reinterpret_cast<uint64_t>(mbuf);
}

void DpdkPort::Follow(uint16_t device) {
  const uint64_t mac = devices_[device]->mac_word();
  if (mac == macs_[device]) [[likely]]
    return;
  macs_[device] = mac;
  endpoints_.SetOwnMac(device, DpdkDevice::MacOf(mac));
}

size_t DpdkPort::Poll(uint16_t device, std::span<rte_mbuf*> mbufs) {
  if (!devices_[device]->present()) return 0;
  Follow(device);
  return rte_eth_rx_burst(devices_[device]->port_id(), worker_, mbufs.data(),
                          static_cast<uint16_t>(mbufs.size()));
}

size_t DpdkPort::Receive(std::span<Packet> packets, TimeNs now) {
  size_t count = 0;
  if (early_count_ != 0) {
    // One Receive more takes the rest when the caller has little room.
    const size_t taken = std::min(early_count_, packets.size());
    count = Take(early_device_, {early_.data(), taken}, packets, now);
    std::copy(early_.begin() + static_cast<ptrdiff_t>(taken),
              early_.begin() + static_cast<ptrdiff_t>(early_count_), early_.begin());
    early_count_ -= taken;
    if (early_count_ != 0) return count;
  }
  Burst burst;
  for (uint16_t device = 0; device < devices_.size() && count < packets.size(); ++device) {
    const size_t room = std::min(packets.size() - count, burst.size());
    const size_t polled = Poll(device, {burst.data(), room});
    count += Take(device, {burst.data(), polled}, packets.subspan(count), now);
  }
  if (worker_ == 0) TakeFromKernel();
  return count;
}

size_t DpdkPort::Take(uint16_t device, std::span<rte_mbuf* const> mbufs, std::span<Packet> packets,
                      TimeNs now) {
  constexpr size_t kAhead = 4;
  for (size_t i = 0; i < std::min(kAhead, mbufs.size()); ++i) {
    rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], const void*));
  }
  size_t count = 0;
  for (size_t i = 0; i < mbufs.size(); ++i) {
    if (i + kAhead < mbufs.size()) {
      rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + kAhead], const void*));
    }
    rte_mbuf* mbuf = mbufs[i];
    const std::span<const uint8_t> frame(rte_pktmbuf_mtod(mbuf, const uint8_t*), mbuf->data_len);
    Packet& packet = packets[count];
    packet = Packet{};
    Fate fate = Fate::kDropped;
    if (mbuf->nb_segs == 1) {
      fate = endpoints_.Judge(frame, device, Inspect(*mbuf), &packet);
    } else {
      Count(abi::Counter::kTooLong);
    }
    if (fate == Fate::kDeliver) {
      Describe(mbuf, packet.data, packet.length, &packet);
      packet.arrival_ns = now;
      ++count;
      continue;
    }
    if (fate == Fate::kNotTaken) ToKernel(device, &mbuf);
    rte_pktmbuf_free(mbuf);
  }
  return count;
}

void DpdkPort::ToKernel(uint16_t device, rte_mbuf** mbuf) {
  ExceptionPath* exceptions = devices_[device]->exceptions();
  if (exceptions == nullptr) return;
  // The kernel shall see the frame as it was on the wire.
  if ((((*mbuf)->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && rte_vlan_insert(mbuf) != 0) ||
      !exceptions->ToKernel(worker_,
                            {rte_pktmbuf_mtod(*mbuf, const uint8_t*), (*mbuf)->data_len})) {
    Count(abi::Counter::kToKernelLost);
  }
}

void DpdkPort::TakeFromKernel() {
  for (uint16_t device = 0; device < devices_.size(); ++device) {
    ExceptionPath* exceptions = devices_[device]->exceptions();
    if (exceptions == nullptr) continue;
    for (int i = 0; i < kFromKernelMax; ++i) {
      const std::span<const uint8_t> frame = exceptions->FromKernel();
      if (frame.empty()) break;
      rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
      if (mbuf == nullptr) break;  // it waits
      char* place = rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size()));
      if (place == nullptr) {
        rte_pktmbuf_free(mbuf);
      } else {
        std::memcpy(place, frame.data(), frame.size());
        Transmit(device, {&mbuf, 1});
      }
      exceptions->Taken();
    }
  }
}

// ---- out ----------------------------------------------------------------------------------------

rte_mbuf* DpdkPort::OwnMbuf(const Packet& packet) {
  if (packet.owner == this) return MbufOf(packet);
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
  if (mbuf == nullptr) return nullptr;
  // Behind room for any headers, as what this port receives.
  mbuf->data_off = RTE_PKTMBUF_HEADROOM;
  std::memcpy(rte_pktmbuf_mtod(mbuf, uint8_t*), packet.data, packet.length);
  return mbuf;
}

bool DpdkPort::FindHop(const Packet& packet, const abi::LocalAddress& own, Hop* hop) {
  if (own.interface >= devices_.size()) return false;
  const DpdkDevice& device = *devices_[own.interface];
  if (device.options().next_hop) {
    *hop = {.to = *device.options().next_hop,
            .from = DpdkDevice::MacOf(device.mac_word()),
            .vlan = own.vlan,
            .egress = own.interface};
    return true;
  }
  if (hops_ != nullptr && hops_->Find(packet.local.address, packet.remote.address, hop)) {
    return hop->egress < devices_.size();
  }
  return false;
}

bool DpdkPort::Address(const Packet& packet, rte_mbuf* mbuf, uint16_t* device) {
  const abi::LocalAddress* own = endpoints_.address(packet.local.address);
  if (own == nullptr || own->address.IsIpv4() != packet.remote.address.IsIpv4() ||
      packet.length > kPayloadMax + kTailroom) {
    Count(abi::Counter::kSendFailed);
    return false;
  }
  Hop hop;
  if (!FindHop(packet, *own, &hop)) {
    Count(abi::Counter::kUnresolved);
    return false;
  }
  *device = hop.egress;
  const DpdkOffloads& offloads = devices_[hop.egress]->offloads();
  wire::Envelope envelope{.to = hop.to,
                          .from = hop.from,
                          .source = {.address = own->address, .port = packet.local.port},
                          .destination = packet.remote,
                          .dscp = packet.dscp,
                          .udp_checksum = !offloads.udp_checksum};
  envelope.destination.vlan = hop.vlan;
  const bool own_buffer = packet.owner == this;
  uint8_t* data = own_buffer ? packet.data : rte_pktmbuf_mtod(mbuf, uint8_t*);
  const size_t headers = wire::WriteHeaders(envelope, {data, packet.length});
  mbuf->data_off = static_cast<uint16_t>(data - headers - static_cast<uint8_t*>(mbuf->buf_addr));
  mbuf->data_len = static_cast<uint16_t>(headers + packet.length);
  mbuf->pkt_len = mbuf->data_len;
  mbuf->ol_flags = 0;
  if (offloads.udp_checksum) {
    const bool ipv4 = own->address.IsIpv4();
    mbuf->l2_len = 14 + (hop.vlan != 0 ? 4 : 0);
    mbuf->l3_len = ipv4 ? 20 : 40;
    mbuf->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM | (ipv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
  }
  return true;
}

size_t DpdkPort::Transmit(uint16_t device, std::span<rte_mbuf*> mbufs) {
  size_t sent = 0;
  if (devices_[device]->present()) {
    for (int tries = 0; sent < mbufs.size() && tries < kSendTries; ++tries) {
      sent += rte_eth_tx_burst(devices_[device]->port_id(), worker_, mbufs.data() + sent,
                               static_cast<uint16_t>(mbufs.size() - sent));
    }
  }
  if (sent < mbufs.size()) {
    Count(abi::Counter::kSendFailed, mbufs.size() - sent);
    rte_pktmbuf_free_bulk(mbufs.data() + sent, static_cast<unsigned>(mbufs.size() - sent));
  }
  return sent;
}

size_t DpdkPort::Send(std::span<const Packet> packets) {
  Burst burst;
  size_t gathered = 0;
  size_t sent = 0;
  uint16_t device = 0;
  for (const Packet& packet : packets) {
    rte_mbuf* mbuf = OwnMbuf(packet);
    uint16_t egress = 0;
    if (mbuf == nullptr) {
      Count(abi::Counter::kSendFailed);
    } else if (!Address(packet, mbuf, &egress)) {
      rte_pktmbuf_free(mbuf);
    } else {
      if (gathered == burst.size() || (gathered != 0 && egress != device)) {
        sent += Transmit(device, {burst.data(), gathered});
        gathered = 0;
      }
      device = egress;
      burst[gathered++] = mbuf;
    }
    if (packet.owner != this) packet.owner->Release({&packet, 1});
  }
  if (gathered != 0) sent += Transmit(device, {burst.data(), gathered});
  return sent;
}

// ---- buffers, sleep -----------------------------------------------------------------------------

bool DpdkPort::Allocate(Packet* packet) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
  if (mbuf == nullptr) return false;
  *packet = Packet{};
  Describe(mbuf, rte_pktmbuf_mtod(mbuf, const uint8_t*), 0, packet);
  return true;
}

void DpdkPort::Release(std::span<const Packet> packets) {
  ReleaseToOwners(packets, this, [](std::span<const Packet> own) {
    for (const Packet& packet : own) rte_pktmbuf_free(MbufOf(packet));
  });
}

// A poll-mode driver cannot wake anybody: poll, and sleep a little longer between two polls.
void DpdkPort::Wait(TimeNs timeout_ns) {
  const TimeNs deadline = MonotonicNow() + timeout_ns;
  pollfd woken{.fd = wake_.get(), .events = POLLIN, .revents = 0};
  for (int turn = 0;; ++turn) {
    for (uint16_t device = 0; early_count_ == 0 && device < devices_.size(); ++device) {
      early_count_ = Poll(device, early_);
      early_device_ = device;
    }
    if (worker_ == 0) TakeFromKernel();
    if (early_count_ != 0) return;
    if (turn < kSpins) {
      rte_pause();
      continue;
    }
    const TimeNs now = MonotonicNow();
    if (now >= deadline) return;
    const TimeNs nap = std::min(kNap, deadline - now);
    const timespec sleep{.tv_sec = 0, .tv_nsec = static_cast<long>(nap)};
    if (ppoll(&woken, 1, &sleep, nullptr) == 1) {
      uint64_t times;
      [[maybe_unused]] const ssize_t drained = read(wake_.get(), &times, sizeof(times));
      return;
    }
  }
}

}  // namespace relay::port
