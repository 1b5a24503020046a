// What is remembered of a leg's SRTP: keys, indices, replay windows. Plain data like the leg
// itself, in a memory of its own beside the legs' (same slot number), so that a relay that starts
// again goes on without using an index twice. Only the owning worker reads or writes it; it lies in
// no core dump, and nobody else maps it. What can be computed from it (session keys, cipher
// contexts) is not here: `context` fields name it, and are set anew by whoever adopts.
//
// A leg without SRTP touches none of this. A packet of a secured leg touches
//
//     streams[0], first line   SSRC, newest index and its part of the window, where the cipher
//                              context is
//     the cipher context       two lines (CM); in a pool of the worker (stage/srtp.h)
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "relay/abi/srtp.h"
#include "relay/clock.h"

namespace relay::session {

inline constexpr uint32_t kNoContext = 0xffffffff;
inline constexpr size_t kSrtpStreams = 4;
inline constexpr size_t kSrtcpStreams = 16;
inline constexpr size_t kSrtpFormer = 16;
// SrtpFormer::used
inline constexpr uint32_t kFormerGone = 1;  // this key has protected it up to `top`
inline constexpr uint32_t kFormerHint = 2;  // a key before has; its counter may run on
// Keys that were given up and are known again, should they return.
inline constexpr size_t kSrtpSpentReceive = 7;
inline constexpr size_t kSrtpSpentSend = 8;
// Packets behind the newest that are still told from replays; libsrtp2's limit is the same number.
inline constexpr uint32_t kSrtpWindow = 1024;
inline constexpr uint32_t kSrtcpWindow = 128;
// The E flag of SRTCP, before its 31-bit index (RFC 3711 section 3.4).
inline constexpr uint32_t kSrtcpEncrypted = 0x80000000;

// One SSRC under one key, either way.
struct alignas(64) SrtpStream {
  uint32_t ssrc;
  uint8_t used;
  uint8_t quick;  // 1: this line is enough. Receiving: under one key without MKI, no former key;
                  // sending: there is a key
  abi::SrtpSuite suite;  // of the leg, for whom this line is enough
  uint8_t reserved;
  uint64_t top;        // newest index: roll-over counter << 16 | sequence number
  uint32_t context;    // of RTP under the first key
  uint8_t mki_length;  // sending
  uint8_t reserved2[3];
  // The window: bit index % 1024 for the newest 1024. The 64 indices of which `top` is one are
  // apart, in the line that a packet touches anyway; their place in `seen` is for those 1024
  // before.
  uint64_t recent;
  uint64_t seen[kSrtpWindow / 64];
  uint8_t reserved3[32];
};
static_assert(sizeof(SrtpStream) == 192);

struct SrtcpStream {
  uint32_t ssrc;
  uint32_t used;
  uint64_t top;
  uint64_t seen[kSrtcpWindow / 64];
};
static_assert(sizeof(SrtcpStream) == 32);

// A stream that had to make room, or that the keys before had. Of the first kind, should it come
// back, everything up to `top` counts as seen.
struct SrtpFormer {
  uint32_t ssrc;
  uint32_t used;
  uint64_t top;
};

struct SrtpReceiveKey {
  abi::SrtpKey master;
  uint32_t rtp_context;
  uint32_t rtcp_context;
};
static_assert(sizeof(SrtpReceiveKey) == 64);

// The far party's streams under one set of keys.
struct SrtpReceiver {
  SrtpStream streams[kSrtpStreams];  // heard last comes first
  SrtcpStream rtcp[kSrtcpStreams];   // as well
  SrtpFormer former[kSrtpFormer];
  SrtpReceiveKey keys[abi::kSrtpReceiveKeys];
  TimeNs until_ns;  // of the former keys: when they end
  abi::SrtpSuite suite;
  uint8_t key_count;
  abi::SrtpRoc roc;  // how indices went over from the keys before
  uint8_t reserved[53];
};
static_assert(sizeof(SrtpReceiver) % 64 == 0);

struct SrtpSender {
  SrtpStream stream;  // as the far party hears one
  abi::SrtpKey master;
  uint32_t rtcp_context;
  uint32_t rtcp_index;  // used last; 31 bits; runs on under every key (RFC 3711 section 3.4)
  uint32_t former[15];  // SSRCs that the leg has sent under some key, and never sends again
  uint8_t former_count;
  uint8_t key_count;
  uint8_t reserved[2];
};
static_assert(sizeof(SrtpSender) == 320);

// How far a stream had come under a receive key that was given up.
struct SrtpSpent {
  uint64_t print;  // of the key; 0 = free
  uint64_t top;    // RTP's newest index
  uint32_t ssrc;
  uint32_t rtcp_end;  // one more than SRTCP's newest index; 0 = none was heard
};

// What outlives a key until the leg closes, though its RTP be plain for a while: a key that comes
// back goes on where it was, so that nothing of its first life is accepted a second time, and no
// index of it used for a second packet. Keys are known by prints (stage/srtp_keys.h), from which
// nobody finds a key.
struct SrtpPast {
  SrtpSpent receive[kSrtpSpentReceive];
  uint64_t send[kSrtpSpentSend];  // prints; 0 = free
  uint64_t top;                   // newest index of the stream that is sent, under any key
  uint32_t ssrc;                  // its
  uint8_t receive_next;           // the places that are taken next
  uint8_t send_next;
  uint8_t reserved[10];
};
static_assert(sizeof(SrtpPast) == 256);

struct SrtpLeg {
  SrtpReceiver receive;
  SrtpSender send;
  SrtpReceiver former;  // the keys before, for a short while
  SrtpPast past;
};
static_assert(offsetof(SrtpLeg, send) % 64 == 0);
// An odd number of lines, so that the hot ones of many legs spread over all sets of a cache.
static_assert(sizeof(SrtpLeg) / 64 % 2 == 1);
static_assert(std::is_trivially_copyable_v<SrtpLeg>);

}  // namespace relay::session
