#include "relay/worker/roster.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <span>

#include "relay/stage/digits.h"
#include "relay/stage/learn.h"
#include "relay/stage/report.h"
#include "relay/stage/rewrite.h"
#include "relay/stage/split.h"
#include "relay/worker/statistics.h"
#include "relay/worker/timekeeper.h"

namespace relay::worker {
namespace {

using session::kNoLeg;
using session::Leg;

static_assert(session::kNoHandle == port::kNoHandle);

// Lists of slots are filled from the front and ended by kNoLeg.
bool Join(std::span<uint32_t> list, uint32_t slot) {
  for (uint32_t& entry : list) {
    if (entry == slot) return true;
    if (entry != kNoLeg) continue;
    entry = slot;
    return true;
  }
  return false;
}

void Leave(std::span<uint32_t> list, uint32_t slot) {
  const auto end = std::remove(list.begin(), list.end(), slot);
  std::fill(end, list.end(), kNoLeg);
}

void SetFlag(uint8_t* flags, uint8_t flag, bool on) {
  *flags = static_cast<uint8_t>(on ? *flags | flag : *flags & ~flag);
}

void ApplyFormats(Leg& leg, const abi::LegPlan& plan) {
  leg.path.format_count = plan.format_count;
  std::copy_n(plan.formats, abi::kFormatsPerLeg, leg.formats);
  std::fill_n(leg.gate.payload_types, abi::kFormatsPerLeg, session::kNoPayloadType);
  leg.reception.alaw_formats = 0;
  leg.reception.event_formats = 0;
  for (uint8_t i = 0; i < plan.format_count; ++i) {
    leg.gate.payload_types[i] = plan.formats[i].payload_type;
    const auto bit = static_cast<uint8_t>(1u << i);
    if (plan.formats[i].codec == abi::Codec::kPcma) leg.reception.alaw_formats |= bit;
    if (plan.formats[i].codec == abi::Codec::kTelephoneEvent) leg.reception.event_formats |= bit;
  }
  leg.path.transcode = plan.transcode;
  leg.path.packet_ms_max = plan.packet_ms_max;
  // The clock rate of the type heard last may be another one now.
  leg.reception.payload_type = session::kNoPayloadType;
}

void ApplyDirection(Leg& leg, const abi::LegPlan& plan, TimeNs now) {
  const bool receives = (plan.direction & abi::kLegReceives) != 0;
  const bool received = (leg.gate.flags & session::kGateReceives) != 0;
  SetFlag(&leg.gate.flags, session::kGateReceives, receives);
  SetFlag(&leg.gate.flags, session::kGateRtcpMux, plan.rtcp_mux != 0);
  uint8_t out_flags = static_cast<uint8_t>(leg.out.flags);
  SetFlag(&out_flags, session::kOutSends, (plan.direction & abi::kLegSends) != 0);
  SetFlag(&out_flags, session::kOutRtcpMux, plan.rtcp_mux != 0);
  leg.out.flags = out_flags;
  leg.out.dscp = plan.dscp & 0x3f;

  // Silence is measured while the far party is expected to speak: hold suspends it.
  leg.timing.media_timeout_ns = plan.media_timeout_ms * kMillisecond;
  // Afterwards it is measured anew, also where one had been reported before.
  if (receives && !received) {
    leg.timing.silence_from_ns = now;
    SetFlag(&leg.gate.flags, session::kGateSilent, false);
  }
}

}  // namespace

void Roster::Obey(const Order& order, TimeNs now) {
  switch (order.kind) {
    case OrderKind::kOpenLeg:
      return Open(order.leg, order.setup, now);
    case OrderKind::kUpdateLeg:
      return Update(order.leg, order.setup, now);
    case OrderKind::kCloseLeg:
      return Close(order.leg);
    case OrderKind::kBridge:
      return Bridge(order.leg, order.listener);
    case OrderKind::kUnbridge:
      return Unbridge(order.leg, order.listener);
    case OrderKind::kSendDigit:
      return SendDigit(order, now);
    case OrderKind::kNone:
      break;
  }
  assert(false && "the conductor gives no such order");
}

void Roster::Open(uint32_t slot, const session::LegSetup& setup, TimeNs now) {
  assert(slot < state_.legs.size() && !state_.legs[slot].gate.open);
  Leg& leg = state_.legs[slot];
  leg = Leg{};
  leg.gate.open = 1;
  std::fill_n(leg.gate.listeners, abi::kListenersPerLeg, kNoLeg);
  std::fill_n(leg.gate.payload_types_out, abi::kFormatsPerLeg, session::kNoPayloadType);
  std::fill_n(leg.bridges.speakers, session::kSpeakersPerLeg, kNoLeg);
  leg.reception.payload_max_out = 0xffff;
  leg.bridges.speaker_former = kNoLeg;
  leg.out.local = setup.plan.local;
  leg.out.handle = setup.rtp_handle;
  leg.out.port_index = setup.port_index & 3;
  leg.path.rtcp_handle = session::kNoHandle;
  leg.path.generation = setup.generation;
  leg.path.statistics = setup.statistics;
  leg.rtcp.ssrc = setup.ssrc;
  std::copy_n(setup.cname, session::kCnameLength, leg.rtcp.cname);

  state_.departures.port(leg.out.port_index)->Adopt(setup.rtp_handle);
  Apply(slot, setup, true, now);
  [[maybe_unused]] const bool inserted = state_.table.Insert(setup.plan.local, slot);
  assert(inserted);

  // Whoever looks before the first sweep must not see the leg that had the slot before.
  Publish(Summarise(leg, now), &state_.config.statistics[setup.statistics]);
  leg.rtcp.next_ns = now + stage::NextReportAfter(state_.Random()) / 2;  // RFC 3550 section 6.2
  Arm(state_.wheel, slot, leg);
  state_.counters->Add(abi::Counter::kLegsOpened);
}

void Roster::Update(uint32_t slot, const session::LegSetup& setup, TimeNs now) {
  if (!IsOpen(slot)) return;
  Apply(slot, setup, false, now);
  Arm(state_.wheel, slot, state_.legs[slot]);
  MapListeners(slot);
  for (const uint32_t speaker : state_.legs[slot].bridges.speakers) {
    if (speaker != kNoLeg) MapListeners(speaker);
  }
  state_.outbox.Note(slot, session::kReportUpdated);
}

void Roster::Apply(uint32_t slot, const session::LegSetup& setup, bool first, TimeNs now) {
  Leg& leg = state_.legs[slot];
  leg.path.networks = setup.networks;
  leg.path.plan_version = setup.plan_version;
  if (leg.path.rtcp_handle == session::kNoHandle && setup.rtcp_handle != session::kNoHandle) {
    leg.path.rtcp_handle = setup.rtcp_handle;
    state_.departures.port(leg.out.port_index)->Adopt(setup.rtcp_handle);
  }
  // Whoever was believed without authentication is not believed with it, nor the other way round.
  abi::LegPlan plan = setup.plan;
  if (ApplySrtp(slot, setup.srtp, now) && !first) plan.relearn = abi::Relearn::kAnew;
  stage::StartLearning(leg, plan, first, now);
  ApplyFormats(leg, setup.plan);
  ApplyDirection(leg, setup.plan, now);
}

bool Roster::ApplySrtp(uint32_t slot, const abi::SrtpPlan& srtp, TimeNs now) {
  Leg& leg = state_.legs[slot];
  const bool was = (leg.gate.flags & session::kGateSrtp) != 0;
  const bool is = srtp.suite != abi::SrtpSuite::kNone;
  assert(!is || state_.srtp != nullptr);
  // A plain leg does not touch the memory of keys.
  if (is || was) state_.srtp->Apply(slot, srtp, now);
  SetFlag(&leg.gate.flags, session::kGateSrtp, is);
  if (is) SetFlag(&leg.gate.flags, session::kGateHadSrtp, true);
  SetFlag(&leg.out.flags, session::kOutSrtp, is);
  if (!is) return was;
  const std::optional<uint16_t> newest = state_.srtp->NewestSent(slot, leg.out.ssrc);
  // The stream may have gone back while it was plain; a key that returns has had its numbers.
  // Then the next packet is one of a source that has started again.
  if (newest && !was) leg.out.sequence_last = *newest;
  // The key counts from 0, and nothing has left under it: as at the beginning of a stream, a number
  // of the upper half could roll over before the listener has the key, or its first packet.
  const bool upper = (leg.out.sequence_last + 1u) & 0x8000;
  if (!newest && upper && (leg.out.flags & session::kOutStarted) &&
      state_.srtp->MayBeginStream(slot)) {
    stage::RenameStream(leg, state_.Random());
  }
  return !was;
}

void Roster::Close(uint32_t slot) {
  if (!IsOpen(slot)) return;
  Leg& leg = state_.legs[slot];
  for (const uint32_t listener : leg.gate.listeners) {
    if (listener == kNoLeg) continue;
    Leave(state_.legs[listener].bridges.speakers, slot);
    stage::LoseSpeaker(state_.legs[listener], leg, slot);
  }
  for (const uint32_t speaker : leg.bridges.speakers) {
    if (speaker == kNoLeg) continue;
    Leave(state_.legs[speaker].gate.listeners, slot);
    MapListeners(speaker);
  }
  if (leg.gate.flags & session::kGateHadSrtp) state_.srtp->Forget(slot);
  state_.counters->Add(abi::Counter::kDigitsLost, stage::DropDigits(leg));
  state_.table.Erase(leg.out.local);
  state_.wheel.Cancel(slot);
  port::Port* port = state_.departures.port(leg.out.port_index);
  port->Drop(leg.out.handle);
  if (leg.path.rtcp_handle != session::kNoHandle) port->Drop(leg.path.rtcp_handle);
  leg.gate.open = 0;
  state_.counters->Add(abi::Counter::kLegsClosed);
  state_.outbox.Note(slot, session::kReportClosed);
}

void Roster::Bridge(uint32_t speaker, uint32_t listener) {
  if (!IsOpen(speaker) || !IsOpen(listener)) return;
  if (!Join(state_.legs[speaker].gate.listeners, listener)) return;
  Join(state_.legs[listener].bridges.speakers, speaker);
  stage::GainSpeaker(state_.legs[listener], state_.legs[speaker], speaker);
  MapListeners(speaker);
}

void Roster::Unbridge(uint32_t speaker, uint32_t listener) {
  if (!IsOpen(speaker) || !IsOpen(listener)) return;
  std::span<uint32_t> speakers = state_.legs[listener].bridges.speakers;
  if (std::find(speakers.begin(), speakers.end(), speaker) == speakers.end()) return;
  Leave(state_.legs[speaker].gate.listeners, listener);
  Leave(speakers, speaker);
  stage::LoseSpeaker(state_.legs[listener], state_.legs[speaker], speaker);
  MapListeners(speaker);
}

void Roster::SendDigit(const Order& order, TimeNs now) {
  if (!IsOpen(order.leg)) return;
  Leg& leg = state_.legs[order.leg];
  const auto number = static_cast<uint16_t>(order.number);
  if (number == leg.play.number) return;
  leg.play.number = number;
  if (!stage::QueueDigit(leg, order.digit, now)) state_.counters->Add(abi::Counter::kDigitsLost);
  Arm(state_.wheel, order.leg, leg);
}

void Roster::MapListeners(uint32_t speaker) {
  Leg& leg = state_.legs[speaker];
  std::fill_n(leg.gate.payload_types_out, abi::kFormatsPerLeg, session::kNoPayloadType);
  leg.gate.recoded = 0;
  for (size_t i = 0; i < abi::kListenersPerLeg && leg.gate.listeners[i] != kNoLeg; ++i) {
    uint8_t* map = i == 0 ? leg.gate.payload_types_out : leg.bridges.payload_types_out[i - 1];
    uint8_t* recoded = i == 0 ? &leg.gate.recoded : &leg.bridges.recoded[i - 1];
    const Leg& listener = state_.legs[leg.gate.listeners[i]];
    *recoded = stage::MapPayloadTypes(leg, listener, map);
    if (i == 0) leg.reception.payload_max_out = stage::PayloadMax(listener);
  }
  const bool limited =
      leg.gate.listeners[0] != kNoLeg && leg.reception.payload_max_out != stage::kNoLimit;
  SetFlag(&leg.gate.flags, session::kGateApart, limited || leg.gate.listeners[1] != kNoLeg);
}

}  // namespace relay::worker
