// A packet's way. Read Process first: three passes over a burst, so that the lines a packet needs
// are on their way from memory while its neighbours are worked on. Then the two halves:
//
//   Inbound    is it authentic -> what it is -> who sent it -> what was lost -> what it carries ->
//              who hears it
//   Outbound   may the listener have it -> what it is called there -> in which law -> by which port
//              -> protected
//
// All branching is here; stages do straight work. What is born inside the relay (RTCP) enters at
// the outbound half (pipeline_inside.cc), as do the pieces of a packet that a listener finds too
// long.
#include "relay/worker/pipeline.h"

#include <array>
#include <cassert>
#include <cstring>

#include "relay/stage/digits.h"
#include "relay/stage/learn.h"
#include "relay/stage/reception.h"
#include "relay/stage/report.h"
#include "relay/stage/rewrite.h"
#include "relay/stage/split.h"
#include "relay/stage/transcode.h"
#include "relay/wire/demux.h"
#include "relay/worker/timekeeper.h"

namespace relay::worker {

using port::Packet;
using session::kNoLeg;
using session::Leg;
using stage::Verdict;

// Legs are prefetched so many packets ahead: far enough for memory, near enough for the cache's
// dozen of outstanding misses.
constexpr size_t kAhead = 12;
// And their contexts so many packets behind the state that leads to them.
constexpr size_t kAheadSecured = 8;

void Pipeline::Process(std::span<Packet> packets, TimeNs now) {
  assert(packets.size() <= kBurstMax);
  std::array<Arrival, kBurstMax> arrivals;
  const size_t count = packets.size();

  for (size_t i = 0; i < count; ++i) {
    arrivals[i].near = Find(packets[i].local);
    if (i < kAhead) PrefetchNear(arrivals[i].near);
  }

  Sum sum;
  for (size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) PrefetchNear(arrivals[i + kAhead].near);
    if (IsSecured(packets[i], arrivals[i])) [[unlikely]] {
      secured_.Add(i, {SlotOf(*arrivals[i].near), packets[i].length, packets[i].data,
                       packets[i].tailroom, Verdict::kForwarded});
      state_.srtp->PrefetchReceiving(secured_.packets[secured_.count - 1].leg);
      if (const auto* before = secured_.Before(kAheadSecured))
        state_.srtp->PrefetchReceivingNext(before->leg);
      continue;
    }
    arrivals[i].verdict = Inbound(packets[i], arrivals[i], now);
  }
  if (secured_.count != 0) InboundSecured(packets, {arrivals.data(), count}, &sum, now);

  for (size_t i = 0; i < count; ++i) {
    Arrival& arrival = arrivals[i];
    if (arrival.verdict == Verdict::kForwarded)
      arrival.verdict = Outbound(packets[i], arrival, now);
    sum.bytes += packets[i].length;
    if (arrival.verdict == Verdict::kForwarded && (arrival.far->out.flags & session::kOutSrtp) &&
        arrival.port_index != kNoPort) [[unlikely]] {
      secured_.Add(i, {arrival.near->gate.listeners[0], packets[i].length, packets[i].data,
                       packets[i].tailroom, Verdict::kForwarded});
      state_.srtp->PrefetchSending(arrival.near->gate.listeners[0]);
      if (const auto* before = secured_.Before(kAheadSecured))
        state_.srtp->PrefetchSendingNext(before->leg);
    }
    sum.together &= arrival.verdict == Verdict::kForwarded &&
                    arrival.port_index == arrivals[0].port_index && arrival.port_index != kNoPort;
  }
  const size_t transcoded = transcoding_.Run(*state_.config.g711);
  if (transcoded != 0) state_.counters->Add(abi::Counter::kTranscoded, transcoded);
  if (secured_.count != 0) OutboundSecured(packets, {arrivals.data(), count}, &sum);
  Settle(packets, {arrivals.data(), count}, sum);
}

// ---- inbound ------------------------------------------------------------------------------------

