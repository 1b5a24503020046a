#include "relay/stage/report.h"

#include <algorithm>

#include "relay/stage/learn.h"
#include "relay/stage/reception.h"
#include "relay/stage/rewrite.h"
#include "relay/wire/rtcp.h"

namespace relay::stage {
namespace {

using session::Leg;

constexpr uint64_t kNtpEpoch = 2208988800;  // seconds from 1900 to 1970 (RFC 5905)

// 32.32 fixed point seconds since 1900.
uint64_t NtpTime(TimeNs now, int64_t wall_offset_ns) {
  const uint64_t wall = now + static_cast<uint64_t>(wall_offset_ns);
  const uint64_t fraction = ((wall % kSecond) << 32) / kSecond;
  return ((wall / kSecond + kNtpEpoch) << 32) | fraction;
}

// RFC 3550 appendix A.3.
wire::ReportBlock MakeBlock(Leg& leg, TimeNs now) {
  const session::Reception& reception = leg.reception;
  const uint32_t expected = static_cast<uint32_t>(Expected(reception));
  const int64_t lost = int64_t{expected} - int64_t{reception.packets};
  const uint32_t expected_now = expected - leg.rtcp.expected_prior;
  const uint32_t received_now = reception.packets - leg.rtcp.received_prior;
  leg.rtcp.expected_prior = expected;
  leg.rtcp.received_prior = reception.packets;
  const bool any_lost = expected_now != 0 && expected_now > received_now;
  const uint32_t fraction = any_lost ? ((expected_now - received_now) << 8) / expected_now : 0;
  const uint64_t sr_age = leg.rtcp.sr_arrival_ns == 0 ? 0 : now - leg.rtcp.sr_arrival_ns;
  return {.ssrc = reception.ssrc,
          .fraction_lost = static_cast<uint8_t>(std::min(fraction, 255u)),
          .lost = static_cast<int32_t>(std::clamp<int64_t>(lost, -0x800000, 0x7fffff)),
          .sequence_max = reception.sequence_max - kFirstCycle,
          .jitter = reception.jitter_q4 >> 4,
          .sr_ntp = leg.rtcp.sr_arrival_ns == 0 ? 0 : leg.rtcp.sr_ntp,
          .sr_delay = static_cast<uint32_t>(sr_age / 1000 * 65536 / 1'000'000)};
}

}  // namespace

Verdict ReceiveRtcp(Leg& leg, const abi::Endpoint& source, std::span<const uint8_t> compound,
                    TimeNs now) {
  const session::Gate& gate = leg.gate;
  const abi::Endpoint& peer = gate.source.port != 0 ? gate.source : leg.learning.signalled;
  const bool mux = (gate.flags & session::kGateRtcpMux) != 0;
  const bool matches =
      peer.port != 0 && source.address == peer.address && (!mux || source.port == peer.port);
  // The source of RTP was checked when it was believed; the signalled address is only a claim.
  if (!matches || (gate.source.port == 0 && !InNetworks(leg, source))) {
    return Verdict::kRtcpUnmatched;
  }
  if (!wire::IsRtcpCompound(compound)) return Verdict::kBadRtcp;

  leg.rtcp.received += 1;
  wire::RtcpPacket first;
  wire::RtcpWalk(compound).Next(&first);
  if (first.type == wire::RtcpType::kSenderReport) {
    const wire::SenderInfo sender = wire::ReadSenderInfo(first);
    if (sender.ssrc == leg.reception.ssrc && leg.reception.packets != 0) {
      leg.rtcp.sr_ntp = static_cast<uint32_t>(sender.ntp >> 16);
      leg.rtcp.sr_arrival_ns = now;
    }
  }
  return Verdict::kForwarded;
}

bool IdentityPasses(const Leg& speaker, const Leg& listener) {
  return !((speaker.out.flags | listener.out.flags) & session::kOutRewritten);
}

size_t TranslateReport(const Leg& speaker, const Leg& listener, std::span<const uint8_t> compound,
                       std::span<uint8_t> out) {
  wire::RtcpPacket first;
  wire::RtcpWalk(compound).Next(&first);
  const bool heard = (listener.out.flags & session::kOutStarted) != 0;
  // A party that has sent no RTP yet reports under a name that we have not heard; it passes as is.
  const uint32_t sender = heard ? listener.out.source_ssrc
                                : uint32_t{first.body[0]} << 24 | uint32_t{first.body[1]} << 16 |
                                      uint32_t{first.body[2]} << 8 | first.body[3];
  const wire::RtcpMapping mapping{
      .sender_from = sender,
      .sender_to = heard ? listener.out.ssrc : sender,
      .timestamp_offset = listener.out.timestamp_offset,
      .source_from = speaker.out.ssrc,
      .source_to = speaker.out.source_ssrc,
      .sequence_offset = 0u - speaker.out.sequence_offset,
      .cname = listener.rtcp.cname,
  };
  return wire::TranslateRtcp(compound, mapping, out);
}

size_t MakeReport(Leg& leg, TimeNs now, int64_t wall_offset_ns, std::span<uint8_t> out) {
  const bool started = (leg.out.flags & session::kOutStarted) != 0;
  const bool sends = started && leg.out.sent_packets != leg.rtcp.sent_prior;
  const bool hears = leg.reception.packets != 0;
  leg.rtcp.sent_prior = leg.out.sent_packets;
  if (!sends && !hears) return 0;

  wire::RtcpReport report{.ssrc = started ? leg.out.ssrc : leg.rtcp.ssrc, .cname = leg.rtcp.cname};
  const wire::SenderInfo sender{
      .ssrc = report.ssrc,
      .ntp = NtpTime(now, wall_offset_ns),
      .timestamp = leg.out.timestamp_last + TimestampUnits(leg, SinceSent(leg.out, now)),
      .packets = leg.out.sent_packets - leg.totals.stream_packets,
      .bytes = SentOctets(leg) - leg.totals.stream_octets};
  wire::ReportBlock block;
  if (sends) report.sender = &sender;
  if (hears) {
    block = MakeBlock(leg, now);
    report.block = &block;
  }
  return wire::WriteRtcpReport(report, out);
}

TimeNs NextReportAfter(uint32_t random) {
  constexpr double kCompensation = 2.71828 - 1.5;
  constexpr uint64_t kBase = static_cast<uint64_t>(kRtcpInterval / kCompensation);
  return kBase / 2 + ((kBase * uint64_t{random >> 8}) >> 24);
}

RtcpPath RtcpPathOf(const Leg& leg) {
  if (leg.out.flags & session::kOutRtcpMux) {
    return {.remote = leg.out.Remote(), .local = leg.out.local, .handle = leg.out.handle};
  }
  // As signalled while RTP goes to the signalled address; to a learned one by the rule of RFC 3550
  // section 11, the port above.
  abi::Endpoint remote = leg.out.Remote();
  if (SameSource(remote, leg.learning.signalled)) {
    remote = leg.path.remote_rtcp;
  } else {
    remote.port = static_cast<uint16_t>(remote.port + 1);
  }
  return {.remote = remote,
          .local = {.address = leg.out.local.address,
                    .port = static_cast<uint16_t>(leg.out.local.port + 1)},
          .handle = leg.path.rtcp_handle};
}

}  // namespace relay::stage
