// The stage of the call tests: sipctl (host 1, with a clock of its own) between a carrier (host 2)
// and a PBX (host 3), with a relay that moves no packets, on a virtual clock and network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sipctl/call/call_table.h"
#include "sipctl/call/doorkeeper.h"
#include "sipctl/call/registrar.h"
#include "tests/support/fake_relay.h"
#include "tests/support/sip_network.h"
#include "tests/support/sip_peer.h"
#include "tests/support/stub_resolver.h"

namespace sipctl::call {

class Notes : public CallLog {
 public:
  void OnCallEnded(const Cdr& cdr) override { cdrs.push_back(cdr); }
  void OnNotice(std::string_view sentence) override { notices.emplace_back(sentence); }

  std::vector<Cdr> cdrs;
  std::vector<std::string> notices;
};

// One life of the process.
class Process {
 public:
  Process(sip::SipNetwork* network, support::FakeRelay* relay,
          std::shared_ptr<const trunk::Config> config, int life);
  ~Process();

  Notes notes;
  support::StubResolver resolver;
  Context context;
  sip::Locator locator;
  Destinations destinations;
  trunk::Limits limits;
  media::Journal journal;
  trunk::Acl acl;
  trunk::Router router;
  std::unique_ptr<CallTable> table;
  std::unique_ptr<sip::TransactionLayer> layer;
  std::unique_ptr<media::RelayClient> relay;
  Registrar registrar{&context};
  std::unique_ptr<Doorkeeper> doorkeeper;

 private:
  sip::SipHost* host_;
};

struct WorldOptions {
  uint64_t seed = 1;
  sip::SipWeather weather;
  sip::Protocol carrier = sip::Protocol::kUdp;
  sip::Protocol pbx = sip::Protocol::kUdp;
  support::FakeRelayOptions relay;
  // The PBX has no fixed address: it is user `pbx1` with password `secret` in the realm `tandem`,
  // and its listener an access listener. The carrier needs the other one.
  bool pbx_logs_in = false;
  // The PBX is two machines, hosts 3 and 4, that share the load; host 4 is the test's to fill.
  bool two_pbxs = false;
  // We have an account at the carrier: `tandem` with password `secret` in the realm `phone`.
  bool logs_in_at_carrier = false;
};

class World {
 public:
  explicit World(const WorldOptions& options = {});
  ~World();

  void Run(TimeMs span) { network.Run(span); }
  // Kills the process and starts another one.
  void RestartSipctl();

  // The carrier calls the PBX, which answers: an established call.
  void Establish();
  // Everything that a finished call must leave behind.
  void ExpectNothingLeft();

  static std::string CarrierSdp(std::string direction = "sendrecv", int version = 1) {
    return support::SdpText{
        .host = "192.0.2.2", .port = 4000, .direction = std::move(direction), .version = version}
        .ToString();
  }
  static std::string PbxSdp(std::string direction = "sendrecv", int version = 1) {
    return support::SdpText{
        .host = "192.0.2.3", .port = 6000, .direction = std::move(direction), .version = version}
        .ToString();
  }

  sip::SipNetwork network;
  std::shared_ptr<trunk::Config> config;  // may be changed before the first Run
  support::FakeRelay fake_relay;
  support::SipPeer carrier;
  support::SipPeer pbx;
  std::unique_ptr<Process> sipctl;

  CallTable& table() { return *sipctl->table; }
  const std::vector<Cdr>& cdrs() const { return sipctl->notes.cdrs; }
  // A leg of the one call in the relay: 0 = the calling side.
  const support::FakeRelay::Leg& RelayLeg(uint8_t number) const {
    return fake_relay.Only()->legs.at(number);
  }

 private:
  int life_ = 0;
};

}  // namespace sipctl::call
