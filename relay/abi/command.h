// What a client may ask of the relay.
//
// A session is one call. Its legs are numbered 0 .. kLegsPerSession - 1 by the client; a leg is one
// local port pair and one far party. A bridge says who hears whom: it is one arrow from a speaker
// to a listener, so a plain call is two bridges, hold is a missing one, a fork is a third, and a
// transfer is an unbridge and a bridge between other legs. No word of SIP crosses this file.
//
//     leg 0 (trunk)   ---- bridge 0 -> 1 ---->   leg 1 (PBX)
//                     <--- bridge 1 -> 0 -----
//
// Every command is answered by exactly one event with the same `request` number (event.h:
// kCommandDone or kCommandRefused), in the order of the ring. Commands carry the whole wanted state
// and never a difference: sending one twice does no harm.
//
// The relay copies a record once, validates the copy, then uses it. All integers are in host byte
// order: the contract never leaves the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "relay/abi/endpoint.h"
#include "relay/abi/srtp.h"

namespace relay::abi {

inline constexpr uint8_t kLegsPerSession = 8;
inline constexpr uint8_t kFormatsPerLeg = 8;
inline constexpr uint8_t kListenersPerLeg = 4;
inline constexpr uint16_t kNetworkSetsMax = 64;
inline constexpr uint16_t kNetworksPerSet = 32;
inline constexpr uint16_t kNetworksPerCommand = 16;
inline constexpr uint16_t kNoNetworkSet = 0xffff;
inline constexpr uint8_t kPacketMsMin = 10;

enum class CommandKind : uint16_t {
  kNone = 0,          // never valid: an all-zero record is an error, not a no-op
  kLegOpen = 1,       // make the leg, and with its first leg the session
  kLegUpdate = 2,     // replace the leg's plan; its local endpoint cannot change
  kBridge = 3,        // listener hears speaker
  kUnbridge = 4,      // listener stops hearing speaker
  kLegClose = 5,      // forget the leg and its bridges; the last one ends the session
  kSessionClose = 6,  // close all legs of the session
  kNetworkSet = 7,    // define the networks that a learning mode may trust
  // 8 is kept for `play` (an announcement into a leg).
  kSendDigit = 9,  // the far party of a leg hears a telephone event
};

// What may stand in a payload type of a leg. The relay maps payload types between the two legs of
// a bridge by equal codec and clock rate: what the speaker's leg receives becomes what the
// listener's leg sends.
enum class Codec : uint8_t {
  kNone = 0,
  kPcmu = 1,            // RFC 3551 section 4.5.14
  kPcma = 2,            // RFC 3551 section 4.5.14
  kTelephoneEvent = 3,  // RFC 4733
  kComfortNoise = 4,    // RFC 3389
  kOpaque = 5,          // anything else, passed unchanged between equal payload types
};

// Each side of an offer and answer may number a format as it likes (RFC 3264 section 6.1): the far
// party sends by our number and is sent to by its own.
struct Format {
  uint8_t payload_type;  // 0-127; what comes from the far party
  Codec codec;
  uint8_t payload_type_sent;  // 0-127; what the far party gets
  uint8_t reserved;
  uint32_t clock_rate_hz;  // 8000 for G.711
};
static_assert(sizeof(Format) == 8);

// A format with one number for both ways, as nearly all are.
constexpr Format EqualFormat(uint8_t payload_type, Codec codec, uint32_t clock_rate_hz) {
  return {.payload_type = payload_type,
          .codec = codec,
          .payload_type_sent = payload_type,
          .reserved = 0,
          .clock_rate_hz = clock_rate_hz};
}

// How the source of a leg's packets is decided (docs/packet.md, "Whom the relay believes").
enum class Learning : uint8_t {
  kOff = 0,        // any source inside the leg's network set, which there must be; sends to the
                   // signalled address only
  kSignalled = 1,  // source must equal the signalled address and port
  kLatch = 2,      // NAT: the signalled address wins at once, else the first steady source inside
                   // `latch_window_ms` after the plan by which the leg begins to receive; then
                   // locked until a plan with `relearn`
};

// What becomes of a source that was learned (kLatch).
enum class Relearn : uint8_t {
  kKeep = 0,           // it stays
  kAnew = 1,           // it is forgotten and the window opens again: another far party
  kUnlessLearned = 2,  // the window opens again where nothing was learned in it: the same party,
                       // of whom more is expected now
};

// Directions as the far party sees our SDP (RFC 3264 section 5.1), as two bits.
inline constexpr uint8_t kLegReceives = 1;  // packets from the far party are accepted
inline constexpr uint8_t kLegSends = 2;     // packets to the far party are sent

// What one leg shall be. Filled by the client, validated as a whole.
struct LegPlan {
  LocalEndpoint local;  // ours; even port, inside a range leased to this client
  uint8_t direction;    // kLegReceives | kLegSends; 0 = on hold both ways
  Learning learning;
  uint8_t rtcp_mux;  // 1: RTCP shares the RTP port (RFC 5761); 0: it has the odd port above
  Relearn relearn;

  Endpoint remote_rtp;   // signalled; port 0 = not known yet, nothing is sent
  Endpoint remote_rtcp;  // signalled (RFC 3605) or port + 1; ignored under rtcp_mux

