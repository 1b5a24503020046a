// The one list of counters. A verdict (what became of a packet, stage/verdict.h) is an index into
// it, so no packet can be dropped without a name, a number and a sentence.
//
// Every worker owns one block and is its only writer; readers map the block read-only and add the
// blocks up. Numbers only grow while a relay runs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace relay::abi {

// X(Name, "name", "sentence"). Verdicts first: each received packet moves exactly one of them.
#define RELAY_VERDICTS(X)                                                                    \
  X(kForwarded, "forwarded", "sent on to every listener")                                    \
  X(kConsumed, "consumed", "RTCP that the relay answers itself")                             \
  X(kHeld, "held", "nobody listens now: the call is on hold or not answered yet")            \
  X(kNoLeg, "no_leg", "the local port belongs to no leg")                                    \
  X(kNotReceiving, "not_receiving", "the leg's direction does not accept packets")           \
  X(kTooShort, "too_short", "shorter than its headers say")                                  \
  X(kBadVersion, "bad_version", "RTP version is not 2")                                      \
  X(kBadPadding, "bad_padding", "RTP padding is longer than the packet")                     \
  X(kStun, "stun", "STUN (RFC 7983 first byte 0-3)")                                         \
  X(kDtls, "dtls", "DTLS (RFC 7983 first byte 20-63)")                                       \
  X(kUdptl, "udptl", "looks like T.38 UDPTL, which is not relayed")                          \
  X(kUnknownProtocol, "unknown_protocol", "neither RTP nor RTCP")                            \
  X(kBadRtcp, "bad_rtcp", "RTCP compound with wrong lengths or first packet (RFC 3550 A.2)") \
  X(kRtcpUnmatched, "rtcp_unmatched", "RTCP from another address than the leg's RTP")        \
  X(kWrongSource, "wrong_source", "source is not the leg's far party")                       \
  X(kWrongNetwork, "wrong_network", "source is outside the leg's networks")                  \
  X(kLearning, "learning", "source is being watched and not believed yet")                   \
  X(kUnknownPayloadType, "unknown_payload_type", "payload type is not in the leg's formats") \
  X(kNoSharedFormat, "no_shared_format", "no listener has this codec")                       \
  X(kDuplicate, "duplicate", "sequence number seen already")                                 \
  X(kLate, "late", "older than what its listener was sent in shorter packets")               \
  X(kReplaced, "replaced", "a telephone event of the relay is sent in its place")            \
  X(kTooLong, "too_long", "longer than a buffer")                                            \
  X(kNoRemote, "no_remote", "the listener's address is not known yet")                       \
  X(kNoBuffer, "no_buffer", "no free buffer for a copy")                                     \
  X(kBadFrame, "bad_frame", "Ethernet, IP or UDP header is wrong")                           \
  X(kBadChecksum, "bad_checksum", "IP or UDP checksum is wrong")                             \
  X(kFragment, "fragment", "IP fragment; left to the kernel where the port can")             \
  X(kNotOurs, "not_ours", "not UDP to one of our addresses and ports")                       \
  X(kSrtpNoKey, "srtp_no_key", "no key is agreed for the packet, or its MKI names none")     \
  X(kSrtpBadTag, "srtp_bad_tag", "SRTP or SRTCP that is not authentic")                      \
  X(kSrtpReplayed, "srtp_replayed", "authentic, but its index was seen before")              \
  X(kSrtpTooOld, "srtp_too_old", "authentic, but too far behind to tell it from a replay")   \
  X(kSrtpSources, "srtp_sources", "more SSRCs under one key than a leg can remember")        \
  X(kSrtpIndexUsed, "srtp_index_used", "would use an index of our key a second time")        \
  X(kHandOverFull, "hand_over_full", "the ring to the worker that owns the leg was full")

