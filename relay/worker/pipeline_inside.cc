// What is born inside the relay and enters at the outbound half: RTCP, telephone events, and the
// pieces of a packet for a listener who takes only shorter ones (stage/split.h).
#include <array>
#include <cstring>

#include "relay/stage/digits.h"
#include "relay/stage/report.h"
#include "relay/stage/split.h"
#include "relay/stage/transcode.h"
#include "relay/worker/pipeline.h"

namespace relay::worker {

using port::Packet;
using session::Leg;
using stage::Verdict;

Verdict Pipeline::OutboundRtcp(Leg& far, std::span<const uint8_t> compound, TimeNs now) {
  const stage::RtcpPath path = stage::RtcpPathOf(far);
  if (path.remote.port == 0 || path.handle == session::kNoHandle) return Verdict::kNoRemote;
  Packet packet;
  if (!state_.departures.port(far.out.port_index)->Allocate(&packet)) return Verdict::kNoBuffer;
  std::memcpy(packet.data, compound.data(), compound.size());
  packet.length = static_cast<uint32_t>(compound.size());
  packet.tailroom = static_cast<uint16_t>(packet.tailroom - compound.size());
  packet.arrival_ns = now;
  packet.local = path.local;
  packet.handle = path.handle;
  packet.remote = path.remote;
  packet.dscp = far.out.dscp;
  if (far.out.flags & session::kOutSrtp) {
    const Verdict verdict = Protect(packet, far, true);
    if (verdict != Verdict::kForwarded) {
      packet.owner->Release({&packet, 1});
      return verdict;
    }
  }
  far.rtcp.sent += 1;
  state_.departures.Add(far.out.port_index, packet);
  return Verdict::kForwarded;
}

void Pipeline::OutboundEvent(Leg& far, TimeNs now) {
  session::Out& out = far.out;
  Packet packet;
  if (!state_.departures.port(out.port_index)->Allocate(&packet)) return stage::PutOff(far, now);
  std::array<uint8_t, stage::kEventPacketLength> event;
  const auto [length, lost, first_end] = stage::SendEvent(far, now, event);
  state_.counters->Add(abi::Counter::kDigitsLost, lost);
  if (length == 0) return packet.owner->Release({&packet, 1});
  std::memcpy(packet.data, event.data(), length);
  packet.length = static_cast<uint32_t>(length);
  packet.tailroom = static_cast<uint16_t>(packet.tailroom - length);
  packet.arrival_ns = now;
  packet.local = out.local;
  packet.handle = out.handle;
  packet.remote = out.Remote();
  packet.dscp = out.dscp;
  out.sent_packets += 1;
  out.sent_bytes += packet.length;
  if ((out.flags & session::kOutSrtp) && Protect(packet, far, false) != Verdict::kForwarded) {
    const unsigned rest = stage::DropDigits(far);
    state_.counters->Add(abi::Counter::kDigitsLost, first_end ? rest + 1 : rest);
    return packet.owner->Release({&packet, 1});
  }
  if (first_end) state_.counters->Add(abi::Counter::kDigitsSent);
  state_.departures.Add(out.port_index, packet);
}

// Every piece goes the outbound way by itself and leaves at once; the packet stays as it is, for
// the other listeners. A piece that cannot leave ends it: what is left of the packet is lost. A
// packet of one piece is one that follows others which were cut.
Verdict Pipeline::Split(const Packet& packet, const Arrival& arrival, Leg& far, Passage passage,
                        TimeNs now) {
  const uint32_t count = stage::PieceCount(arrival.rtp, passage.payload_max);
  // Its pieces would take numbers that are gone already.
  if (count > 1 && stage::IsLate(far.out, arrival.rtp)) return Verdict::kLate;
  Verdict verdict = Verdict::kForwarded;
  uint32_t sent = 0;
  while (sent < count) {
    verdict = SendPiece(packet, arrival, far, passage, sent, now);
    if (verdict != Verdict::kForwarded) break;
    ++sent;
  }
  if (sent > 1) stage::MoveUp(far.out, sent);
  if (count > 1 && sent == count) state_.counters->Add(abi::Counter::kSplit);
  return verdict;
}

Verdict Pipeline::SendPiece(const Packet& packet, const Arrival& arrival, Leg& far, Passage passage,
                            uint32_t index, TimeNs now) {
  Packet piece;
  if (!state_.departures.port(far.out.port_index)->Allocate(&piece)) return Verdict::kNoBuffer;
  wire::Rtp rtp = stage::PieceOf(arrival.rtp, index, passage.payload_max);
  const uint32_t header = arrival.rtp.payload_offset;
  std::memcpy(piece.data, packet.data, header);
  std::memcpy(piece.data + header, packet.data + rtp.payload_offset, rtp.payload_length);
  rtp.payload_offset = header;
  piece.data[0] = static_cast<uint8_t>(piece.data[0] & ~wire::kRtpPadding);
  piece.length = header + rtp.payload_length;
  piece.tailroom = static_cast<uint16_t>(piece.tailroom - piece.length);
  piece.arrival_ns = packet.arrival_ns;
  Verdict verdict = AddressApart(piece, rtp, far, passage.payload_type, now);
  if (verdict == Verdict::kForwarded) {
    wire::WriteRtp(piece.data, rtp);
    if (passage.recoded) Recode(piece, arrival, rtp);
    if (far.out.flags & session::kOutSrtp) verdict = Protect(piece, far, false);
  }
  if (verdict != Verdict::kForwarded) {
    piece.owner->Release({&piece, 1});
    return verdict;
  }
  state_.departures.Add(far.out.port_index, piece);
  return Verdict::kForwarded;
}

}  // namespace relay::worker
