// Packet indices and replay windows of SRTP (RFC 3711 section 3.3). Straight arithmetic on plain
// data: guess -> (authenticate) -> check -> commit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/session/srtp.h"

namespace relay::stage {

inline constexpr uint64_t kSrtpIndexEnd = uint64_t{1} << 48;
inline constexpr uint32_t kSrtcpIndexEnd = 1u << 31;
// Nearer to the newest index than this, a guess is the same whatever else of a burst is accepted
// first: it may be made for many packets of a stream before any of them is authenticated.
inline constexpr uint64_t kSrtpNear = 1u << 14;

// Of an SSRC; null = unknown.
template <typename Stream, size_t N>
Stream* FindStream(Stream (&streams)[N], uint32_t ssrc) {
  for (Stream& stream : streams) {
    if (stream.used && stream.ssrc == ssrc) return &stream;
  }
  return nullptr;
}

// Section 3.3.1 and appendix A, for a stream whose newest index is `top`. In the first 2^15 packets
// of a stream there is no counter below 0: the number is taken as it stands, as libsrtp2 does.
inline uint64_t GuessIndex(uint64_t top, uint16_t sequence) {
  if (top <= 0x8000) return sequence;
  const uint64_t roc = top >> 16;
  const uint16_t newest = static_cast<uint16_t>(top);
  uint64_t guess = roc;
  if (newest < 0x8000) {
    if (sequence > newest && sequence - newest > 0x8000) guess = roc - 1;
  } else if (newest - 0x8000 > sequence) {
    guess = roc + 1;
  }
  return guess << 16 | sequence;
}

inline uint64_t Distance(uint64_t a, uint64_t b) {
  return a < b ? b - a : a - b;
}

enum class IndexVerdict : uint8_t { kNew, kSeen, kOld, kSpent };

inline IndexVerdict CheckIndex(const session::SrtpStream& stream, uint64_t index) {
  if (index >= kSrtpIndexEnd) return IndexVerdict::kSpent;
  if (index > stream.top) return IndexVerdict::kNew;
  if (stream.top - index >= session::kSrtpWindow) return IndexVerdict::kOld;
  const bool recent = index / 64 == stream.top / 64;
  const uint64_t word = recent ? stream.recent : stream.seen[index % session::kSrtpWindow / 64];
  return (word >> (index % 64)) & 1 ? IndexVerdict::kSeen : IndexVerdict::kNew;
}

// `index` is in a later word than the newest so far.
inline void MoveWindow(session::SrtpStream& stream, uint64_t index) {
  if (index - stream.top >= session::kSrtpWindow) {
    for (uint64_t& word : stream.seen) word = 0;
  } else {
    stream.seen[stream.top % session::kSrtpWindow / 64] = stream.recent;
    // What these had was seen a whole window ago.
    for (uint64_t word = stream.top / 64 + 1; word < index / 64; ++word) {
      stream.seen[word % (session::kSrtpWindow / 64)] = 0;
    }
  }
  stream.recent = 0;
}

// All indices up to `top` count as seen.
inline void FillWindow(session::SrtpStream& stream, uint64_t top) {
  stream.top = top;
  stream.recent = (uint64_t{2} << (top % 64)) - 1;
  for (uint64_t& word : stream.seen) word = ~uint64_t{0};
}

// `index` was checked and found new.
inline void CommitIndex(session::SrtpStream& stream, uint64_t index) {
  const uint64_t bit = uint64_t{1} << (index % 64);
  if (index / 64 < stream.top / 64) [[unlikely]] {
    stream.seen[index % session::kSrtpWindow / 64] |= bit;
    return;
  }
  if (index / 64 != stream.top / 64) [[unlikely]]
    MoveWindow(stream, index);
  stream.recent |= bit;
  if (index > stream.top) stream.top = index;
}

// SRTCP carries its index; only replays are to be found out.
inline IndexVerdict CheckIndex(const session::SrtcpStream& stream, uint64_t index) {
  if (index > stream.top) return IndexVerdict::kNew;
  if (stream.top - index >= session::kSrtcpWindow) return IndexVerdict::kOld;
  const uint64_t word = stream.seen[index % session::kSrtcpWindow / 64];
  return (word >> (index % 64)) & 1 ? IndexVerdict::kSeen : IndexVerdict::kNew;
}

inline void CommitIndex(session::SrtcpStream& stream, uint64_t index) {
  if (index > stream.top) {
    if (index - stream.top >= session::kSrtcpWindow) {
      stream.seen[0] = stream.seen[1] = 0;
    } else {
      for (uint64_t i = stream.top + 1; i < index; ++i) {
        stream.seen[i % session::kSrtcpWindow / 64] &= ~(uint64_t{1} << (i % 64));
      }
    }
    stream.top = index;
  }
  stream.seen[index % session::kSrtcpWindow / 64] |= uint64_t{1} << (index % 64);
}

}  // namespace relay::stage
