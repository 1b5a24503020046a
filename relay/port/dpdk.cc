#include "relay/port/dpdk.h"

#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memory.h>
#include <sys/epoll.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "relay/abi/mapping.h"
#include "relay/port/dpdk_device.h"
#include "relay/port/dpdk_eal.h"
#include "relay/port/dpdk_port.h"

namespace relay::port {
namespace {

// An mbuf as the pipeline wants it: headroom before the headers, tailroom behind the longest frame.
constexpr uint16_t kDataRoom = RTE_PKTMBUF_HEADROOM + kBufferSize;
// Buffers of a pool that one thread keeps for itself; the next bursts come from the cache.
constexpr unsigned kPoolCache = 128;
constexpr TimeNs kLookEvery = kSecond;
// Nobody reads the same sentence more often.
constexpr TimeNs kTellEvery = 60 * kSecond;

// The driver of af_xdp takes the length of a pool for the number of its buffers times their size,
// and the kernel drops without a word what is sent from behind that, while DPDK leaves a gap before
// each page that no whole buffer ends on: of 4 KiB nearly a half. So there they lie without gaps. A
// NIC that knows physical addresses alone would not bear it.
rte_mempool* MakePool(const std::string& name, uint32_t buffers, bool dense) {
  if (!dense) {
    return rte_pktmbuf_pool_create(name.c_str(), buffers, kPoolCache, 0, kDataRoom, SOCKET_ID_ANY);
  }
  rte_mempool* pool = rte_mempool_create_empty(name.c_str(), buffers, sizeof(rte_mbuf) + kDataRoom,
                                               kPoolCache, sizeof(rte_pktmbuf_pool_private),
                                               SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (pool == nullptr) return nullptr;
  rte_pktmbuf_pool_private shape{.mbuf_data_room_size = kDataRoom, .mbuf_priv_size = 0, .flags = 0};
  rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), nullptr);
  rte_pktmbuf_pool_init(pool, &shape);
  if (rte_mempool_populate_default(pool) < 0) {
    rte_mempool_free(pool);
    return nullptr;
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

bool IsAfXdp(const DpdkDeviceOptions& device) {
  return device.device.starts_with("net_af_xdp");
}

}  // namespace

struct Dpdk::Parts {
  ~Parts() {
    devices.clear();  // before the buffers that their rings hold
    for (rte_mempool* pool : pools) rte_mempool_free(pool);
  }

  void LookForBuffers(TimeNs now, uint64_t starved_before, abi::CounterBlock& counters);

