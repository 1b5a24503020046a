// A virtual clock and a virtual network for SIP: N hosts, UDP that loses, doubles, delays and
// reorders, TCP that breaks. Everything follows from one seed: the same program on the same seed
// gives the same run, message for message.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sipctl/sip/message.h"
#include "sipctl/sip/transport.h"
#include "sipctl/timers.h"

namespace sipctl::sip {

// xorshift64*: the same numbers on each machine and library.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d) {}

  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint64_t Below(uint64_t bound) { return (Next() >> 11) % bound; }
  bool Percent(uint32_t percent) { return Below(100) < percent; }

 private:
  uint64_t state_;
};

struct SipWeather {
  uint32_t loss_percent = 0;       // UDP
  uint32_t duplicate_percent = 0;  // UDP
  TimeMs delay_ms_min = 5;
  TimeMs delay_ms_max = 5;            // reorders UDP when larger than the minimum; TCP keeps order
  uint32_t break_per_mille = 0;       // TCP: chance for each message that its connection dies first
  uint32_t idle_break_per_mille = 0;  // TCP: chance that a connection dies after a message arrived
};

class SipNetwork;

// One host: one address, a UDP listener (0) and a TCP listener (1) on port 5060.
class SipHost : public Transport {
 public:
  static constexpr uint16_t kUdp = 0;
  static constexpr uint16_t kTcp = 1;

  SipHost(SipNetwork* network, uint8_t number);

  absl::StatusOr<Flow> Send(const Flow& flow, std::string_view bytes) override;
  const Advertised& advertised(uint16_t listener) const override { return advertised_[listener]; }
  bool IsOpen(const Flow& flow) const override;
  Backlog backlog() const override { return backlog_; }
  // What stands before each message of this host from now on.
  void set_backlog(const Backlog& backlog) { backlog_ = backlog; }

  void set_user(TransportUser* user) { user_ = user; }
  // The way to another host.
  static Flow To(uint8_t number, Protocol protocol);
  SocketAddress address() const { return address_; }
  Advertised& advertised_for_test(uint16_t listener) { return advertised_[listener]; }

  // A host that is down neither hears nor answers; connections to it are refused.
  void set_up(bool up) { up_ = up; }

  // What runs on this host waits by these: the network's, unless it has a clock of its own.
  Timers* timers();
  // Before anything is waited for.
  void KeepOwnClock();
  // The host stands still while the world goes on, as a paused machine does: its timers do not
  // fire, what happens to its connections waits for it, and so do datagrams, when `keeps_datagrams`
  // (a paused process has a socket buffer), or they are lost. For a host with a clock of its own.
  void Pause(bool keeps_datagrams);
  // And finds that time has jumped: first what is due by its clock, then what has waited.
  void Resume();

 private:
  friend class SipNetwork;
  // Now, or when the host goes on.
  void Tell(std::function<void()> happened);

  SipNetwork* network_;
  std::unique_ptr<Timers> clock_;  // null: the network's
  bool paused_ = false;
  bool keeps_datagrams_ = false;
  std::vector<std::function<void()>> waiting_;
  SocketAddress address_;
  Advertised advertised_[2];
  TransportUser* user_ = nullptr;
  Backlog backlog_;
  bool up_ = true;
};

class SipNetwork {
 public:
  SipNetwork(uint64_t seed, const SipWeather& weather);

  SipHost* AddHost();  // numbers from 1: 10.0.0.<number>
  SipHost* host(uint8_t number) { return hosts_.at(number - 1).get(); }

  Timers* timers() { return &timers_; }
  Dice* dice() { return &dice_; }
  void set_weather(const SipWeather& weather) { weather_ = weather; }
  const SipWeather& weather() const { return weather_; }

  // Moves the clock from event to event, for `span` in all.
  void Run(TimeMs span);

  void BreakAllConnections();

  // Each message as it arrives, before its host hears it; may look, not touch.
  std::function<void(const SipHost& to, const Message& message, const Flow& flow)> on_arrival;
  // Lets a test lose what it chooses: true = drop.
  std::function<bool(const SipHost& from, std::string_view bytes)> drop;

  uint64_t sent() const { return sent_; }
  uint64_t lost() const { return lost_; }
  uint64_t unparsed() const { return unparsed_; }
  uint64_t digest() const { return digest_; }  // of everything that arrived and when

 private:
  friend class SipHost;

  struct Connection {
    SipHost* ends[2];
    uint16_t ports[2];  // of the flow's remote, as the other end sees it
    TimeMs free_at[2];  // when the last message in this direction arrives: order is kept
  };

  absl::StatusOr<Flow> SendDatagram(SipHost* from, const Flow& flow, std::string_view bytes);
  absl::StatusOr<Flow> SendStream(SipHost* from, const Flow& flow, std::string_view bytes);
  void Arrive(SipHost* to, const Flow& flow, const std::string& bytes);
  void Break(uint64_t connection);
  TimeMs Delay();
  void After(TimeMs delay, std::function<void()> happen);
  std::optional<TimeMs> Next() const;
  void Step(TimeMs to);
  SipHost* Find(const SocketAddress& address);
  Flow FlowAt(uint64_t id, const Connection& connection, int end) const;

  Timers timers_;
  TimeMs now_ = 0;  // ahead of the clocks that have not made this step yet
  Dice dice_;
  SipWeather weather_;
  std::vector<std::unique_ptr<SipHost>> hosts_;
  std::map<uint64_t, Connection> connections_;
  uint64_t next_connection_ = 1;
  uint16_t next_port_ = 30000;
  uint64_t sent_ = 0;
  uint64_t lost_ = 0;
  uint64_t unparsed_ = 0;
  uint64_t digest_ = 0;
};

}  // namespace sipctl::sip