Verdict Pipeline::Inbound(const Packet& packet, Arrival& arrival, TimeNs now) {
  if (packet.checksum == port::Checksum::kBad) return Verdict::kBadChecksum;
  if (arrival.near == nullptr) return Verdict::kNoLeg;
  Leg& near = *arrival.near;

  const wire::Protocol protocol = wire::Classify(packet.data, packet.length);
  const bool rtp_port = packet.local.port % 2 == 0;
  if (protocol == wire::Protocol::kRtcp) [[unlikely]] {
    // On an RTP port of its own the same bytes are a marker and payload type 64 to 95: keeping off
    // those is a rule of rtcp-mux alone (RFC 5761 section 4).
    const bool mux = (near.gate.flags & session::kGateRtcpMux) != 0;
    if (mux || !rtp_port) return InboundRtcp(packet, near, now);
    // And where nobody agreed on such a type it is RTCP that went astray: not in the statistics.
    if (stage::FormatIndex(near.gate, packet.data[1] & 0x7f) == abi::kFormatsPerLeg)
      return Verdict::kUnknownPayloadType;
  } else if (protocol != wire::Protocol::kRtp) {
    return stage::RefusalOf(protocol);
  }
  if (!rtp_port) return Verdict::kUnknownProtocol;  // RTP to the RTCP port
  wire::Rtp& rtp = arrival.rtp;
  const wire::RtpFault fault = wire::ParseRtp(packet.data, packet.length, &rtp);
  if (fault != wire::RtpFault::kNone) return stage::RefusalOf(fault);

  bool learned = false;
  if (!stage::SameSource(packet.remote, near.gate.source)) [[unlikely]] {
    const stage::Belief belief = stage::BelieveStranger(near, packet.remote, rtp, now);
    if (belief.verdict != Verdict::kForwarded) return belief.verdict;
    learned = belief.learned;
  }
  if (learned || (near.gate.flags & session::kGateSilent)) [[unlikely]]
    NoteEvents(near, learned);

  const stage::Receipt receipt = stage::Receive(near, rtp, packet.length, packet.arrival_ns);
  if (receipt == stage::Receipt::kDuplicate) return Verdict::kDuplicate;
  if (receipt == stage::Receipt::kNewSource) state_.counters->Add(abi::Counter::kSsrcChanges);

  const unsigned format = stage::FormatIndex(near.gate, rtp.payload_type);
  if (format == abi::kFormatsPerLeg) return Verdict::kUnknownPayloadType;
  if (!(near.gate.flags & session::kGateReceives)) return Verdict::kNotReceiving;
  const bool event = (near.reception.event_formats >> format & 1) != 0;
  if (event || (near.gate.flags & session::kGateDigit)) [[unlikely]]
    NoteDigits(near, packet, rtp, format);
  const uint32_t listener = near.gate.listeners[0];
  if (listener == kNoLeg) return Verdict::kHeld;
  arrival.far = &legs_[listener];
  __builtin_prefetch(&arrival.far->out);
  arrival.format = static_cast<uint8_t>(format);
  arrival.payload_type_out = near.gate.payload_types_out[format];
  arrival.recoded = (near.gate.recoded >> format & 1) != 0;
  return Verdict::kForwarded;
}

void Pipeline::InboundSecured(std::span<Packet> packets, std::span<Arrival> arrivals, Sum* sum,
                              TimeNs now) {
  state_.srtp->Unprotect({secured_.packets.data(), secured_.count}, now);
  for (size_t i = 0; i < secured_.count; ++i) {
    const stage::SrtpPacket& secured = secured_.packets[i];
    Packet& packet = packets[secured_.position[i]];
    Arrival& arrival = arrivals[secured_.position[i]];
    const uint32_t removed = packet.length - secured.length;
    sum->removed += removed;
    packet.length = secured.length;
    packet.tailroom = static_cast<uint16_t>(packet.tailroom + removed);
    arrival.verdict = secured.verdict;
    if (secured.verdict == Verdict::kForwarded) arrival.verdict = Inbound(packet, arrival, now);
  }
  secured_.count = 0;
}

