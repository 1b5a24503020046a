// Who hears whom: two legs of a call and the relay's part of it. The legs' plans become commands;
// what has not changed is not told again.
#pragma once

#include <cstdint>
#include <string>

#include "sipctl/call/context.h"
#include "sipctl/call/leg.h"

namespace sipctl::call {

class Bridge {
 public:
  // `a` and `b` must outlive the bridge. `length_ms`: absolute length of the session, 0 = none.
  Bridge(Context* context, CallNumber session, const Leg* a, const Leg* b, uint32_t length_ms);

  // Takes the ports: both legs exist in the relay, silent.
  void Prepare();
  // What both legs agreed on (or preview) now. They hear each other as soon as both have a plan.
  void Apply() { Apply(relay::abi::Relearn::kKeep); }
  // The same when the call is answered. Whoever speaks now may have been silent, or another one,
  // while early media flowed: behind NAT it is learned again.
  void ApplyAnswer();

 private:
  // What the relay was told of a leg's far party last.
  struct Party {
    const Leg* leg;
    sdp::IpEndpoint remote;  // port 0: unknown
    std::string tag;         // of the dialog that its media came from
  };
  void Apply(relay::abi::Relearn relearn);
  void ApplyLeg(Party* party, relay::abi::Relearn relearn);
  media::LegFrame FrameOf(const Leg& leg) const;

  Context* context_;
  CallNumber session_;
  Party a_;
  Party b_;
  uint32_t length_ms_;
  bool joined_ = false;
};

}  // namespace sipctl::call
