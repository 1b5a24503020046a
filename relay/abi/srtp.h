// How a leg's media is protected: SRTP and SRTCP (RFC 3711), with the keys of both directions.
//
// Keys come to the relay in this record alone, as master keys, wherever the client has them from
// (SDES, RFC 4568: the far party's crypto line holds the key of what *it* sends, ours the key of
// what *we* send). The relay wipes the record from the command ring as it takes it, keeps keys in
// memory of its own that no other process can see and no core dump holds, and never tells them.
//
// Like the rest of a plan, this is the whole wanted state, and sending it twice does no harm:
//
//   the same key again     everything goes on: indices, roll-over counters, replay windows
//   another receive key    authenticates from the first packet on; the former one stays good for
//                          `overlap_ms`, for packets on their way and far parties that are late
//   a receive key stays    beside others, or in another form (MKI, suite): its windows and counters
//                          go on, and are those of the keys beside it; its former form ends at once
//   another send key       used from the next packet on
//   suite kNone again      plain RTP; all keys are overwritten
//   a key that returns     goes on where it was, also when RTP was plain between, as with a fork
//                          whose branches answer in turn: nothing that the leg accepted under it is
//                          accepted again, and no packet leaves under an index that it has used
//
// The relay knows a leg's last eight send keys for that, and how far the last seven streams (at
// most four of a key) had come under receive keys that were given up, by prints of the keys.
// SRTCP's index runs on under all send keys, and an SSRC that the leg has left is never sent again.
//
// What the relay cannot see, the client has to promise: a send key is new from the kernel's random
// numbers, and belongs to one leg for one life. Two legs, or a leg that was closed and opened
// again, must never send under the same key: their streams could have the same SSRC, and then two
// packets the same key stream (RFC 3711 section 9.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace relay::abi {

enum class SrtpSuite : uint8_t {
  kNone = 0,                 // RTP/AVP
  kAesCm128HmacSha1_80 = 1,  // RFC 4568 section 6.2
  kAesCm128HmacSha1_32 = 2,  // the tag of its SRTCP has 80 bits all the same (section 6.2.2)
  kAesCm256HmacSha1_80 = 3,  // RFC 6188
  kAesCm256HmacSha1_32 = 4,
  kAeadAes128Gcm = 5,  // RFC 7714
  kAeadAes256Gcm = 6,
};
inline constexpr uint8_t kSrtpSuiteCount = 7;  // with kNone

// Lengths in bytes. In SDES key and salt stand behind each other as one base64 text, key first.
struct SrtpSuiteFacts {
  const char* name;  // as SDES writes it; "" for kNone
  uint8_t key_length;
  uint8_t salt_length;
  uint8_t rtp_tag_length;
  uint8_t rtcp_tag_length;
};

inline constexpr SrtpSuiteFacts kSrtpSuites[kSrtpSuiteCount] = {
    {"", 0, 0, 0, 0},
    {"AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10},
    {"AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10},
    {"AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10},
    {"AES_256_CM_HMAC_SHA1_32", 32, 14, 4, 10},
    {"AEAD_AES_128_GCM", 16, 12, 16, 16},
    {"AEAD_AES_256_GCM", 32, 12, 16, 16},
};

// `suite` is one of the enumerators.
constexpr const SrtpSuiteFacts& FactsOf(SrtpSuite suite) {
  return kSrtpSuites[static_cast<uint8_t>(suite)];
}
constexpr bool IsGcm(SrtpSuite suite) {
  return suite == SrtpSuite::kAeadAes128Gcm || suite == SrtpSuite::kAeadAes256Gcm;
}

inline constexpr uint8_t kSrtpKeyLengthMax = 32;
inline constexpr uint8_t kSrtpSaltLengthMax = 14;
inline constexpr uint8_t kSrtpMkiLengthMax = 128;  // RFC 4568 section 6.1
// Keys that a far party may send under at the same time, told apart by their MKI.
inline constexpr uint8_t kSrtpReceiveKeys = 2;
inline constexpr uint16_t kSrtpOverlapMaxMs = 10'000;

// A master key. What is beyond the suite's lengths is zero.
struct SrtpKey {
  uint8_t key[kSrtpKeyLengthMax];
  uint8_t salt[kSrtpSaltLengthMax];
  uint8_t mki_length;  // bytes each packet carries; 0 = no MKI, the usual case
  uint8_t reserved;
  uint64_t mki;  // its value, sent big endian in mki_length bytes with zeros before it
};
static_assert(sizeof(SrtpKey) == 56);
static_assert(offsetof(SrtpKey, mki) == 48);

// What becomes of the roll-over counter of a stream when its key changes. RFC 3711 section 3.3.1
// lets it run on; some far parties start again at 0.
enum class SrtpRoc : uint8_t {
  kRunsOn = 0,
  kRestarts = 1,
  kEither = 2,  // receiving only: a stream's first packet under the new key is tried both ways
};

struct SrtpPlan {
  SrtpSuite suite;            // of both directions; kNone: all else in this record is zero
  uint8_t send_key_count;     // 0 or 1; 0: our key is not agreed yet, nothing is sent
  uint8_t receive_key_count;  // 0 .. kSrtpReceiveKeys; 0: the far party's key is not known yet (an
                              // answer is awaited), nothing is accepted and nothing is learned.
                              // Two keys have MKIs of one length and of different values
  SrtpRoc send_roc;           // kRunsOn or kRestarts
  SrtpRoc receive_roc;
  uint8_t reserved;
  uint16_t overlap_ms;  // how long a replaced receive key is still good; 1000 is usual
  SrtpKey send;
  SrtpKey receive[kSrtpReceiveKeys];
};
static_assert(sizeof(SrtpPlan) == 176);
static_assert(offsetof(SrtpPlan, send) == 8);
static_assert(offsetof(SrtpPlan, receive) == 64);
static_assert(std::is_trivially_copyable_v<SrtpPlan>);

}  // namespace relay::abi
