// A relay's surroundings for the acceptance suite: two arms, each with a network of its own kind
// and a far party there. The suite is the same for all of them (relay_suite.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "relay/conductor/assembly.h"
#include "relay/port/upkeep.h"
#include "tests/relay/port/far_side.h"

namespace acceptance {

using relay::port::Heard;

// The relay's local addresses by index: IPv4 on either arm, and IPv6 on the second one.
inline constexpr uint16_t kTrunkSide = 0;
inline constexpr uint16_t kPbxSide = 1;
inline constexpr uint16_t kPbxSide6 = 2;
inline constexpr uint16_t kSides = 3;
// The relay's. Each test has kPortsPerTest of them, in turn: the kernel frees a socket's port some
// milliseconds after its io_uring is gone.
inline constexpr uint16_t kPortFirst = 21000;
inline constexpr uint16_t kPortLast = 24199;
inline constexpr uint16_t kPortsPerTest = 64;

// What is at the far end of an arm.
class FarParty {
 public:
  virtual ~FarParty() = default;
  // `at` is one of its addresses with a port: from now on it listens there.
  virtual void Open(const relay::abi::Endpoint& at) = 0;
  virtual void Say(const relay::abi::Endpoint& from, const relay::abi::Endpoint& to,
                   const std::vector<uint8_t>& payload) = 0;
  // The next datagram that came to `at`; waits a second for it.
  virtual std::optional<Heard> Hear(const relay::abi::Endpoint& at) = 0;
};

class Site {
 public:
  virtual ~Site() = default;

  // ---- the relay's ----
  virtual std::vector<relay::abi::LocalAddress> addresses() const = 0;  // kSides of them
  virtual relay::conductor::Assembly::MakePorts make_ports() = 0;
  virtual std::vector<uint8_t> port_of_address() const { return {}; }
  virtual std::vector<relay::port::Upkeep*> upkeeps() { return {}; }
  // Whether packets from the local address to there find their next hop.
  virtual bool Reaches(uint16_t side, const relay::abi::Address& far) {
    static_cast<void>(side), static_cast<void>(far);
    return true;
  }

  // ---- the far parties' ----
  virtual relay::abi::Address far(uint16_t side) const = 0;
  virtual FarParty& party(uint16_t side) = 0;
};

relay::abi::LocalAddress LocalAddress(const relay::abi::Address& address, uint16_t interface,
                                      const std::string& interface_name = {});

// A port on the kernel's sockets, whose far party has sockets too: both on the loopback device. For
// a relay whose other arm is of another kind it stands for a PBX on the relay's own host.
class Loopback {
 public:
  static relay::abi::Address own(uint16_t side);
  static relay::abi::Address far(uint16_t side);
  Loopback();
  ~Loopback();
  FarParty& party(uint16_t side) { return *parties_[side]; }
  static std::unique_ptr<relay::port::Port> MakePort(relay::abi::CounterBlock* counters,
                                                     bool io_uring = true);

 private:
  std::vector<std::unique_ptr<FarParty>> parties_;  // by side
};

struct SiteKind {
  const char* name;
  std::unique_ptr<Site> (*make)();
};
extern const std::vector<SiteKind> kSiteKinds;

}  // namespace acceptance
