// Between the transport and the transactions: who may come in by an access listener, and whether
// there is room for a new call at all (overload.h), by any listener.
//
//   a listener of role trunk:
//     a new call that is one too many                                            503, without state
//     everything else ---------------------------------------------------------> transactions
//   an access listener:
//     a response, an ACK, a repetition, a request inside a dialog -------------> transactions
//     a stranger's request that is neither REGISTER nor INVITE                   nothing
//     REGISTER, INVITE: a new call that is one too many                          503, without state
//                       the right answer to a challenge of ours ---------------> transactions
//                       anything else: 401, without state, as long as the source has not sent too
//                       much or guessed too often; then nothing
//
// What it lets in is somebody's: the flow's `peer` says whose (1 + the trunk).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sipctl/call/context.h"
#include "sipctl/call/overload.h"
#include "sipctl/call/source_limits.h"
#include "sipctl/counters.h"
#include "sipctl/sip/digest_server.h"
#include "sipctl/sip/transport.h"

namespace sipctl::call {

// X(name, sentence)
#define SIPCTL_DOOR_COUNTERS(X)                                                            \
  X(admitted, "requests with the right password")                                          \
  X(challenged, "requests answered with a challenge")                                      \
  X(stale, "of these: the nonce was too old, used before, or none of ours")                \
  X(wrong, "of these: wrong passwords and users that do not exist")                        \
  X(limited, "messages and connections dropped: too many from that source, or altogether") \
  X(silenced, "requests dropped: their source has guessed too often")                      \
  X(unserved, "requests of strangers dropped: neither REGISTER nor INVITE")                \
  X(misused, "requests refused: in the name or with the answer of another, or at the wrong door")

struct DoorCounters {
  SIPCTL_COUNTERS_OF(SIPCTL_DOOR_COUNTERS)
};

struct DoorkeeperOptions {
  DoorLimits limits;
  sip::DigestServerOptions digest;
  std::function<void(const sip::Flow&)> trust;  // who speaks on this flow has logged in
};

class Doorkeeper : public sip::TransportUser {
 public:
  // Neither is owned. `transport`: for answers without state; `context->transactions` gets the
  // rest.
  Doorkeeper(Context* context, sip::Transport* transport, DoorkeeperOptions options);

  // Whether a datagram or a connection from there is looked at, before a byte of it is read.
  bool MayKnock(const sip::SocketAddress& source);

  void OnMessage(sip::Message message, const sip::Flow& flow) override;
  void OnFlowBroken(const sip::Flow& flow, const absl::Status& why) override;

  const DoorCounters& counters() const { return counters_; }
  const OverloadCounters& overload_counters() const { return overload_.counters(); }

 private:
  bool IsExpected(const sip::Message& message) const;
  void Examine(sip::Message request, const sip::Flow& flow);
  void Welcome(sip::Message request, const sip::Flow& flow, const std::string& user);
  void Challenge(const sip::Message& request, const sip::Flow& flow, bool stale);
  // Without state (RFC 3261 section 8.2.7).
  void Respond(const sip::Message& request, const sip::Flow& flow, int status,
               std::vector<sip::HeaderField> more = {});
  // Who is silent after too many guesses: a source, but of a known one, where many may stand behind
  // a NAT, only the user.
  std::string GuesserOf(const sip::SocketAddress& source, const std::string& user) const;
  void CountGuess(const sip::SocketAddress& source, const std::string& user);
  TimeMs now() const { return context_->timers->now(); }

  Context* context_;
  sip::Transport* transport_;
  const DoorkeeperOptions options_;
  Overload overload_;
  SourceLimits limits_;
  sip::DigestServer digest_;
  DoorCounters counters_;
};

}  // namespace sipctl::call
