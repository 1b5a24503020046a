// A leg: everything a worker remembers of one far party. Plain data, no pointer into a heap, in an
// array that the conductor hands in (it lies in a memfd, so that a restarted relay can adopt it).
//
// A leg belongs to one worker; nobody else reads or writes it. It is cut by cache lines, because a
// packet costs what it touches that is not in the cache:
//
//     line         bytes  read or written by
//     ----         -----  ------------------
//     gate         0      every packet from the far party       (near leg)
//     reception    64     every RTP packet from the far party   (near leg)
//     out          128    every packet to the far party         (far leg)
//     learning     192    a packet whose source is not the last one
//     rtcp         256    RTCP in or out
//     path         320    leg opened or updated, RTCP to the far party
//     formats      384    a payload type that is not the last one
//     bridges      448    a fork's second and later listeners; bridge orders
//     timing       512    the leg's timer, about once in four seconds; reports to the conductor
//     totals       576    statistics, about once a second; rare events
//     digits       704    telephone events from the far party
//     play         768    telephone events made by the relay
//
// A forwarded RTP packet of a plain call thus touches four lines that may be cold:
//
//     1  the session table's entry (16 neighbouring port pairs share a line)
//     2  near gate       3  near reception       4  far out
//
// All four are prefetched over the burst (worker/pipeline.cc). A leg has an odd number of lines, so
// that the hot ones of many legs spread over all sets of a cache; with 1024 bytes a leg they would
// share one sixteenth of them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "relay/abi/command.h"
#include "relay/abi/endpoint.h"
#include "relay/clock.h"

namespace relay::session {

struct NetworkSet;

// "No leg" where a leg's slot (its index in the worker's array) may stand.
inline constexpr uint32_t kNoLeg = 0xffffffff;
inline constexpr uint8_t kNoPayloadType = 0xff;
// "Not bound" where a port's handle may stand.
inline constexpr uint32_t kNoHandle = 0xffffffff;
inline constexpr uint8_t kSpeakersPerLeg = abi::kLegsPerSession - 1;
inline constexpr size_t kCnameLength = 16;  // 96 random bits in base64 (RFC 7022 section 4.2)

enum class LearnState : uint8_t {
  kFixed,     // nothing to learn: Learning::kOff or kSignalled
  kWatching,  // window open, no source chosen
  kLatched,   // a source other than the signalled one was chosen
  kLocked,    // final: the signalled source was seen, or the window closed
};

// Gate::flags
inline constexpr uint8_t kGateReceives = 1;  // direction: packets are accepted
inline constexpr uint8_t kGateRtcpMux = 2;
inline constexpr uint8_t kGateSilent = 4;  // a media timeout was reported; the next packet ends it
inline constexpr uint8_t kGateDigit = 16;  // a telephone event began and has not ended
inline constexpr uint8_t kGateApart = 32;  // several listeners, or one who takes short packets only
inline constexpr uint8_t kGateSrtp = 8;    // nothing is believed that is not authentic (srtp.h)
inline constexpr uint8_t kGateHadSrtp = 64;  // the leg has something in the memory of keys

struct alignas(64) Gate {
  abi::Endpoint source;          // believed last; port 0 = none yet
  uint8_t payload_types[8];      // of the leg's formats; kNoPayloadType fills up
  uint8_t payload_types_out[8];  // what listener 0 gets for each of them; kNoPayloadType = nothing
  uint32_t listeners[abi::kListenersPerLeg];  // slots, first ones first; kNoLeg fills up
  uint8_t open;                               // 0: the slot is free, and all else meaningless
  LearnState learn;
  uint8_t flags;
  uint8_t recoded;   // bit i: format i has the other G.711 law for listener 0 (stage/transcode.h)
  uint32_t dropped;  // packets from the far party that were not forwarded; wraps, see Totals
};
static_assert(sizeof(Gate) == 64);

// RFC 3550 appendix A.1, A.3, A.8, of the source (SSRC) that is heard now.
struct alignas(64) Reception {
  uint32_t ssrc;
  uint32_t sequence_max;      // extended by the number of wraps
  uint32_t sequence_first;    // extended
  uint32_t packets;           // of this source, without duplicates; 0 = no source yet
  uint32_t transit;           // arrival - timestamp, in timestamp units
  uint32_t jitter_q4;         // in timestamp units, 4 fraction bits
  uint32_t ticks_q32;         // timestamp units in 1024 ns, 32 fraction bits; from the clock rate
  uint32_t sequence_bad;      // the one after a great leap, if it is seen next (A.1); else 1 << 16
  uint64_t window;            // bit i: sequence_max - i was seen
  TimeNs last_arrival_ns;     // also of packets that were not forwarded further on; 0 = none
  uint32_t received_packets;  // both wrap; Totals has them in 64 bits
  uint32_t received_bytes;
  uint8_t payload_type;   // last
  uint8_t measured;       // 1: transit is of a packet that this one may be compared with
  uint8_t alaw_formats;   // bit i: format i is A-law; here because the gate is full
  uint8_t event_formats;  // bit i: format i is telephone-event
  uint8_t reserved[2];
  uint16_t payload_max_out;  // the longest payload that listener 0 takes, in bytes
};
static_assert(sizeof(Reception) == 64);

// Out::flags
inline constexpr uint8_t kOutSends = 1;      // direction: packets may go to the far party
inline constexpr uint8_t kOutStarted = 2;    // ssrc, sequence and timestamp below are in use
inline constexpr uint8_t kOutRewritten = 4;  // identity differs from the source's: RTCP is our own
inline constexpr uint8_t kOutRtcpMux = 8;
inline constexpr uint8_t kOutNewSpeaker =
    16;                                     // the next packet is another party's, same SSRC or not
inline constexpr uint8_t kOutSrtp = 32;     // nothing leaves in the clear
inline constexpr uint8_t kOutPlaying = 64;  // a telephone event of ours is sent instead of speech
inline constexpr uint8_t kOutSplit = 128;   // a packet has become several: none may come late

// Out::SentTick counts units of 2^20 ns (1.05 ms) and wraps after 4.9 hours.
inline constexpr int kSentTickShift = 20;

struct alignas(64) Out {
  // Destination, an abi::Endpoint whose reserved bytes are put to use.
  abi::Address address;
  uint16_t remote_port;  // 0 = not known
  uint16_t vlan;
  uint16_t interface;
  uint8_t dscp : 6;
  uint8_t port_index : 2;  // which of the worker's ports
  uint8_t payload_type;    // sent last

