// The called side: rings, answers at once, and lets the other side hang up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "bench/callgen/message.h"
#include "bench/callgen/report.h"
#include "bench/callgen/wire.h"
#include "sipctl/loop.h"

namespace bench::callgen {

class Callee {
 public:
  static absl::StatusOr<std::unique_ptr<Callee>> Make(
      sipctl::Loop* loop, const WireOptions& options,
      const std::vector<sipctl::sip::SocketAddress>& at);
  ~Callee();

  size_t open() const { return calls_.size(); }
  // Fills what the called side knows.
  void Tell(Report* report) const;

 private:
  // Alive from INVITE to BYE, so that a repeated INVITE is known.
  struct Call {
    Wire::Road road;
    std::string answer;  // the 200; empty: acknowledged
    sipctl::TimeMs interval = 0, waited = 0;
    sipctl::Timers::Id repeat = 0;
  };

  Callee(sipctl::Loop* loop, sipctl::sip::Protocol protocol) : loop_(loop), protocol_(protocol) {}
  void OnMessage(const Wire::Road& road, std::string_view bytes);
  void OnInvite(const Wire::Road& road, const Glance& request);
  void Repeat(const std::string& call_id, Call* call);

  sipctl::Loop* const loop_;
  const sipctl::sip::Protocol protocol_;
  std::unique_ptr<Wire> wire_;
  absl::flat_hash_map<std::string, std::unique_ptr<Call>> calls_;  // by Call-ID
  uint64_t called_ = 0, repeated_ = 0, not_acknowledged_ = 0;
};

}  // namespace bench::callgen