// Everything else worth counting.
#define RELAY_COUNTERS(X)                                                                     \
  X(kUnresolved, "unresolved", "packets dropped: their next hop's link address is not known") \
  X(kReceivedPackets, "received_packets", "packets taken from all ports")                     \
  X(kReceivedBytes, "received_bytes", "UDP payload bytes taken from all ports")               \
  X(kSentPackets, "sent_packets", "packets given to all ports")                               \
  X(kSentBytes, "sent_bytes", "UDP payload bytes given to all ports")                         \
  X(kSendFailed, "send_failed", "packets that a port or the kernel refused to send")          \
  X(kKernelDropped, "kernel_dropped", "packets the kernel or NIC dropped before the relay")   \
  X(kRtcpMade, "rtcp_made", "RTCP packets born in the relay")                                 \
  X(kCycles, "cycles", "turns of the worker's loop")                                          \
  X(kIdleCycles, "idle_cycles", "turns that found nothing to do")                             \
  X(kLegsOpened, "legs_opened", "legs taken over by this worker")                             \
  X(kLegsClosed, "legs_closed", "legs given back by this worker")                             \
  X(kSourcesLearned, "sources_learned", "latches that chose a source")                        \
  X(kMediaTimeouts, "media_timeouts", "silences reported")                                    \
  X(kSsrcChanges, "ssrc_changes", "far parties that changed their SSRC")                      \
  X(kMailboxFull, "mailbox_full", "times the conductor had to wait for a worker")             \
  X(kReceiveStarved, "receive_starved", "times a port had no free buffer to receive into")    \
  X(kForkLost, "fork_lost", "copies for a later listener that found no free buffer")          \
  X(kTranscoded, "transcoded", "packets turned from one G.711 law into the other")            \
  X(kSplit, "split", "packets cut into shorter ones for a listener")                          \
  X(kDigitsHeard, "digits_heard", "telephone events reported to the client")                  \
  X(kDigitsSent, "digits_sent", "telephone events made for the client")                       \
  X(kDigitsLost, "digits_lost", "telephone events without room, format or way to the party")  \
  X(kHandedOver, "handed_over", "packets given to the worker that owns their leg")            \
  X(kXdpZeroCopy, "xdp_zero_copy", "xdp queues that run without copies")                      \
  X(kXdpCopy, "xdp_copy", "xdp queues that run in native mode, frames copied")                \
  X(kXdpGeneric, "xdp_generic", "xdp queues that run in generic mode")                        \
  X(kXdpReattached, "xdp_reattached", "times the steering program was attached again")        \
  X(kToKernel, "to_kernel", "frames that were not ours, given to the kernel")                 \
  X(kFromKernel, "from_kernel", "frames of the kernel that left by a device of ours")         \
  X(kToKernelLost, "to_kernel_lost", "frames that were not ours and found no way to the kernel")

enum class Counter : uint16_t {
#define X(id, name, sentence) id,
  RELAY_VERDICTS(X) RELAY_COUNTERS(X)
#undef X
      kCount,
};
inline constexpr uint16_t kCounterCount = static_cast<uint16_t>(Counter::kCount);

#define X(id, name, sentence) +1
inline constexpr uint16_t kVerdictCount = 0 RELAY_VERDICTS(X);
#undef X

struct CounterText {
  const char* name;
  const char* sentence;
};

inline constexpr CounterText kCounterTexts[] = {
#define X(id, name, sentence) {name, sentence},
    RELAY_VERDICTS(X) RELAY_COUNTERS(X)
#undef X
};
static_assert(sizeof(kCounterTexts) / sizeof(kCounterTexts[0]) == kCounterCount);

// One worker's block. 96 slots leave room: a new counter moves no offset.
inline constexpr uint16_t kCounterSlots = 96;
static_assert(kCounterCount <= kCounterSlots);

struct alignas(64) CounterBlock {
  std::atomic<uint64_t> value[kCounterSlots];

  // Owner only. A plain add made of relaxed load and store: no locked instruction on the way of a
  // packet, and still no torn read for those who look on.
  void Add(Counter counter, uint64_t amount = 1) {
    std::atomic<uint64_t>& slot = value[static_cast<uint16_t>(counter)];
    slot.store(slot.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t Read(Counter counter) const {
    return value[static_cast<uint16_t>(counter)].load(std::memory_order_relaxed);
  }
};
static_assert(sizeof(CounterBlock) == 768);

}  // namespace relay::abi