  uint16_t network_set;        // sources must lie in it; kNoNetworkSet = any (not with kOff)
  uint8_t dscp;                // 0-63, of packets sent to the far party (RFC 2474); 46 = EF
  uint8_t format_count;        // 1 .. kFormatsPerLeg
  uint32_t latch_window_ms;    // kLatch only; 0 = the relay's default
  uint32_t media_timeout_ms;   // silence that is reported; 0 = never; suspended on hold
  uint32_t session_length_ms;  // absolute end of the session from its first leg; 0 = none

  Format formats[kFormatsPerLeg];
  char label[16];  // shown by relaystat; UTF-8, zero padded, need not be terminated

  // 1: between two legs that both say so, G.711 of the one law is turned into the other where the
  // listener does not have the speaker's. A format that both have is never touched.
  uint8_t transcode;
  // The longest speech a packet to the far party may hold (a=maxptime); 0 = any, else kPacketMsMin
  // or more. What comes longer in G.711 is cut into several packets.
  uint8_t packet_ms_max;
  uint8_t reserved[6];
};
static_assert(sizeof(LegPlan) == 160);
static_assert(offsetof(LegPlan, remote_rtp) == 8);
static_assert(offsetof(LegPlan, network_set) == 56);
static_assert(offsetof(LegPlan, formats) == 72);
static_assert(offsetof(LegPlan, label) == 136);
static_assert(offsetof(LegPlan, transcode) == 152);

struct LegCommand {  // kLegOpen, kLegUpdate
  uint8_t leg;
  uint8_t reserved[7];
  LegPlan plan;
  SrtpPlan srtp;  // beside the plan and not in it: a plan may be copied and shown, keys may not
};
static_assert(sizeof(LegCommand) == 344);
static_assert(offsetof(LegCommand, srtp) == 168);

struct LegCloseCommand {
  uint8_t leg;
  uint8_t reserved[7];
};

struct BridgeCommand {  // kBridge, kUnbridge
  uint8_t speaker;
  uint8_t listener;
  uint8_t both;  // 1: also the arrow back
  uint8_t reserved[5];
};
static_assert(sizeof(BridgeCommand) == 8);

struct NetworkSetCommand {
  uint16_t set;    // 0 .. kNetworkSetsMax - 1, private to this client
  uint16_t count;  // networks in this record, 0 .. kNetworksPerCommand
  uint8_t append;  // 1: add to the set (kNetworksPerSet in all); 0: replace it
  uint8_t reserved[3];
  Network networks[kNetworksPerCommand];
};
static_assert(sizeof(NetworkSetCommand) == 392);

// Telephone events by number (RFC 4733 section 3.2): 0-9, 10 = *, 11 = #, 12-15 = A-D, 16 = flash.
inline constexpr uint8_t kDigitMax = 16;
inline constexpr uint16_t kDigitMsMin = 40;
inline constexpr uint16_t kDigitMsMax = 6000;

// A digit that the client has from elsewhere (SIP INFO): the relay makes a telephone event of it,
// in the place of speech, after those that wait already. The leg needs that format.
struct DigitCommand {  // kSendDigit
  uint8_t leg;
  uint8_t event;   // 0 .. kDigitMax
  uint8_t volume;  // -dBm0, 0-63; 10 is usual
  uint8_t reserved;
  uint16_t duration_ms;  // kDigitMsMin .. kDigitMsMax
  uint16_t number;       // never that of the leg's last digit: a command sent twice is one digit
};
static_assert(sizeof(DigitCommand) == 8);

// One slot of the command ring. `body` is chosen by `kind`; its unused rest is zero. The
// relay overwrites a record with zeros as it takes it: it may hold keys.
struct Command {
  CommandKind kind;
  uint16_t reserved;
  uint32_t length;   // bytes of `body` in use: exactly the size of the body that `kind` names
  uint64_t request;  // chosen by the client, returned in the answer
  uint64_t session;  // chosen by the client, unique among its live sessions; never 0
  union Body {
    LegCommand leg;
    LegCloseCommand leg_close;
    BridgeCommand bridge;
    NetworkSetCommand network_set;
    DigitCommand digit;
    uint8_t bytes[488];
  } body;
};
static_assert(sizeof(Command) == 512);
static_assert(offsetof(Command, request) == 8);
static_assert(offsetof(Command, session) == 16);
static_assert(offsetof(Command, body) == 24);
static_assert(std::is_trivially_copyable_v<Command>);

// Body size that `kind` demands in `Command::length`, or -1 for a kind that does not exist.
constexpr int64_t BodyLength(CommandKind kind) {
  switch (kind) {
    case CommandKind::kLegOpen:
    case CommandKind::kLegUpdate:
      return sizeof(LegCommand);
    case CommandKind::kBridge:
    case CommandKind::kUnbridge:
      return sizeof(BridgeCommand);
    case CommandKind::kLegClose:
      return sizeof(LegCloseCommand);
    case CommandKind::kSessionClose:
      return 0;
    case CommandKind::kNetworkSet:
      return sizeof(NetworkSetCommand);
    case CommandKind::kSendDigit:
      return sizeof(DigitCommand);
    case CommandKind::kNone:
      break;
  }
  return -1;
}

}  // namespace relay::abi