Verdict Pipeline::InboundRtcp(const Packet& packet, Leg& near, TimeNs now) {
  const std::span<const uint8_t> compound(packet.data, packet.length);
  const Verdict verdict = stage::ReceiveRtcp(near, packet.remote, compound, now);
  if (verdict != Verdict::kForwarded) return verdict;

  const uint32_t listener = near.gate.listeners[0];
  if (listener == kNoLeg || !IsPlainPair(SlotOf(near), listener)) return Verdict::kConsumed;
  Leg& far = legs_[listener];
  if (!stage::IdentityPasses(near, far)) return Verdict::kConsumed;
  std::array<uint8_t, stage::kRtcpLengthMax> translated;
  const size_t length = stage::TranslateReport(near, far, compound, translated);
  if (length == 0) return Verdict::kConsumed;
  const Verdict sent = OutboundRtcp(far, {translated.data(), length}, now);
  // The original ends here in any case: what went out is another packet.
  return sent == Verdict::kForwarded ? Verdict::kConsumed : sent;
}

// ---- outbound -----------------------------------------------------------------------------------

Verdict Pipeline::Outbound(Packet& packet, Arrival& arrival, TimeNs now) {
  if ((arrival.near->gate.flags & session::kGateApart) |
      (arrival.far->out.flags & session::kOutSplit)) [[unlikely]] {
    return arrival.near->gate.listeners[1] != kNoLeg ? Fork(packet, arrival, now)
                                                     : OutboundFirst(packet, arrival, now);
  }
  return OutboundWhole(packet, arrival, now);
}

Verdict Pipeline::OutboundFirst(Packet& packet, Arrival& arrival, TimeNs now) {
  Leg& far = *arrival.far;
  const uint16_t payload_max = arrival.near->reception.payload_max_out;
  const bool cut = MustSplit(arrival, payload_max);
  // Pieces leave before the burst does; so what follows them takes their way, and is not overtaken.
  if (cut || (far.out.flags & session::kOutSplit)) [[unlikely]] {
    arrival.port_index = kNoPort;
    return Split(packet, arrival, far,
                 {arrival.payload_type_out, arrival.recoded, cut ? payload_max : stage::kNoLimit},
                 now);
  }
  return OutboundWhole(packet, arrival, now);
}

Verdict Pipeline::OutboundWhole(Packet& packet, Arrival& arrival, TimeNs now) {
  Leg& far = *arrival.far;
  arrival.port_index = far.out.port_index;
  const Verdict verdict = Address(packet, arrival.rtp, far, arrival.payload_type_out, now);
  if (arrival.recoded && verdict == Verdict::kForwarded)
    transcoding_.Add(*arrival.near, arrival.format, packet.data, arrival.rtp);
  return verdict;
}

bool Pipeline::MustSplit(const Arrival& arrival, uint16_t payload_max) {
  return arrival.rtp.payload_length > payload_max &&
         stage::IsG711(arrival.near->formats[arrival.format]);
}

// The later listeners get copies; the first gets the packet itself, last, because it is changed.
Verdict Pipeline::Fork(Packet& packet, Arrival& arrival, TimeNs now) {
  const Leg& near = *arrival.near;
  bool heard = false;
  for (size_t i = 1; i < abi::kListenersPerLeg && near.gate.listeners[i] != kNoLeg; ++i) {
    Leg& far = legs_[near.gate.listeners[i]];
    const Passage passage{near.bridges.payload_types_out[i - 1][arrival.format],
                          (near.bridges.recoded[i - 1] >> arrival.format & 1) != 0,
                          stage::PayloadMax(far)};
    if (MustSplit(arrival, passage.payload_max)) {
      const Verdict verdict = Split(packet, arrival, far, passage, now);
      heard |= verdict == Verdict::kForwarded;
      if (verdict == Verdict::kNoBuffer) state_.counters->Add(abi::Counter::kForkLost);
      continue;
    }
    Packet copy;
    if (!state_.departures.port(far.out.port_index)->Allocate(&copy)) {
      state_.counters->Add(abi::Counter::kForkLost);
      continue;
    }
    std::memcpy(copy.data, packet.data, packet.length);
    copy.length = packet.length;
    copy.tailroom = static_cast<uint16_t>(copy.tailroom - packet.length);
    copy.arrival_ns = packet.arrival_ns;
    wire::Rtp rtp = arrival.rtp;
    Verdict verdict = Address(copy, rtp, far, passage.payload_type, now);
    if (verdict == Verdict::kForwarded && passage.recoded) Recode(copy, arrival, rtp);
    if (verdict == Verdict::kForwarded && (far.out.flags & session::kOutSrtp)) {
      verdict = Protect(copy, far, false);
    }
    if (verdict == Verdict::kForwarded) {
      heard = true;
      state_.departures.Add(far.out.port_index, copy);
    } else {
      copy.owner->Release({&copy, 1});
    }
  }
  const Verdict verdict = OutboundFirst(packet, arrival, now);
  if (verdict == Verdict::kForwarded || !heard) return verdict;
  arrival.port_index = kNoPort;
  return Verdict::kForwarded;
}

