// PCMA for a listener who has only PCMU, and the other way round.
//
// The two laws have the same clock, so only the payload's bytes change, each for one other: length,
// sequence, timestamp, marker, header extension and padding stay. Whether a format is converted at
// all is decided when a bridge is made (MapPayloadTypes, stage/rewrite.h); a telephone event or
// comfort noise is a format of its own and never is.
#pragma once

#include <cstdint>

#include "kernels/g711.h"
#include "relay/session/leg.h"
#include "relay/wire/rtp.h"

namespace relay::stage {

// Turns the payload of the packet at `data` into the other law, where it lies. `format` is the
// index of what it is now in the speaker's formats.
inline void Transcode(const kernels::G711& g711, const session::Leg& speaker, unsigned format,
                      uint8_t* data, const wire::Rtp& rtp) {
  uint8_t* const payload = data + rtp.payload_offset;
  const bool alaw = (speaker.reception.alaw_formats >> format & 1) != 0;
  (alaw ? g711.alaw_to_ulaw : g711.ulaw_to_alaw)(payload, payload, rtp.payload_length);
}

}  // namespace relay::stage
