// The calling side: places calls by a timetable, holds each for its time, hangs up, and knows of
// every one how it went.
//
//   free -> inviting -> (100, 180) -> up -> ending -> free
//
// Datagrams are repeated as RFC 3261 section 17.1 says, so that a lost one costs time and no call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "bench/callgen/message.h"
#include "bench/callgen/report.h"
#include "bench/callgen/wire.h"
#include "sipctl/loop.h"

namespace bench::callgen {

struct CallerOptions {
  WireOptions wire;
  std::vector<sipctl::sip::SocketAddress> from;  // local addresses; lines are spread over them
  sipctl::sip::SocketAddress to;
  std::string number = "+912212345678";
  uint32_t connections = 200;  // lines: sockets or connections
  double rate = 100;           // calls/s
  double ramp_s = 1;           // from nothing to `rate`, evenly; latencies count from its end
  uint64_t calls = 1000;       // altogether
  sipctl::TimeMs hold_ms = 1000;
  sipctl::TimeMs patience_ms = 32 * sipctl::kSecondMs;  // for a final answer (64*T1)
};

class Caller {
 public:
  static absl::StatusOr<std::unique_ptr<Caller>> Make(sipctl::Loop* loop,
                                                      const CallerOptions& options);
  ~Caller();

  // Whether all connections are set up.
  bool IsReady() const;
  void Begin();  // the timetable starts
  bool done() const { return report_.placed == options_.calls && report_.open == 0; }
  const Report& report() const { return report_; }

 private:
  enum class State : uint8_t { kFree, kInviting, kUp, kEnding };
  struct Call {
    State state = State::kFree;
    bool answered_at_all = false;
    uint32_t generation = 0;
    uint32_t line = 0;  // index of roads_
    sipctl::TimeMs interval = 0;
    sipctl::Timers::Id repeat = 0, end = 0;
    uint64_t sent_ns = 0;  // when the INVITE or BYE left first
    bool counts = false;   // its latencies
    CallNames names;
    std::string bytes;  // the request under way; while up, the ACK
  };

  Caller(sipctl::Loop* loop, CallerOptions options);
  absl::Status OpenLines();
  void OnLost(uint32_t line, const absl::Status& why);
  void Redial(uint32_t index);

  void PlaceDue();
  void Place();
  void OnMessage(const Wire::Road& road, std::string_view bytes);
  void OnInviteAnswer(uint32_t index, const Glance& answer);
  void OnEnd(uint32_t index, const Glance& answer);
  void OnRequest(const Wire::Road& road, const Glance& request);
  Call* Find(std::string_view call_id, uint32_t* index);
  void Acknowledge(Call* call, const Glance& answer);
  void HangUp(uint32_t index);
  void Repeat(uint32_t index, sipctl::TimeMs interval_max);
  void Limit(uint32_t index, std::string why);
  bool Transmit(const Call& call) { return wire_->Send(roads_[call.line], call.bytes); }
  void Fail(uint32_t index, const std::string& why);
  void Free(uint32_t index);

  sipctl::Loop* const loop_;
  const CallerOptions options_;
  const std::string run_;  // tells this load's calls from an earlier one's
  std::unique_ptr<Wire> wire_;
  std::vector<Wire::Road> roads_;
  std::vector<uint32_t> index_of_line_;  // by the wire's line
  std::vector<Call> calls_;
  std::vector<uint32_t> free_;
  uint64_t begin_ns_ = 0;
  Report report_;
};

}  // namespace bench::callgen