  abi::LocalEndpoint local;
  uint32_t handle;

  uint32_t source_ssrc;      // what the speaker calls the stream that is heard now
  uint32_t ssrc;             // what the far party knows it as
  uint16_t sequence_offset;  // sent = received + offset
  uint16_t sequence_last;    // newest sent
  uint32_t timestamp_offset;
  uint32_t timestamp_last;  // of sequence_last
  uint32_t sent_packets;    // both wrap; Totals has them in 64 bits
  uint32_t sent_bytes;
  // When timestamp_last was sent first; in whole bytes beside the flags, because a bit field would
  // be read, masked and written back for each packet.
  uint16_t sent_tick_low;
  uint8_t sent_tick_high;
  uint8_t flags;

  uint32_t SentTick() const { return uint32_t{sent_tick_high} << 16 | sent_tick_low; }
  void SetSentTick(TimeNs now) {
    sent_tick_low = static_cast<uint16_t>(now >> kSentTickShift);
    sent_tick_high = static_cast<uint8_t>(now >> (kSentTickShift + 16));
  }

  // As three words and a mask. Field by field, or as a copy of 22 bytes with a zero behind it, it
  // would be read back by loads wider than the stores before them, each of which waits some dozen
  // cycles until those have reached the cache.
  void CopyRemote(abi::Endpoint* remote) const {
    const auto* from = reinterpret_cast<const uint8_t*>(this);  // Out begins with it
    uint64_t high, low, rest;
    std::memcpy(&high, from, sizeof(high));
    std::memcpy(&low, from + 8, sizeof(low));
    std::memcpy(&rest, from + 16, sizeof(rest));
    rest &= 0x0000'ffff'ffff'ffff;  // `reserved` is the last two bytes
    auto* to = reinterpret_cast<uint8_t*>(remote);
    std::memcpy(to, &high, sizeof(high));
    std::memcpy(to + 8, &low, sizeof(low));
    std::memcpy(to + 16, &rest, sizeof(rest));
  }
  abi::Endpoint Remote() const {
    abi::Endpoint remote;
    CopyRemote(&remote);
    return remote;
  }
  void SetRemote(const abi::Endpoint& remote) {
    address = remote.address;
    remote_port = remote.port;
    vlan = remote.vlan;
    interface = remote.interface;
  }
};
static_assert(sizeof(Out) == 64);
static_assert(offsetof(Out, address) == offsetof(abi::Endpoint, address));
static_assert(offsetof(Out, remote_port) == offsetof(abi::Endpoint, port));
static_assert(offsetof(Out, vlan) == offsetof(abi::Endpoint, vlan));
static_assert(offsetof(Out, interface) == offsetof(abi::Endpoint, interface));
static_assert(offsetof(abi::Endpoint, reserved) == 22 && sizeof(abi::Endpoint) == 24);
static_assert(std::endian::native == std::endian::little);

struct alignas(64) LearningLine {
  abi::Endpoint signalled;
  abi::Endpoint candidate;  // being watched under kLatch
  uint32_t candidate_ssrc;
  uint16_t candidate_sequence;  // last seen
  uint8_t candidate_payload_type;
  uint8_t candidate_count;
  TimeNs window_end_ns;
};
static_assert(sizeof(LearningLine) == 64);

struct alignas(64) RtcpLine {
  TimeNs sr_arrival_ns;  // of the last sender report; 0 = none
  TimeNs next_ns;        // when the leg's own report is due; 0 = never
  uint32_t sr_ntp;       // its middle 32 bits of NTP time (RFC 3550 section 6.4.1, LSR)
  uint32_t expected_prior;
  uint32_t received_prior;
  uint32_t sent_prior;  // sent_packets at our last report: sender or not (section 6.4)
  uint32_t ssrc;        // ours while nothing was sent
  uint32_t received;    // RTCP packets believed
  uint32_t sent;
  char cname[kCnameLength];
  uint8_t reserved[4];
};
static_assert(sizeof(RtcpLine) == 64);

struct alignas(64) PathLine {
  abi::Endpoint remote_rtcp;   // signalled; used without rtcp-mux, while RTP goes where signalled
  const NetworkSet* networks;  // null = any; owned by the conductor, set again on adoption
  uint32_t rtcp_handle;
  uint32_t generation;
  uint32_t plan_version;
  uint32_t statistics;  // index of the leg's slot in the state segment
  abi::Learning learning;
  uint8_t format_count;
  uint8_t transcode;      // as planned
  uint8_t packet_ms_max;  // as planned
  uint8_t reserved[12];
};
static_assert(sizeof(PathLine) == 64);

struct alignas(64) BridgesLine {
  uint32_t speakers[kSpeakersPerLeg];                       // who is heard here; kNoLeg fills up
  uint8_t payload_types_out[abi::kListenersPerLeg - 1][8];  // as the gate's, for listeners 1, 2, 3
  uint32_t speaker_former;             // who was heard last and is heard no more; kNoLeg = none
  uint32_t speaker_former_generation;  // of that slot: another leg may have it by now
  uint8_t recoded[abi::kListenersPerLeg - 1];  // as the gate's, for listeners 1, 2, 3
  uint8_t reserved[1];
};
static_assert(sizeof(BridgesLine) == 64);

// A telephone event as a whole (RFC 4733).
struct Digit {
  uint8_t event;
  uint8_t volume;
  uint16_t duration_ms;
};
static_assert(sizeof(Digit) == 4);

enum class EventState : uint8_t {
  kNone,  // none was heard yet
  kOpen,  // begun
  kDone,  // reported; its end may be repeated
};

// What the far party presses (stage/digits.h).
struct alignas(64) DigitsLine {
  uint32_t ssrc;
  uint32_t timestamp;     // of the event's newest segment (section 2.5.1.3)
  uint32_t units_before;  // of its earlier segments, in timestamp units
  uint32_t clock_rate_hz;
  uint16_t units;  // of this one
  uint8_t event;
  EventState state;
  uint8_t pending_count;
  uint8_t reserved;
  uint16_t sequence;  // the source's newest of events
  Digit pending[8];   // heard and not yet posted to the conductor
  uint8_t reserved2[8];
};
static_assert(sizeof(DigitsLine) == 64);

// What is sent to the far party in the place of speech.
struct alignas(64) PlayLine {
  TimeNs next_ns;       // when the next packet is due; 0 = nothing is sent
  uint32_t timestamp;   // of the event that is being sent
  uint16_t elapsed_ms;  // of it; 0 = between two events
  uint16_t number;      // of the last command taken
  uint8_t ends_left;    // how often its end is sent still
  uint8_t count;        // in the queue, the one that is being sent included
  uint8_t reserved[2];
  Digit queue[11];
};
static_assert(sizeof(PlayLine) == 64);

// TimingLine::reports
inline constexpr uint8_t kReportUpdated = 1;
inline constexpr uint8_t kReportLearned = 2;
inline constexpr uint8_t kReportTimeout = 4;
inline constexpr uint8_t kReportResumed = 8;
inline constexpr uint8_t kReportClosed = 16;
inline constexpr uint8_t kReportDigit = 32;

struct alignas(64) TimingLine {
  TimeNs deadline_ns;      // when the leg's timer fires
  TimeNs silence_from_ns;  // media timeout counts from here or the last packet, whichever is later
  uint64_t media_timeout_ns;  // 0 = never
  uint64_t silent_ns;         // as reported by the last timeout
  uint32_t next;              // in the timer wheel's slot; kNoLeg ends
  uint32_t previous;
  uint32_t report_next;  // in the worker's list of legs that have something to report
  uint8_t reports;       // what
  uint8_t in_wheel;
  uint8_t in_report_list;
  uint8_t reserved;
  uint16_t slot;  // of the timer wheel
  uint8_t reserved2[14];
};
static_assert(sizeof(TimingLine) == 64);

// 64-bit totals; the 32-bit counters of the hot lines are folded in with each refresh.
struct alignas(64) Totals {
  uint64_t received_packets;
  uint64_t received_bytes;
  uint64_t sent_packets;
  uint64_t sent_bytes;
  uint64_t dropped_packets;
  uint64_t expected_former;  // of sources that are gone
  uint64_t unique_former;    // their packets without duplicates
  uint64_t duplicate_packets;
  uint64_t reordered_packets;
  uint32_t received_packets_seen;  // value of the hot counters at the last fold
  uint32_t received_bytes_seen;
  uint32_t sent_packets_seen;
  uint32_t sent_bytes_seen;
  uint32_t dropped_seen;
  uint16_t source_changes;
  uint16_t reserved;
  // Of what was sent, CSRCs, header extensions and padding, in bytes: rare, so not in a hot line.
  uint32_t sent_overhead;
  // When the far party's stream got its present SSRC: packets and octets of payload sent until
  // then.
  uint32_t stream_packets;
  uint32_t stream_octets;
  uint8_t reserved2[20];
};
static_assert(sizeof(Totals) == 128);

struct Leg {
  Gate gate;
  Reception reception;
  Out out;
  LearningLine learning;
  RtcpLine rtcp;
  PathLine path;
  abi::Format formats[abi::kFormatsPerLeg];
  BridgesLine bridges;
  TimingLine timing;
  Totals totals;
  DigitsLine digits;
  PlayLine play;
};
static_assert(offsetof(Leg, reception) == 64);
static_assert(offsetof(Leg, out) == 128);
static_assert(offsetof(Leg, formats) == 384);
static_assert(offsetof(Leg, timing) == 512);
static_assert(sizeof(Leg) <= 1024 && sizeof(Leg) / 64 % 2 == 1);
static_assert(std::is_trivially_copyable_v<Leg>);

}  // namespace relay::session
