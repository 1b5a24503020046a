// Who hears whom: two legs of a call and the relay's part of it. The legs' plans become commands;
// what has not changed is not told again.
#pragma once

#include <cstdint>
#include <optional>

#include "sipctl/call/context.h"
#include "sipctl/call/leg.h"

namespace sipctl::call {

class Bridge {
 public:
  // `a` and `b` must outlive the bridge. `length_ms`: absolute length of the session, 0 = none.
  Bridge(Context* context, CallNumber session, Leg* a, Leg* b, uint32_t length_ms);

  // Takes the ports: both legs exist in the relay, silent.
  void Prepare();
  // What both legs agreed on (or preview) now. They hear each other as soon as both have a plan.
  void Apply();

 private:
  void ApplyLeg(const Leg& leg, sdp::IpEndpoint* last_remote);
  media::LegFrame FrameOf(const Leg& leg) const;

  Context* context_;
  CallNumber session_;
  Leg* a_;
  Leg* b_;
  uint32_t length_ms_;
  sdp::IpEndpoint remote_a_;
  sdp::IpEndpoint remote_b_;
  bool joined_ = false;
};

}  // namespace sipctl::call
