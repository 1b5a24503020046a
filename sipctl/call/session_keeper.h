// Keeps the session of one leg alive (RFC 4028): asks for the next refresh in time, and says when
// none has come.
#pragma once

#include <functional>
#include <optional>

#include "sipctl/sip/message.h"
#include "sipctl/sip/session_timer.h"
#include "sipctl/timers.h"

namespace sipctl::call {

class SessionKeeper {
 public:
  SessionKeeper(Timers* timers, const sip::SessionPolicy& policy)
      : timers_(timers), policy_(policy) {}
  ~SessionKeeper() { Stop(); }
  SessionKeeper(const SessionKeeper&) = delete;
  SessionKeeper& operator=(const SessionKeeper&) = delete;

  // Who is asked to refresh, and who is told that nobody did. Both come from timers.
  void Watch(std::function<void()> refresh, std::function<void()> expire);

  // As server: settles the timer by what the request asked and writes it into its 2xx.
  bool Refuses(const sip::SessionTerms& asked) const { return sip::IsTooShort(policy_, asked); }
  void Answer(const sip::SessionTerms& asked, sip::Message* response);
  uint32_t min_s() const { return policy_.min_s; }

  // As client: what a request asks for, and what its 2xx agreed on.
  void Ask(sip::Message* request) const { sip::AskFor(policy_, timer_, request); }
  void OnAnswered(const sip::Message& response);
  // A 422: from now on no less is asked for than it wants. False when it wants nothing new, more
  // than a day, or more for the third time.
  bool Raise(const sip::Message& refusal);

  // The refresh could not be sent now, or was refused: another one is asked for after `delay`.
  void RefreshAfter(TimeMs delay);
  void Stop();

  const std::optional<sip::SessionTimer>& timer() const { return timer_; }

 private:
  void Start(const std::optional<sip::SessionTimer>& timer);

  Timers* const timers_;
  sip::SessionPolicy policy_;
  int raises_ = 0;
  std::optional<sip::SessionTimer> timer_;
  std::function<void()> refresh_;
  std::function<void()> expire_;
  Timers::Id refresh_timer_ = 0;
  Timers::Id expire_timer_ = 0;
};

}  // namespace sipctl::call
