// A port is where packets enter and leave: `memory`, `uring`, `xdp`, `dpdk`.
//
// A worker owns one instance of each port it uses and calls it from its own thread. The pipeline
// above sees datagrams with two endpoints, whatever lies below. One virtual call a burst.
//
//   conductor thread:  Bind -> handle ............................ (may block, may fail)
//                      Unbind(handle): instead of all that follows
//   worker thread:     Adopt(handle) -> Receive, Send ... -> Drop(handle)
//
// Ownership of buffers: Receive and Allocate lend a buffer of the port (`Packet::owner`); whoever
// holds the packet gives it back exactly once, by Send (in every case, also when sending fails) or
// Release. A packet may be sent by another port than the one that owns its buffer: that port copies
// it and releases it to its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "relay/abi/counters.h"
#include "relay/abi/endpoint.h"
#include "relay/clock.h"
#include "relay/limits.h"

namespace relay::port {

class Port;

// What is known of the UDP checksum of a packet.
enum class Checksum : uint8_t {
  kUnknown,  // nobody looked
  kGood,     // verified by the kernel, the NIC or us
  kBad,
  kPartial,  // only the pseudo-header sum is there (a sender on the same host)
};

// One datagram, with the way it came or goes.
struct Packet {
  uint8_t* data;      // first byte of the UDP payload
  uint32_t length;    // of the payload
  uint16_t headroom;  // free bytes before `data`
  uint16_t tailroom;  // free bytes after `data + length`

  Port* owner;      // of the buffer
  uint64_t buffer;  // the owner's name for it

  TimeNs arrival_ns;

  abi::LocalEndpoint local;  // received: destination; sent: source
  uint32_t handle;           // sent: what Bind gave for `local`; received: where it came in
  abi::Endpoint remote;      // received: source; sent: destination

  Checksum checksum;
  uint8_t dscp;  // 0-63; received: as it came; sent: as it shall be
  uint8_t reserved[6];
};
static_assert(sizeof(Packet) == 80);

// Names a bound local endpoint inside one port. Raw ports, which need no socket, return any value.
using Handle = uint32_t;
inline constexpr Handle kNoHandle = 0xffffffff;

class Port {
 public:
  virtual ~Port() = default;

  virtual std::string_view name() const = 0;

  // ---- worker thread ----

  // Once, first: pins what must belong to this thread (ring submitter, NUMA memory).
  virtual absl::Status AttachThread() = 0;

  // Fills up to packets.size() (<= kBurstMax) packets, returns how many. Never blocks. `now` stamps
  // arrivals where the port has no better time.
  virtual size_t Receive(std::span<Packet> packets, TimeNs now) = 0;

  // Sends all; the buffers are the port's from here on. Returns how many were accepted; the others
  // are counted (kSendFailed) and their buffers given back.
  virtual size_t Send(std::span<const Packet> packets) = 0;

  // An empty packet: `data` set with full headroom, length 0, tailroom = room for payload and tag.
  // False when there is none.
  virtual bool Allocate(Packet* packet) = 0;
  virtual void Release(std::span<const Packet> packets) = 0;

  // Hands a bound endpoint to this worker: packets for it are received from now on.
  virtual void Adopt(Handle handle) = 0;
  // The leg is gone: receives no more for it and gives the local port back to the kernel. Packets
  // already sent through it are still delivered.
  virtual void Drop(Handle handle) = 0;

  // Sleeps until a packet may be there, Wake was called, or `timeout_ns` is over.
  virtual void Wait(TimeNs timeout_ns) = 0;

  // ---- any thread ----

  // Ends a Wait early.
  virtual void Wake() = 0;

  // ---- conductor thread ----

  // Takes the local endpoint for this worker. `as` is what it is called on the wire.
  // Error: kAlreadyExists when the kernel has given the port to somebody else.
  virtual absl::StatusOr<Handle> Bind(abi::LocalEndpoint local, const abi::Endpoint& as) = 0;
  // A leg at the local endpoint will send to `remote`: raw ports have the next hop found.
  virtual void Approach(abi::LocalEndpoint local, const abi::Endpoint& remote) {
    static_cast<void>(local), static_cast<void>(remote);
  }
  // Takes a Bind back whose handle no worker has adopted: the second port of a pair was taken.
  virtual void Unbind(Handle handle) = 0;
};

}  // namespace relay::port
