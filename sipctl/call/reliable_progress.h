// Answers 101-199 that the caller must acknowledge, because its INVITE requires it (RFC 3262
// section 3): each is repeated until its PRACK comes, one at a time, the next ones wait.
#pragma once

#include <deque>
#include <functional>

#include "sipctl/sip/message.h"
#include "sipctl/timers.h"

namespace sipctl::call {

class ReliableProgress {
 public:
  // `rseq`: of the first answer. `send` sends one, now and again; `give_up`: no PRACK came for
  // 64*T1.
  ReliableProgress(Timers* timers, uint32_t rseq, std::function<void(const sip::Message&)> send,
                   std::function<void()> give_up);
  ~ReliableProgress();
  ReliableProgress(const ReliableProgress&) = delete;
  ReliableProgress& operator=(const ReliableProgress&) = delete;

  void Add(sip::Message response);
  // False: the PRACK is for no answer that waits for one.
  bool Acknowledge(const sip::RAck& rack);

  // A 2xx must wait for the PRACK of an answer with a session description.
  bool HoldsAnswer() const;
  // The caller has acknowledged a session description: a 2xx carries none any more.
  bool settled() const { return settled_; }

 private:
  void SendFirst();
  void Repeat();

  Timers* const timers_;
  uint32_t rseq_;
  const std::function<void(const sip::Message&)> send_;
  const std::function<void()> give_up_;
  sip::Message last_;                 // said again when it has rung long, without its description
  std::deque<sip::Message> waiting_;  // the first one is on its way
  TimeMs interval_ = 0;
  TimeMs waited_ = 0;
  Timers::Id timer_ = 0;
  bool settled_ = false;
};

}  // namespace sipctl::call
