// The few RTP formats that a trunk call speaks, and what an m= line says about them.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sipctl/sdp/description.h"

namespace sipctl::sdp {

enum class Codec : uint8_t {
  kPcma,            // RFC 3551, static payload type 8
  kPcmu,            // RFC 3551, static payload type 0
  kTelephoneEvent,  // RFC 4733, dynamic payload type
  kComfortNoise,    // RFC 3389, static payload type 13
};

// "PCMA", "PCMU", "telephone-event", "CN": as in a=rtpmap.
std::string_view CodecName(Codec codec);
std::optional<Codec> CodecByName(std::string_view name);  // without case
// Speech, and not something that only goes along with it.
constexpr bool IsSpeech(Codec codec) {
  return codec == Codec::kPcma || codec == Codec::kPcmu;
}

// Telephone events by number (RFC 4733 section 2.4.1).
using Events = std::bitset<256>;

Events DefaultEvents();                                    // 0-16: keys and flash
std::optional<Events> ParseEvents(std::string_view text);  // "0-15,66"
std::string FormatEvents(const Events& events);

// One format of an offer or answer that we know.
struct Format {
  Codec codec = Codec::kPcma;
  uint8_t payload_type = 8;
  Events events;  // kTelephoneEvent only

  bool operator==(const Format&) const = default;
};

bool HasSpeech(const std::vector<Format>& formats);

// Every known format of an m= line in its order: one for each codec, at 8000 Hz, one channel. An
// event format at another clock rate belongs to a codec we do not speak.
std::vector<Format> KnownFormats(const Media& media);

}  // namespace sipctl::sdp