  DpdkOptions options;
  std::vector<rte_mempool*> pools;  // by worker
  std::vector<std::unique_ptr<DpdkDevice>> devices;
  std::vector<std::string> news;
  abi::Descriptor epoll;
  TimeNs next_look_ns = 0;
  TimeNs next_tell_ns = 0;
};

Dpdk::Dpdk(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Dpdk::~Dpdk() = default;

absl::StatusOr<std::unique_ptr<Dpdk>> Dpdk::Open(const DpdkOptions& options) {
  const uint16_t workers = options.placement.workers;
  // What the rings of a worker's queues hold, one way.
  const uint32_t buffers =
      options.buffers + static_cast<uint32_t>(options.devices.size()) * 2 * options.descriptors;
  std::vector<std::string> names;
  for (const DpdkDeviceOptions& device : options.devices) names.push_back(device.device);
  const uint64_t bytes = uint64_t{workers} * buffers * (kDataRoom + 256);
  if (absl::Status status = StartEal(EalArguments(options.eal, names, bytes)); !status.ok()) {
    return status;
  }
  auto parts = std::make_unique<Parts>();
  parts->options = options;
  // Names of pools are EAL's, and one process may have more than one of us.
  static std::atomic<unsigned> serial{0};
  for (uint16_t worker = 0; worker < workers; ++worker) {
    const std::string name = absl::StrCat("relay-", serial.fetch_add(1));
    ForgetComplaints();
    rte_mempool* pool = MakePool(name, buffers, std::ranges::any_of(options.devices, IsAfXdp));
    if (pool == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "DPDK has no memory for ", buffers, " buffers of worker ", worker, ": it needs ",
          (bytes >> 20) + 64, " MiB in all; reserve more hugepages, or with --no-huge give -m ",
          (bytes >> 20) + 64, LastComplaint()));
    }
    parts->pools.push_back(pool);
  }
  parts->epoll = abi::Descriptor(epoll_create1(EPOLL_CLOEXEC));
  for (uint16_t i = 0; i < options.devices.size(); ++i) {
    absl::StatusOr<std::unique_ptr<DpdkDevice>> device =
        DpdkDevice::Open({.device = options.devices[i],
                          .index = i,
                          .addresses = parts->options.addresses,
                          .placement = options.placement,
                          .descriptors = options.descriptors,
                          .pools = parts->pools});
    if (!device.ok()) return device.status();
    if (ExceptionPath* exceptions = (*device)->exceptions()) {
      epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
      epoll_ctl(parts->epoll.get(), EPOLL_CTL_ADD, exceptions->descriptor(), &event);
    }
    parts->news.insert(parts->news.end(), (*device)->notices().begin(), (*device)->notices().end());
    parts->devices.push_back(*std::move(device));
  }
  return std::unique_ptr<Dpdk>(new Dpdk(std::move(parts)));
}

std::vector<std::string> Dpdk::kernel_devices() const {
  std::vector<std::string> names;
  for (const auto& device : parts_->devices) names.push_back(device->options().interface);
  return names;
}

abi::PlacementKind Dpdk::placement_kind() const {
  abi::PlacementKind kind = abi::PlacementKind::kNone;
  for (const auto& device : parts_->devices) kind = std::max(kind, device->placement_kind());
  return kind;
}

absl::StatusOr<std::unique_ptr<Port>> Dpdk::MakePort(uint16_t worker, abi::CounterBlock* counters,
                                                     HopReader* hops, Approaching approach) {
  return std::make_unique<DpdkPort>(worker, parts_->devices, parts_->options.addresses,
                                    parts_->pools[worker], hops, std::move(approach),
                                    placement_kind(), counters);
}

int Dpdk::descriptor() const {
  return parts_->epoll.get();
}

void Dpdk::Turn(TimeNs now, abi::CounterBlock& counters) {
  const uint64_t starved = counters.Read(abi::Counter::kReceiveStarved);
  for (const auto& device : parts_->devices) device->Turn(now, counters, &parts_->news);
  parts_->LookForBuffers(now, starved, counters);
}

// Drivers of cards count it, most of the virtual devices do not: there the empty pool tells.
void Dpdk::Parts::LookForBuffers(TimeNs now, uint64_t starved_before, abi::CounterBlock& counters) {
  if (now >= next_look_ns) {
    next_look_ns = now + kLookEvery;
    for (const rte_mempool* pool : pools) {
      if (rte_mempool_avail_count(pool) == 0) counters.Add(abi::Counter::kReceiveStarved);
    }
  }
  if (counters.Read(abi::Counter::kReceiveStarved) == starved_before || now < next_tell_ns) return;
  next_tell_ns = now + kTellEvery;
  news.push_back(
      "dpdk: no buffer was free for what arrives, which is lost (receive_starved counts); no call "
      "ends and audio goes on by itself; if it comes again, a worker is too slow or what it sends "
      "is not taken: give it a CPU of its own or start with more --workers, and look at the links");
}

std::vector<std::string> Dpdk::TakeNews() {
  return std::exchange(parts_->news, {});
}

uint32_t Dpdk::BuffersFree(const Port& port) {
  return static_cast<const DpdkPort&>(port).buffers_free();
}

uint32_t Dpdk::Bound(const Port& port) {
  return static_cast<const DpdkPort&>(port).bound();
}

}  // namespace relay::port