// Makes the packet one for `far`. Any other verdict than kForwarded: nothing was changed.
Verdict Pipeline::Address(Packet& packet, wire::Rtp& rtp, Leg& far, uint8_t payload_type,
                          TimeNs now) {
  session::Out& out = far.out;
  if (payload_type == session::kNoPayloadType) return Verdict::kNoSharedFormat;
  constexpr uint8_t kOrdinary = session::kOutSends;
  if ((out.flags & (kOrdinary | session::kOutPlaying | session::kOutSplit)) != kOrdinary)
      [[unlikely]] {
    if (!(out.flags & session::kOutSends)) return Verdict::kHeld;
    if (out.flags & session::kOutPlaying) return Verdict::kReplaced;
    if (out.remote_port == 0) return Verdict::kNoRemote;
    if (stage::IsLate(out, rtp)) return Verdict::kLate;
    if (stage::GoesBack(out, rtp)) stage::ChangeSource(far, &rtp, now);
  }
  if (out.remote_port == 0) return Verdict::kNoRemote;

  if ((out.flags & session::kOutSrtp) && stage::GoesBack(out, rtp)) [[unlikely]]
    Restart(far, &rtp, now);
  if (stage::Rewrite(far, payload_type, &rtp, now)) wire::WriteRtp(packet.data, rtp);
  out.sent_packets += 1;
  out.sent_bytes += packet.length;
  if (const uint32_t overhead = stage::Overhead(rtp, packet.length); overhead != 0) [[unlikely]]
    far.totals.sent_overhead += overhead;
  packet.local = out.local;
  packet.handle = out.handle;
  out.CopyRemote(&packet.remote);
  packet.dscp = out.dscp;
  return Verdict::kForwarded;
}

Verdict Pipeline::AddressApart(Packet& packet, wire::Rtp& rtp, Leg& far, uint8_t payload_type,
                               TimeNs now) {
  return Address(packet, rtp, far, payload_type, now);
}

void Pipeline::Recode(const Packet& packet, const Arrival& arrival, const wire::Rtp& rtp) {
  stage::Transcode(*state_.config.g711, *arrival.near, arrival.format, packet.data, rtp);
  state_.counters->Add(abi::Counter::kTranscoded);
}

// The source has started its numbers again. Under SRTP the far party hears a new stream; when its
// key has had as many as can be remembered, the old one goes on with its next number.
void Pipeline::Restart(Leg& far, wire::Rtp* rtp, TimeNs now) {
  if (state_.srtp->MayBeginStream(SlotOf(far))) {
    stage::RenameStream(far, rtp, state_.Random());
  } else {
    stage::ChangeSource(far, rtp, now);
  }
}

// A packet that could not be protected is as it was.
void Pipeline::Unsend(const Packet& packet, Leg& far) {
  far.out.sent_packets -= 1;
  far.out.sent_bytes -= packet.length;
  wire::Rtp rtp;
  if (wire::ParseRtp(packet.data, packet.length, &rtp) == wire::RtpFault::kNone)
    far.totals.sent_overhead -= stage::Overhead(rtp, packet.length);
}

// In place, all packets of the burst at once. What may not leave after all was not sent.
void Pipeline::OutboundSecured(std::span<Packet> packets, std::span<Arrival> arrivals, Sum* sum) {
  state_.srtp->Protect({secured_.packets.data(), secured_.count});
  for (size_t i = 0; i < secured_.count; ++i) {
    const stage::SrtpPacket& secured = secured_.packets[i];
    Packet& packet = packets[secured_.position[i]];
    Arrival& arrival = arrivals[secured_.position[i]];
    if (secured.verdict != Verdict::kForwarded) {
      arrival.verdict = secured.verdict;
      Unsend(packet, *arrival.far);
      sum->together = false;
      continue;
    }
    const uint32_t added = secured.length - packet.length;
    sum->added += added;
    packet.length = secured.length;
    packet.tailroom = static_cast<uint16_t>(packet.tailroom - added);
  }
  secured_.count = 0;
}

