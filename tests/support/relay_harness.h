// A whole relay in the test's own thread: real conductor, real workers, memory ports, and a clock
// that moves only when the test says so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "relay/abi/attach.h"
#include "relay/conductor/assembly.h"
#include "relay/port/memory.h"

namespace support {

struct HarnessOptions {
  uint16_t workers = 1;
  uint16_t client_slots = 1;
  uint32_t sessions = 16;
  uint32_t drain_timeout_s = 10;
  uint32_t journal_bytes_max = 1 << 20;
  relay::stage::SrtpEngineKind srtp_engine = relay::stage::SrtpEngineKind::kAuto;
  std::vector<std::string> listen = {"192.0.2.1:10000-10255", "[2001:db8::1]:10000-10255"};
  // Instead of memory ports; then port() is of no use.
  relay::conductor::Assembly::MakePort make_port = {};
  // Instead of that: several ports a worker, what belongs to them, and addresses of their own.
  relay::conductor::Assembly::MakePorts make_ports = {};
  std::vector<relay::abi::LocalAddress> addresses = {};
  std::vector<uint8_t> port_of_address = {};
  std::vector<relay::port::Upkeep*> upkeeps = {};
};

class RelayHarness {
 public:
  explicit RelayHarness(const HarnessOptions& options = {});

  // Turns of conductor and workers, a millisecond apart. False: the relay came to its end.
  bool Step(int turns = 1);
  // One turn while the clock stands still, for packets that are on their way in the true time.
  bool Turn() { return assembly_->Step(now_); }
  void Advance(relay::TimeNs by) { now_ += by; }
  relay::TimeNs now() const { return now_; }

  // Attaches while the relay is stepped.
  relay::abi::AttachFailure Attach(const relay::abi::AttachOptions& options,
                                   relay::abi::Attachment* client);
  relay::abi::AttachFailure Observe(relay::abi::Attachment* observer);
  // With the cookie; fails the test when it does not work.
  relay::abi::Attachment Client(uint64_t cookie = 1);

  // Pushes, steps, and returns the answer; other events are kept for Events().
  relay::abi::Event Do(relay::abi::Attachment& client, relay::abi::Command command);
  // Steps once and takes everything that is there.
  std::vector<relay::abi::Event> Events(relay::abi::Attachment& client);

  const std::string& path() const { return path_; }
  relay::conductor::Assembly& relay() { return *assembly_; }
  relay::port::MemoryPort& port(size_t worker = 0) {
    return static_cast<relay::port::MemoryPort&>(*assembly_->port(worker));
  }

 private:
  relay::abi::AttachFailure SteppedCall(const std::function<relay::abi::AttachFailure()>& call);

  std::string path_;
  relay::TimeNs now_ = relay::kSecond;
  uint64_t request_ = 0;
  std::vector<relay::abi::Event> kept_;
  std::unique_ptr<relay::conductor::Assembly> assembly_;
};

// ---- commands ----

// A plain PCMA leg of session `session` on 192.0.2.1:`port`, whose far party is
// 198.51.100.`leg + 1`:4000.
relay::abi::Command LegOpen(uint64_t session, uint8_t leg, uint16_t port);
// The same with SRTP, AES_CM_128_HMAC_SHA1_80. `seed` makes the keys.
relay::abi::Command SrtpLegOpen(uint64_t session, uint8_t leg, uint16_t port, uint8_t seed);
relay::abi::Command Bridge(uint64_t session, uint8_t speaker, uint8_t listener, bool both = true);
relay::abi::Command Unbridge(uint64_t session, uint8_t speaker, uint8_t listener);
relay::abi::Command LegClose(uint64_t session, uint8_t leg);
relay::abi::Command SessionClose(uint64_t session);
relay::abi::Command Networks(uint16_t set, uint16_t count, bool append = false);

relay::abi::Endpoint FarEnd(uint8_t leg);
// A PCMA packet of 20 ms.
std::vector<uint8_t> RtpPacket(uint16_t sequence, uint32_t ssrc = 0x1234);

}  // namespace support
