// A packet's way through a worker, from burst to burst. See pipeline.cc: it is one screen.
#pragma once

#include <cstdint>
#include <span>

#include "relay/clock.h"
#include "relay/port/port.h"
#include "relay/session/leg.h"
#include "relay/stage/verdict.h"
#include "relay/wire/rtp.h"
#include "relay/worker/state.h"

namespace relay::worker {

class Pipeline {
 public:
  explicit Pipeline(State& state) : state_(state), legs_(state.legs) {}

  // Takes at most kBurstMax packets of one port, and their buffers. What goes out is in
  // State::departures afterwards.
  void Process(std::span<port::Packet> packets, TimeNs now);

  // An RTCP compound for `far`: translated from another leg's, or born from the worker's timer.
  stage::Verdict OutboundRtcp(session::Leg& far, std::span<const uint8_t> compound, TimeNs now);

  // Whether two legs hear each other and nobody else, so that RTCP may pass between them.
  bool IsPlainPair(uint32_t a, uint32_t b) const;

 private:
  // What the inbound half found out about a packet.
  struct Arrival {
    uint32_t leg;  // slot; kNoLeg = none
    stage::Verdict verdict;
    uint8_t format;            // index into the near leg's formats
    uint8_t payload_type_out;  // for listener 0
    wire::Rtp rtp;
  };

  [[gnu::always_inline]] inline stage::Verdict Inbound(const port::Packet& packet, Arrival& arrival,
                                                       TimeNs now);
  stage::Verdict InboundRtcp(const port::Packet& packet, uint32_t slot, TimeNs now);
  [[gnu::always_inline]] inline stage::Verdict Outbound(const port::Packet& packet,
                                                        const Arrival& arrival, TimeNs now);
  stage::Verdict Fork(const port::Packet& packet, const Arrival& arrival, TimeNs now);
  [[gnu::always_inline]] inline stage::Verdict Deliver(const port::Packet& packet, wire::Rtp rtp,
                                                       session::Leg& far, uint8_t payload_type,
                                                       TimeNs now);
  void Settle(std::span<const port::Packet> packets, std::span<const Arrival> arrivals);

  void PrefetchNear(uint32_t slot) const {
    if (slot == session::kNoLeg) return;
    __builtin_prefetch(&legs_[slot].gate);
    __builtin_prefetch(&legs_[slot].reception);
  }
  void PrefetchFar(uint32_t slot) const {
    __builtin_prefetch(&legs_[legs_[slot].gate.listeners[0]].out);
  }

  void NoteEvents(uint32_t slot, bool learned);

  State& state_;
  const std::span<session::Leg> legs_;
};

}  // namespace relay::worker