Verdict Pipeline::Protect(Packet& packet, Leg& far, bool rtcp) {
  stage::SrtpPacket secured{SlotOf(far), packet.length, packet.data, packet.tailroom,
                            Verdict::kForwarded};
  if (rtcp) {
    state_.srtp->ProtectRtcp(secured);
  } else {
    state_.srtp->Protect({&secured, 1});
  }
  if (secured.verdict != Verdict::kForwarded) {
    if (!rtcp) Unsend(packet, far);
    return secured.verdict;
  }
  packet.tailroom = static_cast<uint16_t>(packet.tailroom - (secured.length - packet.length));
  packet.length = secured.length;
  return Verdict::kForwarded;
}

// ---- around the two halves ----------------------------------------------------------------------

bool Pipeline::IsPlainPair(uint32_t a, uint32_t b) const {
  const auto only = [this](uint32_t leg, uint32_t other) {
    const Leg& one = legs_[leg];
    return one.gate.listeners[0] == other && one.gate.listeners[1] == kNoLeg &&
           one.bridges.speakers[0] == other && one.bridges.speakers[1] == kNoLeg;
  };
  return only(a, b) && only(b, a);
}

// Counts the packets and what became of them, sends them, and gives back the buffers of those that
// stay here. All are of one owner. Nearly always a burst leaves as one.
void Pipeline::Settle(std::span<const Packet> packets, std::span<const Arrival> arrivals,
                      const Sum& sum) {
  state_.counters->Add(abi::Counter::kReceivedPackets, packets.size());
  state_.counters->Add(abi::Counter::kReceivedBytes, sum.bytes + sum.removed);
  if (sum.together) {
    state_.counters->Add(abi::Counter::kForwarded, packets.size());
    return state_.departures.SendWhole(arrivals[0].port_index, packets, sum.bytes + sum.added);
  }
  std::array<Packet, kBurstMax> staying;
  size_t count = 0;
  for (size_t i = 0; i < packets.size(); ++i) {
    const Arrival& arrival = arrivals[i];
    state_.counters->Add(stage::CounterOf(arrival.verdict));
    if (arrival.verdict == Verdict::kForwarded && arrival.port_index != kNoPort) {
      state_.departures.Add(arrival.port_index, packets[i]);
      continue;
    }
    staying[count++] = packets[i];
    const bool dropped =
        arrival.verdict != Verdict::kForwarded && arrival.verdict != Verdict::kConsumed;
    if (dropped && arrival.near != nullptr) arrival.near->gate.dropped += 1;
  }
  if (count != 0) staying[0].owner->Release({staying.data(), count});
}

void Pipeline::NoteDigits(Leg& near, const Packet& packet, const wire::Rtp& rtp, unsigned format) {
  const bool event = (near.reception.event_formats >> format & 1) != 0;
  const stage::Heard heard =
      event ? stage::HearEvent(near, packet.data, rtp, near.formats[format].clock_rate_hz)
            : stage::HearSpeech(near, rtp);
  state_.counters->Add(abi::Counter::kDigitsHeard, heard.told);
  state_.counters->Add(abi::Counter::kDigitsLost, heard.lost);
  if (heard.told != 0) state_.outbox.Note(SlotOf(near), session::kReportDigit);
}

void Pipeline::NoteEvents(Leg& near, bool learned) {
  const uint32_t slot = SlotOf(near);
  if (learned) {
    state_.counters->Add(abi::Counter::kSourcesLearned);
    state_.outbox.Note(slot, session::kReportLearned);
  }
  if (!(near.gate.flags & session::kGateSilent)) return;
  near.gate.flags = static_cast<uint8_t>(near.gate.flags & ~session::kGateSilent);
  Arm(state_.wheel, slot, near);  // silence is measured again
  state_.outbox.Note(slot, session::kReportResumed);
}

}  // namespace relay::worker
