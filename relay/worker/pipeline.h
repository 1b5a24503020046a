// A packet's way through a worker, from burst to burst. See pipeline.cc: it is one screen.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "relay/clock.h"
#include "relay/port/port.h"
#include "relay/session/leg.h"
#include "relay/stage/srtp.h"
#include "relay/stage/transcode.h"
#include "relay/stage/verdict.h"
#include "relay/wire/rtp.h"
#include "relay/worker/state.h"

namespace relay::worker {

class Pipeline {
 public:
  explicit Pipeline(State& state) : state_(state), legs_(state.legs) {}

  // Takes at most kBurstMax packets of one port, and their buffers; the packets are changed where
  // they lie. What goes out is sent, or in State::departures afterwards.
  void Process(std::span<port::Packet> packets, TimeNs now);

  // An RTCP compound for `far`: translated from another leg's, or born from the worker's timer.
  stage::Verdict OutboundRtcp(session::Leg& far, std::span<const uint8_t> compound, TimeNs now);

  // The packet that is due of a telephone event made for `far`, if any (stage/digits.h).
  void OutboundEvent(session::Leg& far, TimeNs now);

  // Whether two legs hear each other and nobody else, so that RTCP may pass between them.
  bool IsPlainPair(uint32_t a, uint32_t b) const;

 private:
  // What the inbound half found out about a packet.
  struct Arrival {
    session::Leg* near;  // null = none
    session::Leg* far;   // listener 0
    wire::Rtp rtp;
    stage::Verdict verdict;
    uint8_t format;            // index into the near leg's formats
    uint8_t payload_type_out;  // for listener 0
    bool recoded;              // listener 0 has the other G.711 law
    uint8_t port_index;        // by which the packet leaves; kNoPort = a copy of it left
  };
  // What a burst comes to.
  struct Sum {
    uint64_t bytes = 0;    // of the packets as they are in the relay: without protection
    uint64_t removed = 0;  // of it, from what arrived
    uint64_t added = 0;    // to what leaves
    bool together = true;  // nothing stays here, and all leave by one port
  };
  // Packets of a burst that go through SRTP together.
  struct Secured {
    void Add(size_t packet, const stage::SrtpPacket& secured) {
      position[count] = static_cast<uint8_t>(packet);
      packets[count++] = secured;
    }
    const stage::SrtpPacket* Before(size_t packets_ago) const {
      return count > packets_ago ? &packets[count - 1 - packets_ago] : nullptr;
    }
    size_t count = 0;
    std::array<uint8_t, kBurstMax> position;
    std::array<stage::SrtpPacket, kBurstMax> packets;
  };
  static constexpr uint8_t kNoPort = 0xff;

  [[gnu::always_inline]] inline stage::Verdict Inbound(const port::Packet& packet, Arrival& arrival,
                                                       TimeNs now);
  // What arrived with SRTP: authenticated first, then as all others.
  void InboundSecured(std::span<port::Packet> packets, std::span<Arrival> arrivals, Sum* sum,
                      TimeNs now);
  // What leaves with SRTP.
  void OutboundSecured(std::span<port::Packet> packets, std::span<Arrival> arrivals, Sum* sum);
  // One packet by itself. Its verdict.
  stage::Verdict Protect(port::Packet& packet, session::Leg& far, bool rtcp);
  stage::Verdict InboundRtcp(const port::Packet& packet, session::Leg& near, TimeNs now);
  [[gnu::always_inline]] inline stage::Verdict Outbound(port::Packet& packet, Arrival& arrival,
                                                        TimeNs now);
  // Of a packet that goes out by itself: its payload becomes the other G.711 law.
  void Recode(const port::Packet& packet, const Arrival& arrival, const wire::Rtp& rtp);
  // What a listener's arrow says of the packet.
  struct Passage {
    uint8_t payload_type;
    bool recoded;
    uint16_t payload_max;
  };
  // Into pieces for `far`, which leave by themselves; the packet stays as it is.
  stage::Verdict Split(const port::Packet& packet, const Arrival& arrival, session::Leg& far,
                       Passage passage, TimeNs now);
  stage::Verdict SendPiece(const port::Packet& packet, const Arrival& arrival, session::Leg& far,
                           Passage passage, uint32_t index, TimeNs now);
  // A packet of speech longer than a listener takes.
  static bool MustSplit(const Arrival& arrival, uint16_t payload_max);
  // To listener 0: the packet itself, or what is cut from it.
  stage::Verdict OutboundFirst(port::Packet& packet, Arrival& arrival, TimeNs now);
  [[gnu::always_inline]] inline stage::Verdict OutboundWhole(port::Packet& packet, Arrival& arrival,
                                                             TimeNs now);
  stage::Verdict Fork(port::Packet& packet, Arrival& arrival, TimeNs now);
  [[gnu::always_inline]] inline stage::Verdict Address(port::Packet& packet, wire::Rtp& rtp,
                                                       session::Leg& far, uint8_t payload_type,
                                                       TimeNs now);
  // The same as a function of its own, for what is rare.
  stage::Verdict AddressApart(port::Packet& packet, wire::Rtp& rtp, session::Leg& far,
                              uint8_t payload_type, TimeNs now);
  void Restart(session::Leg& far, wire::Rtp* rtp, TimeNs now);
  void Settle(std::span<const port::Packet> packets, std::span<const Arrival> arrivals,
              const Sum& sum);

  session::Leg* Find(abi::LocalEndpoint local) const {
    const uint32_t slot = state_.table.Find(local);
    return slot == session::kNoLeg ? nullptr : &legs_[slot];
  }
  uint32_t SlotOf(const session::Leg& leg) const {
    return static_cast<uint32_t>(&leg - legs_.data());
  }
  static void PrefetchNear(const session::Leg* leg) {
    if (leg == nullptr) return;
    __builtin_prefetch(&leg->gate);
    __builtin_prefetch(&leg->reception);
  }

  static bool IsSecured(const port::Packet& packet, const Arrival& arrival) {
    return arrival.near != nullptr && (arrival.near->gate.flags & session::kGateSrtp) &&
           packet.checksum != port::Checksum::kBad;
  }
  // Takes back what Address counted.
  static void Unsend(const port::Packet& packet, session::Leg& far);

  void NoteEvents(session::Leg& near, bool learned);
  void NoteDigits(session::Leg& near, const port::Packet& packet, const wire::Rtp& rtp,
                  unsigned format);

  State& state_;
  const std::span<session::Leg> legs_;
  Secured secured_;
  stage::Transcoding transcoding_;  // of packets that leave with their burst
};

}  // namespace relay::worker
