// One worker's sockets: the packet side of relay/port/xdp.h, which makes it.
#pragma once

#include <poll.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "relay/abi/mapping.h"
#include "relay/port/hop_reader.h"
#include "relay/port/port.h"
#include "relay/port/raw_endpoints.h"
#include "relay/port/xdp_umem.h"

struct xsk_umem;

namespace relay::port {

// A queue of a device that this worker serves.
struct XdpQueue {
  std::string device;
  uint32_t queue;
  uint16_t egress;  // index of the device among all (HopTable's egress)
};

// Which interface of the relay a frame of a device came by: eth0.100 is VLAN 100 of eth0.
struct XdpInterface {
  uint16_t device;
  uint16_t vlan;
  uint16_t interface;
};

struct XdpPortOptions {
  std::string name;
  std::vector<XdpQueue> queues;
  std::vector<XdpInterface> interfaces;
  std::vector<abi::LocalAddress> addresses;
  std::function<absl::Status(const XdpQueue&, int socket)> steer;  // frames of the queue to it
  std::function<void(uint16_t local, const abi::Address& remote)> approach;  // may be empty
  bool try_zero_copy = false;
  bool need_zero_copy = false;
  bool legs_elsewhere = false;  // other workers' frames come here: the pipeline says whose
  uint32_t busy_poll_us = 0;
  uint32_t buffers = 0;
  abi::CounterBlock* counters = nullptr;  // not null
  HopReader* hops = nullptr;              // not null
};

class XdpPort final : public Port {
 public:
  explicit XdpPort(XdpPortOptions options);
  ~XdpPort() override;

  std::string_view name() const override { return options_.name; }
  absl::Status AttachThread() override;
  size_t Receive(std::span<Packet> packets, TimeNs now) override;
  size_t Send(std::span<const Packet> packets) override;
  bool Allocate(Packet* packet) override;
  void Release(std::span<const Packet> packets) override;
  void Adopt(Handle handle) override { endpoints_.Adopt(handle); }
  void Drop(Handle handle) override { endpoints_.Drop(handle); }
  void Wait(TimeNs timeout_ns) override;
  void Wake() override;
  absl::StatusOr<Handle> Bind(abi::LocalEndpoint local, const abi::Endpoint& as) override;
  void Unbind(Handle handle) override { endpoints_.Unbind(handle); }
  void Approach(abi::LocalEndpoint local, const abi::Endpoint& remote) override;

  // Conductor thread, after AttachThread: what the kernel dropped before us, since the start.
  uint64_t KernelDropped() const;
  // Times that frames for arrivals were short.
  uint64_t Starved() const { return starved_.load(std::memory_order_relaxed); }
  bool zero_copy() const { return zero_copy_; }
  const std::vector<XdpQueue>& queues() const { return options_.queues; }

  uint32_t BuffersFree();  // worker thread; those in the kernel's hands for arrivals count
  uint32_t bound() const { return endpoints_.bound(); }

 private:
  struct Lane;  // one socket with its four rings

  absl::Status OpenBest();
  absl::Status MakeFrames(XdpUmem::Layout layout);
  absl::Status OpenAll(bool zero_copy);
  absl::Status Open(Lane& lane, bool zero_copy, bool first);
  void CloseAll();

  void Fill(Lane& lane);
  void Reclaim(Lane& lane);
  size_t ReceiveFrom(Lane& lane, std::span<Packet> packets, TimeNs now);
  bool Take(Lane& lane, uint64_t offset, uint32_t length, TimeNs now, Packet* packet);
  uint16_t InterfaceOf(const Lane& lane, const uint8_t* frame, uint32_t length) const;

  bool Depart(const Packet& packet);
  bool Push(Lane& lane, uint64_t offset, uint32_t length);
  void Kick(Lane& lane);

  const XdpPortOptions options_;
  abi::CounterBlock& counters_;
  RawEndpoints endpoints_;
  XdpUmem umem_;
  xsk_umem* kernel_umem_ = nullptr;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Lane*> egress_;  // by device: where frames leave by it; null = not this worker's
  size_t next_lane_ = 0;       // is asked first, in turns
  bool zero_copy_ = false;
  // The worker's block has it too, of all its ports.
  std::atomic<uint64_t> starved_{0};
  abi::Descriptor wake_fd_;
  std::vector<pollfd> awaited_;  // while asleep: wake_fd_, then each lane
};

}  // namespace relay::port
