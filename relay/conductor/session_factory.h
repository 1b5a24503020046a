// Turns checked commands into legs: local ports bound, plans made whole, orders to the worker, the
// directory told. Every operation either happens whole or changes nothing and says why.
//
// Conductor thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "relay/abi/placement.h"
#include "relay/conductor/command_check.h"
#include "relay/conductor/network_sets.h"
#include "relay/conductor/session_directory.h"
#include "relay/conductor/worker_link.h"

namespace relay::conductor {

// Who asks.
struct Asker {
  uint16_t client_slot;
  uint64_t owner_cookie;
  const NetworkSets* networks;
};

class SessionFactory {
 public:
  struct Parts {
    const StateSegment* state;
    SessionDirectory* directory;
    std::span<const std::unique_ptr<WorkerLink>> workers;
    // Which of its worker's ports a local address is reached by; empty = all by the first.
    std::span<const uint8_t> port_of_address;
    uint32_t latch_window_ms;  // for plans that leave it to the relay
    bool srtp;                 // workers have an engine for it
  };
  explicit SessionFactory(const Parts& parts) : parts_(parts) {}

  // All take commands that CheckCommand found in order.
  Finding OpenLeg(const Asker& asker, const abi::Command& command, TimeNs now);
  Finding UpdateLeg(const Asker& asker, const abi::Command& command);
  Finding Bridge(const Asker& asker, const abi::Command& command);
  Finding SendDigit(const Asker& asker, const abi::Command& command);
  Finding Unbridge(const Asker& asker, const abi::Command& command);
  Finding CloseLeg(const Asker& asker, const abi::Command& command);
  Finding CloseSession(const Asker& asker, const abi::Command& command);

  // Closes what is still open of a live session.
  void End(uint32_t session, abi::EndReason reason);
  // The worker has let go of a closing leg: its slot and ports may be used again.
  void Release(uint16_t worker, uint32_t leg);

  // New sessions are refused from here on.
  void set_draining() { draining_ = true; }

 private:
  struct Found {
    Finding finding;
    uint32_t session = kNobody;
    uint32_t leg = kNobody;  // slot in the relay
  };
  struct Handles {
    uint32_t rtp = kNobody;
    uint32_t rtcp = kNobody;
  };

  // Of commands that speak of something open.
  Found FindSession(const Asker& asker, const abi::Command& command) const;
  Found FindLeg(const Asker& asker, const abi::Command& command, uint8_t number,
                uint16_t field) const;
  Finding FindArrow(const Asker& asker, const abi::Command& command, uint32_t* session) const;

  Finding MayOpen(const Asker& asker, const abi::Command& command, uint32_t session,
                  uint16_t worker) const;
  Finding BindPair(const abi::LegPlan& plan, port::Port* port, Handles* handles) const;
  absl::StatusOr<uint32_t> BindOne(abi::LocalEndpoint local, port::Port* port) const;
  void Approach(const abi::LegPlan& plan, port::Port* port) const;
  // Posts the order and overwrites it: it may hold keys.
  void Order(worker::OrderKind kind, const abi::LegCommand& body, uint32_t session, uint32_t leg);
  session::LegSetup SetupOf(const abi::LegCommand& body, const Session& session,
                            uint32_t leg) const;
  void PublishLeg(uint32_t session, uint32_t leg, const abi::LegCommand& body);
  void ApplyLength(uint32_t session, const abi::LegPlan& plan);
  void Arrow(uint32_t session, uint8_t speaker, uint8_t listener, bool on);
  void Close(uint32_t session, uint8_t number);
  uint8_t PortOf(abi::LocalEndpoint local) const {
    return parts_.port_of_address.empty() ? 0 : parts_.port_of_address[local.address];
  }
  WorkerLink& LinkOf(uint32_t session) const {
    return *parts_.workers[parts_.directory->session(session).worker];
  }

  const Parts parts_;
  absl::flat_hash_set<uint32_t> pairs_taken_;  // address << 16 | even port
  bool draining_ = false;
};

}  // namespace relay::conductor
