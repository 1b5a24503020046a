// A relay without packets: real rings and records in plain memory, scripted answers. It obeys
// commands as the contract says and can be told to refuse, to fall silent, to die and to come back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "relay/abi/segment.h"
#include "sipctl/media/relay_link.h"
#include "sipctl/timers.h"

namespace support {

struct FakeRelayOptions {
  uint16_t workers = 2;
  // Dotted IPv4 addresses of the relay.
  std::vector<relay::abi::Address> addresses = {relay::abi::Address::Ipv4(10, 0, 0, 1),
                                                relay::abi::Address::Ipv4(10, 0, 0, 2)};
  uint16_t port_first = 10000;
  uint16_t port_last = 19999;
  sipctl::TimeMs answer_ms = 0;  // how long a command takes
  uint32_t sessions_max = 16384;
};

class FakeRelay : public sipctl::media::Connector {
 public:
  FakeRelay(sipctl::Timers* timers, FakeRelayOptions options);
  ~FakeRelay() override;

  // Connector.
  void Connect(const sipctl::media::AttachRequest& request, Done done) override;

  // What happens to the process.
  void Die();      // the socket ends, sessions and journal are lost
  void Restart();  // another instance
  bool alive() const { return process_ != nullptr; }
  // The client's process ended and another one attaches: sessions and journal stay.
  void ForgetClient();
  // Takes no commands and does not turn, until unmuted.
  void Mute(bool muted);
  void Drain() { draining_ = true; }
  void Renumber(std::vector<relay::abi::Address> addresses) {
    options_.addresses = std::move(addresses);
  }

  // The next command of this kind is refused.
  void RefuseNext(relay::abi::CommandKind kind, relay::abi::Refusal refusal);

  // What happens to the media.
  void ReportSilence(uint64_t session, uint8_t leg);
  void ReportDigit(uint64_t session, uint8_t leg, uint8_t event, uint32_t duration_ms);
  void EndSession(uint64_t session, relay::abi::EndReason reason);
  void LoseEvents(uint64_t count);
  void Vanish(uint64_t session) { sessions_.erase(session); }  // ended, and its events were lost
  // What totals of a leg will say.
  void CountPackets(uint64_t session, uint8_t leg, uint64_t received, uint64_t sent);

  // What was commanded.
  struct Leg {
    relay::abi::LegPlan plan;
    relay::abi::SrtpPlan srtp{};
    std::vector<relay::abi::DigitCommand> digits;  // sent to its far party
    uint8_t listeners = 0;
    relay::abi::LegStatistics statistics{};
  };
  struct Session {
    std::map<uint8_t, Leg> legs;
    bool Hears(uint8_t listener, uint8_t speaker) const {
      const auto leg = legs.find(speaker);
      return leg != legs.end() && (leg->second.listeners >> listener & 1) != 0;
    }
  };
  const std::map<uint64_t, Session>& sessions() const { return sessions_; }
  const Session* Only() const {
    return sessions_.size() == 1 ? &sessions_.begin()->second : nullptr;
  }
  uint64_t OnlyId() const { return sessions_.begin()->first; }
  const std::vector<relay::abi::Command>& log() const { return log_; }
  // Commands are kept in log() by default; a long run can do without.
  void set_logging(bool on) { logging_ = on; }
  size_t CountLogged(relay::abi::CommandKind kind) const;
  const std::map<uint16_t, std::vector<relay::abi::Network>>& network_sets() const {
    return network_sets_;
  }
  std::span<uint8_t> journal() { return journal_; }
  uint64_t attachments() const { return attachments_; }

 private:
  struct Process;
  class Link;

  void Serve();
  void Obey(const relay::abi::Command& command);
  relay::abi::Refusal OpenLeg(const relay::abi::Command& command);
  relay::abi::Refusal UpdateLeg(const relay::abi::Command& command);
  relay::abi::Refusal Connect(const relay::abi::Command& command, bool on);
  relay::abi::Refusal TakeDigit(const relay::abi::Command& command);
  relay::abi::Refusal DefineSet(const relay::abi::Command& command);
  void CloseAll(uint64_t session, relay::abi::EndReason reason);
  void Tell(relay::abi::Event event);
  void Later(std::function<void()> act);

  sipctl::Timers* timers_;
  FakeRelayOptions options_;
  std::shared_ptr<Process> process_;
  std::vector<uint8_t> journal_;
  uint64_t instance_ = 1;
  uint64_t cookie_ = 0;
  uint64_t attachments_ = 0;
  bool known_ = false;
  bool muted_ = false;
  bool draining_ = false;
  bool logging_ = true;
  std::map<uint64_t, Session> sessions_;
  std::map<uint16_t, std::vector<relay::abi::Network>> network_sets_;
  std::vector<relay::abi::Command> log_;
  std::vector<std::pair<relay::abi::CommandKind, relay::abi::Refusal>> refusals_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace support
