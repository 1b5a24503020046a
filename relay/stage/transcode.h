// PCMA for a listener who has only PCMU, and the other way round.
//
// The two laws have the same clock, so only the payload's bytes change, each for one other: length,
// sequence, timestamp, marker, header extension and padding stay. Whether a format is converted at
// all is decided when a bridge is made (MapPayloadTypes, stage/rewrite.h); a telephone event or
// comfort noise is a format of its own and never is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/g711.h"
#include "relay/limits.h"
#include "relay/session/leg.h"
#include "relay/wire/rtp.h"

namespace relay::stage {

// Whether what the speaker sends as `format`, an index into its formats, is A-law; else it is
// mu-law.
inline bool IsAlaw(const session::Leg& speaker, unsigned format) {
  return (speaker.reception.alaw_formats >> format & 1) != 0;
}

// Turns the payload of the packet at `data` into the other law, where it lies. `format` is the
// index of what it is now in the speaker's formats.
inline void Transcode(const kernels::G711& g711, const session::Leg& speaker, unsigned format,
                      uint8_t* data, const wire::Rtp& rtp) {
  uint8_t* const payload = data + rtp.payload_offset;
  const auto map = IsAlaw(speaker, format) ? g711.alaw_to_ulaw : g711.ulaw_to_alaw;
  map(payload, payload, rtp.payload_length);
}

// The payloads of a burst that become the other law, together at its end: by then they are in the
// cache, and a processor that would guess each packet's law is wrong but twice.
class Transcoding {
 public:
  void Add(const session::Leg& speaker, unsigned format, uint8_t* data, const wire::Rtp& rtp) {
    List& list = lists_[IsAlaw(speaker, format)];
    uint8_t* const payload = data + rtp.payload_offset;
    for (uint32_t at = 64; at < rtp.payload_length + 64; at += 64) {
      __builtin_prefetch(payload + at, 1);
    }
    list.payloads[list.count++] = {payload, rtp.payload_length};
  }
  // Returns how many there were.
  size_t Run(const kernels::G711& g711) {
    const size_t count = lists_[0].count + lists_[1].count;
    if (count == 0) return 0;
    Run(lists_[0], g711.ulaw_to_alaw);
    Run(lists_[1], g711.alaw_to_ulaw);
    return count;
  }

 private:
  struct Payload {
    uint8_t* bytes;
    uint32_t length;
  };
  struct List {
    size_t count = 0;
    std::array<Payload, kBurstMax> payloads;
  };
  template <typename Map>
  static void Run(List& list, Map map) {
    for (size_t i = 0; i < list.count; ++i) {
      const Payload& payload = list.payloads[i];
      map(payload.bytes, payload.bytes, payload.length);
    }
    list.count = 0;
  }

  List lists_[2];  // mu-law, A-law
};

}  // namespace relay::stage
