// Whom the relay believes: is this source the leg's far party?
//
// Called for each RTP packet, after it was authenticated where there is something to authenticate.
// Nearly always the source is the one that was believed last, and nothing else is looked at.
//
//   kOff        any source inside the leg's networks; we send to the signalled address only
//   kSignalled  the signalled address and port, which must lie inside the networks
//   kLatch      the signalled address wins at once and for good, also over a source that was
//               chosen. Else, inside a window after the plan by which the leg begins to receive,
//               the first source with kSteadyPackets packets in a row of one SSRC and one payload
//               type and with consecutive sequence numbers; then no other. Until then its packets
//               are not forwarded, and nothing is sent to it. A leg that does not receive (a call
//               that rings) learns nothing.
//
// Of a leg with SRTP only authentic packets come here at all, and the first one teaches.
//
// A source that spoofs an address outside the networks is never watched. RTCP teaches nothing.
#pragma once

#include <cstdint>
#include <cstring>

#include "relay/abi/endpoint.h"
#include "relay/clock.h"
#include "relay/session/leg.h"
#include "relay/stage/verdict.h"
#include "relay/wire/rtp.h"

namespace relay::stage {

inline constexpr uint8_t kSteadyPackets = 4;
inline constexpr TimeNs kLatchWindowDefault = 1 * kSecond;

struct Belief {
  Verdict verdict;  // kForwarded: believed
  bool learned;     // a latch chose a source with this packet
};

// Whether the leg's networks hold the source; no networks = any address.
bool InNetworks(const session::Leg& leg, const abi::Endpoint& source);

// `source` is another one than the gate knows.
Belief BelieveStranger(session::Leg& leg, const abi::Endpoint& source, const wire::Rtp& rtp,
                       TimeNs now);

// Interface and VLAN are not compared: the local endpoint implies them. As two words: comparing the
// arrays would be a call of memcmp for each packet.
inline bool SameSource(const abi::Endpoint& a, const abi::Endpoint& b) {
  uint64_t left[2];
  uint64_t right[2];
  std::memcpy(left, &a.address, sizeof(left));
  std::memcpy(right, &b.address, sizeof(right));
  return ((left[0] ^ right[0]) | (left[1] ^ right[1])) == 0 && a.port == b.port;
}

inline Belief Believe(session::Leg& leg, const abi::Endpoint& source, const wire::Rtp& rtp,
                      TimeNs now) {
  if (SameSource(source, leg.gate.source)) return {Verdict::kForwarded, false};
  return BelieveStranger(leg, source, rtp, now);
}

// Applies the learning part of a plan; `first` when the leg is new. leg.path.networks is the plan's
// already, the gate's direction still the former one. A latched source stays over an update that
// changes neither mode, address nor networks so that it would not be believed, and does not ask to
// learn again.
void StartLearning(session::Leg& leg, const abi::LegPlan& plan, bool first, TimeNs now);

}  // namespace relay::stage
